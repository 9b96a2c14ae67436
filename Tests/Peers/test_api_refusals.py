"""Bad input, one by one: each gets its coded refusal and changes nothing."""

import json
import pathlib
import uuid

import pytest
from agent import noop, refused, shell


@pytest.fixture(autouse=True)
def nothing_changes(request, ada, database):
    """A refused request leaves no run behind."""
    count = "select count(*) from public.agent_runs where user_id = %s"
    before = database.execute(count, (ada.person,)).fetchone()
    yield
    if "makes_a_run" not in request.keywords:
        assert database.execute(count, (ada.person,)).fetchone() == before


def steps(*found: dict, **more) -> dict:
    return {"version": 1, "steps": list(found), **more}


def step(name: str = "a", tool: str = "noop", **more) -> dict:
    return {"id": name, "tool": tool, **more}


PLANS = {
    "no steps": (steps(), 400, "plan.invalid"),
    "steps that are no list": ({"steps": {"a": 1}}, 400, "plan.invalid"),
    "a version of the future": ({"version": 2, "steps": [step()]}, 400, ("plan.invalid", "plan.not_supported")),
    "a field nobody knows": (steps(step(), colour="red"), 400, ("plan.invalid", "request.unknown_field")),
    "a step's field nobody knows": (steps(step(colour="red")), 400, ("plan.invalid", "request.unknown_field")),
    "a step without a name": (steps({"tool": "noop"}), 400, "plan.invalid"),
    "a step with a bad name": (steps(step("Not OK")), 400, "plan.invalid"),
    "two steps of one name": (steps(step("a"), step("a")), 400, "plan.invalid"),
    "a step that needs itself": (steps(step("a", needs=["a"])), 400, "plan.cycle"),
    "a circle of three": (
        steps(step("a", needs=["c"]), step("b", needs=["a"]), step("c", needs=["b"])),
        400,
        "plan.cycle",
    ),
    "a step that needs one that is not there": (
        steps(step("a", needs=["ghost"])),
        400,
        ("plan.invalid", "plan.reference"),
    ),
    "an unknown tool": (steps(step(tool="rocket")), 400, "plan.unknown_tool"),
    "an unknown reference": (steps(step("a", when="${{ steps.ghost.output == 1 }}")), 400, "plan.reference"),
    "a reference to a step it does not need": (
        steps(step("a"), step("b", when="${{ steps.a.output == 1 }}")),
        400,
        "plan.reference",
    ),
    "an expression that cannot be read": (
        steps(step("a"), step("b", needs=["a"], when="${{ steps.a.output === }}")),
        400,
        "plan.expression",
    ),
    "a reference in code": (
        steps(step(tool="python", **{"with": {"code": "${{ steps.a.output }}"}})),
        400,
        ("plan.input", "plan.expression"),
    ),
    "input that does not fit the tool": (steps(step(tool="python", **{"with": {"cod": "1"}})), 400, "plan.input"),
    "input that is missing": (steps(step(tool="python")), 400, "plan.input"),
    "a time limit that is no time": (steps(step(timeout="soon")), 400, "plan.invalid"),
    "a time limit below zero": (steps(step(timeout="-1s")), 400, "plan.invalid"),
    "a number too large for a retry": (steps(step(retry={"max": 10**30, "backoff": "1s"})), 400, "plan.invalid"),
    "1,001 steps": (steps(*(step(f"s{n}") for n in range(1001))), 413, "plan.too_large"),
    "10,000 steps": (steps(*(step(f"s{n}") for n in range(10_000))), 413, "plan.too_large"),
    "approval that is neither true nor false": (steps(step(approval="yes")), 400, "plan.invalid"),
    "a question that asks nothing": (steps(step(tool="ask")), 400, "plan.input"),
    **{
        f"the later tool {tool}": (steps(step(tool=tool)), 400, "plan.not_supported")
        for tool in ("storage.", "storage.upload")
    },
    "an artifact pattern that leaves the folder": (
        steps(step(), artifacts=["../*"]),
        400,
        ("plan.invalid", "plan.input"),
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_refused_for(name, ada):
    plan, status, codes = PLANS[name]
    answer = ada.execute(action="create", plan=plan)
    found = answer.json().get("code")
    refused(answer, status, found if found in codes and not isinstance(codes, str) else codes)


BODIES = {
    "no JSON": (b"{", "application/json", 400, "request.invalid"),
    "nothing": (b"", "application/json", 400, "request.invalid"),
    "a list": (b"[]", "application/json", 400, "request.invalid"),
    "a text": (b'"create"', "application/json", 400, "request.invalid"),
    "two values": (b'{"action":"create"} {}', "application/json", 400, "request.invalid"),
    "bytes that are no UTF-8": (b'{"action":"create","prompt":"\xff\xfe"}', "application/json", 400, "request.invalid"),
    "half a surrogate pair": (b'{"action":"create","prompt":"\\ud800"}', "application/json", 400, "request.invalid"),
    "a NUL": (b'{"action":"create","prompt":"a\\u0000b"}', "application/json", 400, "request.invalid"),
    "a form": (b"action=create", "application/x-www-form-urlencoded", 415, "request.media_type"),
    "no action": (b'{"prompt":"x"}', "application/json", 400, "request.invalid"),
    "an unknown action": (b'{"action":"dance","run_id":"x"}', "application/json", 400, "request.invalid"),
    "a field of later": (
        json.dumps({"action": "create", "prompt": "x", "approval": {}}).encode(),
        "application/json",
        400,
        "request.not_supported",
    ),
    "a connector that is no name": (
        json.dumps({"action": "create", "prompt": "x", "connectors": ["A b"]}).encode(),
        "application/json",
        400,
        "request.invalid",
    ),
    "an unknown field": (
        b'{"action":"create","prompt":"x","colour":"red"}',
        "application/json",
        400,
        "request.unknown_field",
    ),
    "neither prompt nor plan": (b'{"action":"create"}', "application/json", 400, "request.invalid"),
    "prompt and plan": (
        json.dumps({"action": "create", "prompt": "x", "plan": noop(1)}).encode(),
        "application/json",
        400,
        "request.invalid",
    ),
    "a number as prompt": (b'{"action":"create","prompt":7}', "application/json", 400, "request.invalid"),
    "an id that is none": (b'{"action":"stop","run_id":"1 or 1=1"}', "application/json", 400, "request.invalid"),
    "100,000 brackets": (b'{"action":' + b"[" * 100_000, "application/json", 400, "request.invalid"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused_for_being(name, ada):
    body, kind, status, code = BODIES[name]
    refused(ada.http.post("/agent/execute", content=body, headers={"Content-Type": kind}), status, code)


def test_a_prompt_above_its_limit_is_refused(ada):
    error = refused(ada.execute(action="create", prompt="x" * (1024 * 1024 + 1)), 413, "request.too_large")
    assert error["message"] == '"prompt" has 1048577 bytes, and the limit is 1048576'
    assert error["details"] == {"field": "prompt", "limit_bytes": 1024 * 1024}


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_of_ten_megabytes_is_refused(ada, chunked):
    body = json.dumps({"action": "create", "prompt": "x" * 10_000_000}).encode()
    content = (body[at : at + 65536] for at in range(0, len(body), 65536)) if chunked else body
    refused(
        ada.http.post("/agent/execute", content=content, headers={"Content-Type": "application/json"}),
        413,
        "request.too_large",
    )


@pytest.mark.parametrize("cursor", ["x", "AAAA", "../..", "eyJpZCI6MX0=", "%00", "9" * 4000])
def test_a_cursor_that_came_from_nowhere_is_refused(ada, cursor):
    refused(ada.http.get("/agent/status", params={"cursor": cursor}), 400, "request.cursor")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": -1},
        {"limit": "ten"},
        {"limit": 10**30},
        {"after": -1},
        {"after": "x"},
        {"after": 2**63},
        {"mode": "push"},
        {"level": "loud"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_query_outside_its_range_is_refused(ada, query):
    answer = ada.http.get("/agent/logs", params={"run_id": str(uuid.uuid4()), **query})
    refused(answer, 400, "request.unknown_field" if "colour" in query else "request.invalid")


@pytest.mark.parametrize("number", ["x", "-1", "9" * 40, "1 2", "1.5"])
def test_a_last_event_id_that_is_none_is_refused(ada, number):
    headers = {"Last-Event-ID": number}
    answer = ada.http.get("/agent/logs", params={"run_id": str(uuid.uuid4()), "mode": "stream"}, headers=headers)
    refused(answer, 400, "request.invalid")


def test_a_run_that_is_not_there(ada):
    refused(ada.http.get("/agent/status", params={"run_id": str(uuid.uuid4())}), 404, "run.not_found")
    refused(ada.act("stop", str(uuid.uuid4())), 404, "run.not_found")
    refused(ada.http.get(f"/agent/artifacts/{uuid.uuid4()}"), 404, "run.artifact_not_found")


def test_a_path_that_is_not_there_and_a_method_it_does_not_take(ada):
    refused(ada.http.get("/agent/dance"), 404, "request.not_found")
    answer = ada.http.delete("/agent/execute")
    refused(answer, 405, "request.method")
    assert "POST" in answer.headers["allow"]


def test_a_file_name_with_a_nul_is_refused(ada):
    plan = steps(step("write", "files", **{"with": {"op": "write", "path": "a\x00b", "content": "x"}}))
    refused(ada.execute(action="create", plan=plan), 400, "request.invalid")


@pytest.mark.makes_a_run
@pytest.mark.parametrize("path", ["../outside.txt", "/etc/outside.txt", "a/../../outside.txt", ""])
def test_a_file_name_outside_the_folder_fails_its_step_and_writes_nothing(ada, stack, path):
    write = step("write", "files", **{"with": {"op": "write", "path": path, "content": "x"}})
    run = ada.finished(steps(write, artifacts=["**/*.txt"]))
    assert run["status"] == "failed" and run["error"]["code"] in ("tool.path", "tool.input"), run
    assert run["artifacts"]["items"] == []
    assert not pathlib.Path("/etc/outside.txt").exists() and not list(stack.home.rglob("outside.txt"))


@pytest.mark.makes_a_run
def test_a_link_out_of_the_folder_is_no_artifact(ada):
    run = ada.finished(
        {
            **shell("ln -s /etc/passwd link.txt; mkdir d; ln -s / d/root; echo ok > real.txt"),
            "artifacts": ["**/*.txt", "**/passwd"],
        }
    )
    assert [one["path"] for one in run["artifacts"]["items"]] == ["real.txt"] or run["error"]["code"] == "tool.path"


def test_without_a_token_every_door_but_the_open_ones_is_shut(nobody, stack):
    for method, path in [
        ("POST", "/agent/execute"),
        ("GET", "/agent/status"),
        ("GET", f"/agent/logs?run_id={uuid.uuid4()}"),
        ("POST", "/agent/logs/ticket"),
        ("GET", f"/agent/artifacts/{uuid.uuid4()}"),
        ("GET", f"/agent/why?run_id={uuid.uuid4()}"),
    ]:
        refused(nobody.http.request(method, path, json={} if method == "POST" else None), 401, "auth.missing")


def test_the_open_doors_say_no_more_than_they_should(nobody):
    health = nobody.http.get("/health").json()
    assert set(health) == {"status", "version", "service"}
    assert (health["status"], health["service"]) == ("healthy", "agent-api")
    assert nobody.http.get("/ready").status_code == 200
    page = nobody.http.get("/docs")
    assert page.status_code == 200
    assert "//cdn" not in page.text and 'src="http' not in page.text and 'href="http' not in page.text
    document = nobody.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "approval" not in document["components"]["schemas"]["CreateRun"]["properties"]
    metrics = nobody.http.get("/metrics")
    assert metrics.status_code == 200 and "# TYPE" in metrics.text


def test_a_request_id_comes_back_and_is_in_the_log(ada, stack):
    mine = f"req-{uuid.uuid4()}"
    assert ada.http.get("/agent/status", headers={"X-Request-Id": mine}).headers["x-request-id"] == mine
    assert ada.http.get("/agent/status").headers["x-request-id"]
    evil = ada.http.get("/agent/status", headers={"X-Request-Id": "a" * 5000})
    assert evil.status_code in (200, 431) and len(evil.headers.get("x-request-id", "")) < 300
    assert mine in (stack.home / "simplon.log").read_text()


def test_the_same_errors_under_functions_carry_what_official_clients_read(ada):
    answer = ada.http.post("/functions/v1/agent-execute", json={"action": "create"})
    error = refused(answer, 400, "request.invalid")
    assert error["error"] == error["message"]
