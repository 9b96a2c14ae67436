"""Workflows, schedules and webhooks on the real program: what is saved, runs by itself, and is told outside."""

import base64
import datetime
import hashlib
import hmac
import json

import pytest
from agent import noop, refused, shell
from outside import Outside
from stack import Stack, clean_environment, simplon, wait_for


@pytest.fixture(scope="module")
def outside():
    made = Outside()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house():
    """A stack whose webhooks may be on this machine."""
    settings = {"SIMPLON_WEBHOOK_ALLOW_PRIVATE": "true", "SIMPLON_RATE_PER_PRINCIPAL": "0"}
    stack = Stack(environment=settings | {"SIMPLON_RATE_PER_ADDRESS": "0"})
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def caller(house):
    made = house.caller()
    yield made
    made.http.close()


@pytest.fixture
def other(house):
    made = house.caller()
    yield made
    made.http.close()


def made(caller, path: str, **body) -> dict:
    answer = caller.http.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def get(caller, path: str, **query) -> dict:
    answer = caller.http.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def echo() -> dict:
    """A plan that says what its inputs say."""
    says = {"command": 'echo "$WHO"', "env": {"WHO": "${{ run.metadata.inputs.who }}"}}
    return {
        "steps": [{"id": "main", "tool": "shell", "with": says}],
        "output": {"said": "${{ steps.main.output.stdout }}"},
    }


INPUTS = {"type": "object", "properties": {"who": {"type": "string", "default": "you"}}, "additionalProperties": False}


def test_a_workflow_is_saved_run_with_inputs_changed_and_deleted(caller, other):
    saved = made(caller, "workflows", name="greet", description="says hello", plan=echo(), inputs=INPUTS)
    assert saved["version"] == 1 and saved["inputs"] == INPUTS
    run = caller.wait(caller.create(workflow="greet", inputs={"who": "Ada"}))
    assert run["status"] == "completed" and run["result"] == {"said": "Ada\n"} and run["workflow"] == "greet", run
    assert caller.wait(caller.create(workflow="greet"))["result"] == {"said": "you\n"}
    refused(caller.execute(action="create", workflow="greet", inputs={"who": 7}), 422, "workflow.input")
    refused(caller.execute(action="create", workflow="greet", inputs={"why": "x"}), 422, "workflow.input")
    refused(other.execute(action="create", workflow="greet"), 404, "workflow.not_found")
    refused(other.http.get("/api/v1/workflows/greet"), 404, "workflow.not_found")
    refused(caller.http.post("/api/v1/workflows", json={"name": "greet", "plan": noop(1)}), 409, "request.exists")
    bad = {"name": "bad", "plan": {"steps": [{"id": "a", "tool": "nothing"}]}}
    refused(caller.http.post("/api/v1/workflows", json=bad), 400, "plan.unknown_tool")
    changed = caller.http.patch("/api/v1/workflows/greet", json={"plan": noop(1)})
    assert changed.status_code == 200 and changed.json()["version"] == 2, changed.text
    assert get(caller, "workflows/greet", version=1)["plan"]["steps"][0]["tool"] == "shell"
    listed = get(caller, "workflows")["workflows"]
    assert [(one["name"], one["version"]) for one in listed] == [("greet", 2)] and "plan" not in listed[0]
    assert caller.http.delete("/api/v1/workflows/greet").status_code == 204
    refused(caller.http.delete("/api/v1/workflows/greet"), 404, "workflow.not_found")
    assert caller.status(run["run_id"])["plan"]["steps"][0]["tool"] == "shell", "a run keeps its plan"


def test_a_schedule_runs_by_itself_as_its_owner_within_five_seconds(caller, other):
    made(caller, "workflows", name="greet", plan=echo(), inputs=INPUTS)
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    schedule = made(
        caller,
        "schedules",
        name="soon",
        every="1h",
        starts_at=start.isoformat(),
        run={"workflow": "greet", "inputs": {"who": "Ada"}, "metadata": {"mine": 1}},
    )
    assert schedule["last_run"] is None and schedule["enabled"] is True
    fired = wait_for("the run", lambda: (now := get(caller, "schedules/soon"))["last_run"] and now, patience=30)
    run = caller.wait(fired["last_run"])
    assert run["result"] == {"said": "Ada\n"} and run["metadata"]["mine"] == 1, run
    assert run["metadata"]["schedule"]["name"] == "soon"
    late = datetime.datetime.fromisoformat(run["created_at"]) - start
    assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=5), late
    due = datetime.datetime.fromisoformat(fired["next_due"])
    assert abs(due - start - datetime.timedelta(hours=1)) < datetime.timedelta(seconds=1)
    assert [one["run_id"] for one in caller.http.get("/agent/status").json()["runs"]] == [run["run_id"]]
    refused(other.http.get("/api/v1/schedules/soon"), 404, "schedule.not_found")
    refused(other.http.patch("/api/v1/schedules/soon", json={"enabled": False}), 404, "schedule.not_found")
    rests = caller.http.patch("/api/v1/schedules/soon", json={"enabled": False}).json()
    assert rests["next_due"] is None
    assert caller.http.delete("/api/v1/schedules/soon").status_code == 204


@pytest.mark.parametrize(
    "rhythm",
    [
        {"cron": "61 * * * *"},
        {"cron": "0 0 31 2 *"},
        {"cron": "0 9 * * *", "time_zone": "Europe/Atlantis"},
        {"every": "1s"},
        {"every": "1h", "cron": "* * * * *"},
        {},
    ],
    ids=str,
)
def test_a_rhythm_that_is_none_is_refused(caller, rhythm):
    answer = caller.http.post("/api/v1/schedules", json={"name": "bad", "run": {"prompt": "x"}, **rhythm})
    refused(answer, 400, "request.invalid")
    assert get(caller, "schedules")["schedules"] == []


def verify(request: dict, secret: str) -> dict:
    """Checks a delivery as the Standard Webhooks specification tells receivers to; gives its payload."""
    headers, body = request["headers"], request["body"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    code = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert hmac.compare_digest(headers["webhook-signature"], f"v1,{code}")
    age = datetime.datetime.now(datetime.UTC).timestamp() - int(headers["webhook-timestamp"])
    assert -5 < age < 60, age
    return json.loads(body)


def test_a_webhook_is_told_of_its_owner_s_runs_signed_and_once_more_on_demand(caller, other, outside):
    path = f"/hook/{caller.person}"
    hook = made(caller, "webhooks", url=outside.url(path), events=["run.completed", "run.failed"])
    secret, webhook = hook["secret"], hook["webhook_id"]
    assert secret.startswith("whsec_") and "secret" not in get(caller, f"webhooks/{webhook}")
    run = caller.create(noop(1))
    other.wait(other.create(noop(1)))
    request = wait_for("the delivery", lambda: outside.calls(path), patience=30)[0]
    payload = verify(request, secret)
    assert payload["type"] == "run.completed" and payload["data"]["run_id"] == run
    assert request["headers"]["content-type"] == "application/json"
    failing = caller.create(shell("exit 3"))
    wait_for("the second", lambda: len(outside.calls(path)) == 2, patience=30)
    second = verify(outside.calls(path)[1], secret)
    assert (second["type"], second["data"]["run_id"]) == ("run.failed", failing)
    assert second["data"]["error"]["code"] == "tool.failed"

    def settled():
        found = get(caller, f"webhooks/{webhook}/deliveries")["deliveries"]
        return [one["status"] for one in found] == ["delivered", "delivered"] and found

    told = wait_for("both to be settled", settled, patience=30)
    assert [one["run_id"] for one in told] == [failing, run] and {one["response_status"] for one in told} == {200}
    again = caller.http.post(f"/api/v1/webhooks/{webhook}/deliveries", json={"delivery_id": told[1]["delivery_id"]})
    assert again.status_code == 202, again.text
    wait_for("it again", lambda: len(outside.calls(path)) == 3, patience=30)
    assert outside.calls(path)[2]["headers"]["webhook-id"] == request["headers"]["webhook-id"]
    refused(other.http.get(f"/api/v1/webhooks/{webhook}/deliveries"), 404, "webhook.not_found")
    refused(other.http.delete(f"/api/v1/webhooks/{webhook}"), 404, "webhook.not_found")
    assert caller.http.delete(f"/api/v1/webhooks/{webhook}").status_code == 204


def test_a_delivery_that_is_not_taken_is_tried_again(caller, outside):
    path = f"/later/{caller.person}"
    hook = made(caller, "webhooks", url=outside.url("/status/503"), events=["run.completed"])
    caller.wait(caller.create(noop(1)))
    first = f"webhooks/{hook['webhook_id']}/deliveries"
    wait_for("a first attempt", lambda: get(caller, first)["deliveries"][0]["response_status"] == 503, patience=30)
    moved = caller.http.patch(f"/api/v1/webhooks/{hook['webhook_id']}", json={"url": outside.url(path)})
    assert moved.status_code == 200, moved.text
    wait_for("a second", lambda: get(caller, first)["deliveries"][0]["status"] == "delivered", patience=60)
    assert get(caller, first)["deliveries"][0]["attempts"] >= 2 and len(outside.calls(path)) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://10.1.2.3/", "http://[::1]/", "http://169.254.169.254/"])
def test_no_webhook_is_inside_where_the_operator_does_not_say_so(ada, url):
    refused(ada.http.post("/api/v1/webhooks", json={"url": url, "events": ["run.failed"]}), 400, "request.invalid")


def test_the_command_line_saves_workflows_and_schedules(house, caller, tmp_path):
    environment = clean_environment(SIMPLON_URL=house.url, SIMPLON_TOKEN=house.token(caller.person))

    def run(*arguments: str) -> str:
        done = simplon(*arguments, env=environment)
        assert done.returncode == 0, done
        return done.stdout

    (tmp_path / "plan.json").write_text(json.dumps(echo()))
    (tmp_path / "inputs.yaml").write_text("type: object\nproperties:\n  who: { type: string }\nrequired: [who]\n")
    run("workflows", "add", "greet", "--plan", str(tmp_path / "plan.json"), "--inputs", str(tmp_path / "inputs.yaml"))
    assert run("workflows", "list").split()[0] == "greet"
    assert json.loads(run("workflows", "show", "greet"))["inputs"]["required"] == ["who"]
    started = json.loads(run("run", "--workflow", "greet", "--inputs", '{"who": "Ada"}', "--json"))
    assert caller.wait(started["run_id"])["result"] == {"said": "Ada\n"}
    arguments = ("--cron", "0 9 * * mon-fri", "--time-zone", "Europe/Zurich", "--workflow", "greet")
    run("schedules", "add", "mornings", *arguments, "--inputs", '{"who": "Ada"}')
    assert "0 9 * * mon-fri" in run("schedules", "list")
    shown = json.loads(run("schedules", "show", "mornings"))
    assert shown["time_zone"] == "Europe/Zurich" and shown["run"] == {"workflow": "greet", "inputs": {"who": "Ada"}}
    for kind, name in (("schedules", "mornings"), ("workflows", "greet")):
        run(kind, "remove", name)
        assert run(kind, "list") == ""
        gone = simplon(kind, "show", name, env=environment)
        assert gone.returncode == 1 and "not_found" in gone.stderr
