"""The registry under /api/v1: agents, their typed tasks, what they report, metrics, health; and the audit log of it."""

import time
import uuid

import pytest
from agent import Caller, noop, python, refused, shell
from stack import wait_for


@pytest.fixture
def service(stack):
    caller = stack.service()
    yield caller
    caller.http.close()


@pytest.fixture
def anon(stack):
    caller = Caller(stack.url, stack.ready["anon_key"])
    yield caller
    caller.http.close()


def name(kind: str = "agent") -> str:
    return f"{kind}-{uuid.uuid4()}"


def get(caller: Caller, path: str, **query):
    answer = caller.http.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(caller: Caller, path: str, **body):
    return caller.http.post(f"/api/v1/{path}", json=body)


def patch(caller: Caller, path: str, **body):
    return caller.http.patch(f"/api/v1/{path}", json=body)


def made(answer) -> dict:
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def agent(service):
    """An agent that all signed-in users share."""
    return made(post(service, "agents", agent_id=name(), agent_type="content_generator"))["agent_id"]


@pytest.fixture
def owned(service, ada):
    """An agent of ada's own, which runs elsewhere."""
    return made(post(service, "agents", agent_id=name(), user_id=ada.person))["agent_id"]


def ended(caller: Caller, task: str) -> dict:
    """The execution once it has ended."""

    def look():
        found = get(caller, f"executions/{task}")
        return found if found["completed_at"] else None

    return wait_for(f"the end of {task}", look, patience=60)


def test_an_agent_registers_lives_and_is_seen(service, ada, anon, nobody):
    agent = name()
    body = {"agent_id": agent, "agent_type": "quiz_generator", "configuration": {"level": 3}}
    first = made(post(service, "agents", **body))
    again = post(service, "agents", **body)
    assert again.status_code == 200 and again.json()["id"] == first["id"]
    assert first["status"] == "initializing" and first["total_tasks_completed"] == 0
    changed = patch(service, f"agents/{agent}", status="idle", resource_limits={"memory_mb": 512})
    assert changed.status_code == 200, changed.text
    seen = get(ada, f"agents/{agent}")
    assert seen["status"] == "idle" and seen["resource_limits"] == {"memory_mb": 512}
    assert seen["configuration"] == {"level": 3}
    alive = patch(service, f"agents/{agent}").json()
    assert alive["last_activity"] > seen["last_activity"] and alive["status"] == "idle"
    listed = get(ada, "agents", agent_type="quiz_generator", status="idle")["agents"]
    assert agent in [one["agent_id"] for one in listed]
    refused(post(ada, "agents", **body), 403, "auth.forbidden")
    refused(patch(ada, f"agents/{agent}", status="error"), 403, "auth.forbidden")
    refused(anon.http.get("/api/v1/agents"), 403, "auth.forbidden")
    refused(nobody.http.get("/api/v1/agents"), 401, "auth.missing")
    refused(service.http.get(f"/api/v1/agents/{name()}"), 404, "agent.not_found")
    refused(patch(service, f"agents/{name()}", status="idle"), 404, "agent.not_found")


def test_a_typed_task_runs_on_the_engine_and_fills_its_execution(ada, eve, agent):
    plan = {
        "version": 1,
        "steps": [
            {
                "id": "main",
                "tool": "shell",
                "with": {"command": 'echo "$WHO"', "env": {"WHO": "${{ run.metadata.input_data.who }}"}},
            }
        ],
        "output": {"said": "${{ steps.main.output.stdout }}"},
    }
    task = made(post(ada, f"agents/{agent}/tasks", task_type="greet", plan=plan, input_data={"who": "Ada"}))
    assert set(task) == {"task_id", "agent_id", "run_id", "status", "created_at"}
    done = ended(ada, task["task_id"])
    assert done["status"] == "completed" and done["output_data"] == {"said": "Ada\n"}, done
    assert done["run_id"] == task["run_id"] and done["input_data"] == {"who": "Ada"} and done["error"] is None
    assert done["execution_time_seconds"] > 0 and done["user_id"] == ada.person
    assert ada.status(task["run_id"])["status"] == "completed"
    seen = get(ada, f"agents/{agent}")
    assert (seen["total_tasks_completed"], seen["total_tasks_failed"], seen["current_task_id"]) == (1, 0, None)
    listed = get(ada, f"agents/{agent}/tasks", task_type="greet", status="completed", hours=1)
    assert [one["task_id"] for one in listed["executions"]] == [task["task_id"]]
    # Another user shares the agent and not the task.
    assert get(eve, f"agents/{agent}/tasks")["executions"] == []
    refused(eve.http.get(f"/api/v1/executions/{task['task_id']}"), 404, "execution.not_found")
    refused(patch(eve, f"executions/{task['task_id']}", status="failed"), 404, "execution.not_found")
    refused(patch(ada, f"executions/{task['task_id']}", status="failed"), 403, "auth.forbidden")


def test_a_task_that_fails_says_why_and_can_be_done_again(ada, agent):
    task = made(post(ada, f"agents/{agent}/tasks", task_type="fall", plan=shell("exit 7")))
    failed = ended(ada, task["task_id"])
    assert failed["status"] == "failed" and failed["error"]["code"] == "tool.failed" and failed["output_data"] is None
    assert get(ada, f"agents/{agent}")["total_tasks_failed"] == 1
    assert ada.act("retry", task["run_id"]).status_code == 200
    again = ended(ada, task["task_id"])
    assert again["status"] == "failed" and again["completed_at"] > failed["completed_at"]
    assert get(ada, f"agents/{agent}")["total_tasks_failed"] == 1, "it counts how the task stands, not how often"


def test_a_running_task_is_nobody_else_s_to_name_and_a_stop_ends_it(ada, agent):
    plan = python("import time; print('begun', flush=True); time.sleep(600)")
    task = made(post(ada, f"agents/{agent}/tasks", task_type="wait", plan=plan))
    execution = f"executions/{task['task_id']}"
    wait_for("the task to run", lambda: get(ada, execution)["status"] == "running", patience=60)
    assert get(ada, f"agents/{agent}")["current_task_id"] is None
    assert ada.act("stop", task["run_id"]).status_code == 200
    assert get(ada, f"executions/{task['task_id']}")["status"] == "cancelled"
    assert get(ada, f"agents/{agent}")["current_task_id"] is None


def test_a_task_is_made_once_for_its_name_and_once_for_a_key(ada, eve, agent):
    task = name("task")
    body = {"task_type": "once", "plan": noop(1), "task_id": task}
    first = made(post(ada, f"agents/{agent}/tasks", **body))
    again = post(ada, f"agents/{agent}/tasks", **body)
    assert again.status_code == 200 and again.json()["run_id"] == first["run_id"] and first["task_id"] == task
    other = post(ada, f"agents/{agent}/tasks", **body | {"task_type": "twice"})
    refused(other, 422, "request.idempotency_mismatch")
    refused(post(eve, f"agents/{agent}/tasks", **body), 409, "execution.state")
    headers = {"Idempotency-Key": name("key")}
    keyed = {"task_type": "once", "plan": noop(1)}
    answers = [ada.http.post(f"/api/v1/agents/{agent}/tasks", json=keyed, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 200]
    assert answers[0].json()["task_id"] == answers[1].json()["task_id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan": noop(1)}, 400, "request.invalid"),
        ({"task_type": "t"}, 400, "request.invalid"),
        ({"task_type": "t", "plan": noop(1), "prompt": "x"}, 400, "request.invalid"),
        ({"task_type": "t t", "plan": noop(1)}, 400, "request.invalid"),
        ({"task_type": "t", "plan": noop(1), "task_id": "../x"}, 400, "request.invalid"),
        ({"task_type": "t", "plan": noop(1), "priority": 1}, 403, "auth.forbidden"),
        ({"task_type": "t", "plan": noop(1), "priority": -101}, 400, "request.invalid"),
        ({"task_type": "t", "plan": noop(1), "colour": "red"}, 400, "request.unknown_field"),
        ({"task_type": "t", "plan": {"steps": [{"id": "a", "tool": "magic"}]}}, 400, "plan.unknown_tool"),
        ({"task_type": "t", "plan": noop(1), "input_data": {"x": "x" * 64_000}}, 413, "request.too_large"),
    ],
)
def test_a_task_that_is_wrong_is_refused_and_leaves_nothing(ada, agent, body, status, code):
    refused(post(ada, f"agents/{agent}/tasks", **body), status, code)
    assert get(ada, f"agents/{agent}/tasks")["executions"] == []


def test_an_agent_in_maintenance_takes_no_task(service, ada, agent):
    assert patch(service, f"agents/{agent}", status="maintenance").status_code == 200
    refused(post(ada, f"agents/{agent}/tasks", task_type="t", plan=noop(1)), 409, "agent.state")


def test_an_owner_s_agent_is_nobody_else_s(service, ada, eve, owned):
    assert get(ada, f"agents/{owned}")["user_id"] == ada.person
    for path in (f"agents/{owned}", f"agents/{owned}/tasks", f"executions?agent_id={owned}"):
        refused(eve.http.get(f"/api/v1/{path}"), 404, "agent.not_found")
    assert owned not in [one["agent_id"] for one in get(eve, "agents", limit=1000)["agents"]]
    refused(post(eve, f"agents/{owned}/tasks", task_type="t", plan=noop(1)), 404, "agent.not_found")
    report = {"agent_id": owned, "task_id": name("task"), "task_type": "t"}
    refused(post(eve, "executions", **report), 404, "agent.not_found")
    assert post(service, "executions", **report | {"user_id": ada.person}).status_code == 201


def test_an_agent_elsewhere_reports_its_executions(service, ada, owned, agent):
    task = name("task")
    report = {"agent_id": owned, "task_id": task, "task_type": "draw", "input_data": {"n": 1}, "status": "running"}
    begun = made(post(ada, "executions", **report))
    assert begun["started_at"] and begun["run_id"] is None and begun["user_id"] == ada.person
    assert post(ada, "executions", **report).status_code == 200
    refused(post(ada, "executions", **report | {"task_type": "paint"}), 409, "execution.state")
    assert get(ada, f"agents/{owned}")["current_task_id"] == task
    end = {"status": "completed", "output_data": {"n": 2}, "quality_score": 0.5, "execution_time_seconds": 1.25}
    done = patch(ada, f"executions/{task}", **end)
    assert done.status_code == 200, done.text
    assert {field: done.json()[field] for field in end} == end
    for caller in (ada, service):
        refused(patch(caller, f"executions/{task}", status="failed"), 409, "execution.state")
    refused(patch(ada, f"executions/{name('task')}", status="failed"), 404, "execution.not_found")
    refused(post(ada, "executions", **report | {"agent_id": agent, "task_id": name()}), 403, "auth.forbidden")
    for_another = report | {"user_id": str(uuid.uuid4()), "task_id": name()}
    refused(post(ada, "executions", **for_another), 403, "auth.forbidden")
    found = get(ada, "executions", agent_id=owned, task_type="draw", status="completed", hours=1)["executions"]
    assert [one["task_id"] for one in found] == [task]
    assert get(ada, f"agents/{owned}")["total_tasks_completed"] == 1


def test_history_goes_on_page_by_page_while_it_grows(ada, owned):
    tasks = [name("task") for _ in range(5)]
    for task in tasks:
        made(post(ada, "executions", agent_id=owned, task_id=task, task_type="t"))
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "agent_id": owned} | ({"cursor": cursor} if cursor else {})
        page = get(ada, "executions", **query)
        seen += [one["task_id"] for one in page["executions"]]
        made(post(ada, "executions", agent_id=owned, task_id=name("later"), task_type="t"))
        if not (cursor := page["next_cursor"]):
            break
    assert seen == tasks[::-1]
    refused(ada.http.get("/api/v1/executions", params={"cursor": "nonsense"}), 400, "request.cursor")


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_metrics_are_reported_for_a_period_and_given_over_hours(service, ada, eve, owned, agent):
    report = {
        "agent_id": owned,
        "period_start": stamp(-10_800),
        "period_end": stamp(-7_200),
        "tasks_completed": 3,
        "tasks_failed": 1,
        "average_execution_time": 2.5,
    }
    first = made(post(ada, "metrics", **report))
    assert first["success_rate"] == 0.75 and first["average_quality_score"] is None and first["reported"] is True
    again = made(post(ada, "metrics", **report | {"tasks_failed": 0, "average_quality_score": 0.5}))
    assert again["id"] == first["id"] and again["success_rate"] == 1 and again["average_quality_score"] == 0.5
    assert [one["id"] for one in get(ada, "metrics", agent_id=owned, hours=3)["metrics"]] == [first["id"]]
    assert get(ada, "metrics", agent_id=owned, hours=1)["metrics"] == []
    assert get(eve, "metrics", agent_id=owned, hours=3)["metrics"] == []
    refused(post(ada, "metrics", **report | {"agent_id": agent}), 403, "auth.forbidden")
    refused(post(eve, "metrics", **report), 404, "agent.not_found")
    refused(post(ada, "metrics", **report | {"period_end": report["period_start"]}), 400, "request.invalid")
    refused(post(ada, "metrics", **report | {"period_start": "2020-01-01T00:00:00Z"}), 400, "request.invalid")
    assert post(service, "metrics", **report | {"agent_id": agent}).status_code == 201


def test_the_worker_and_the_service_write_down_how_the_system_is(service, ada):
    found = wait_for("the worker's first reading", lambda: get(ada, "system-health", component="engine")["readings"])
    assert found[0]["status"] in ("healthy", "degraded") and found[0]["reading"]["database"] == "ok"
    part = name("part")
    made(post(service, "system-health", component=part, status="unhealthy", reading={"queue": 9}))
    seen = get(ada, "system-health", component=part, hours=1)["readings"]
    assert [(one["status"], one["reading"]) for one in seen] == [("unhealthy", {"queue": 9})]
    refused(post(ada, "system-health", component=part, status="healthy"), 403, "auth.forbidden")
    refused(post(service, "system-health", component=part, status="fine"), 400, "request.invalid")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("agents", {"limit": 0}),
        ("agents", {"limit": 1001}),
        ("executions", {"hours": 8761}),
        ("executions", {"since": "yesterday"}),
        ("metrics", {"hours": 0}),
        ("system-health", {"status": "fine"}),
        ("agents", {"agent_type": "poet"}),
        ("agents/a%20b", {}),
    ],
)
def test_a_list_beyond_its_limits_is_refused(ada, path, query):
    refused(ada.http.get(f"/api/v1/{path}", params=query), 400, "request.invalid")


def test_every_change_is_in_the_audit_log_by_name_and_never_by_what_is_in_it(service, ada, owned, database):
    secret = uuid.uuid4().hex
    patch(service, f"agents/{owned}", configuration={"key": secret})
    run = ada.create(noop(1))
    ada.wait(run)
    ada.act("retry", run)
    task = name("task")
    made(post(ada, "executions", agent_id=owned, task_id=task, task_type="t", input_data={"key": secret}))
    query = """select event, changed, actor_role, actor_id::text, user_id::text from observability_events
      where resource_id = %s order by created_at, id"""
    person = ada.person
    assert database.execute(query, (owned,)).fetchall() == [
        ("agent.created", [], "service_role", None, person),
        ("agent.changed", ["configuration"], "service_role", None, person),
    ]
    assert database.execute(query, (run,)).fetchall() == [
        ("run.created", [], "authenticated", person, person),
        ("run.retried", ["status"], "authenticated", person, person),
    ]
    assert database.execute(query, (task,)).fetchall() == [("execution.created", [], "authenticated", person, person)]
    leaked = "select count(*) from observability_events e where e::text like %s"
    assert database.execute(leaked, (f"%{secret}%",)).fetchone() == (0,)
