"""The tool `http` on the real program: what it sends and gives, and where it does not go."""

import datetime
import json

import psycopg
import pytest
from agent import FINISHED, Caller, refused, someone
from outside import Outside
from stack import Stack, wait_for

SECRET = "a-connectors-own-secret-42"


def request(**given) -> dict:
    """One step of `http`, `main`."""
    return {"steps": [{"id": "main", "tool": "http", "with": given}]}


@pytest.fixture(scope="module")
def outside():
    made = Outside()
    yield made
    made.close()


@pytest.fixture(scope="module")
def owner() -> str:
    return someone()


@pytest.fixture(scope="module")
def house(outside, owner):
    """A stack that may call the server outside; a second server on this machine is not on its list."""
    connector = {
        "name": "crm",
        "kind": "http",
        "base_url": outside.url("/crm"),
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "users": [owner],
        "allow_private": True,
    }
    settings = {
        "SIMPLON_EGRESS_ALLOW": f"127.0.0.1:{outside.port}, localhost:{outside.port}",
        "SIMPLON_EGRESS_ALLOW_PRIVATE": "true",
        "SIMPLON_CONNECTORS": json.dumps([connector]),
        "SIMPLON_LEASE": "1s",
    }
    stack = Stack(environment=settings)
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def caller(house, owner):
    made = house.caller(owner)
    yield made
    made.http.close()


def step_of(run: dict) -> dict:
    return run["steps"]["items"][0]


def test_a_request_and_its_answer(caller, outside):
    run = caller.finished(
        request(
            method="POST",
            url=outside.url("/echo"),
            query={"q": "a b"},
            headers={"X-Own": "yes"},
            json={"n": 1.5, "t": "ü"},
        )
    )
    assert run["status"] == "completed", run
    output = caller.output(run, "main")
    assert output["status"] == 200 and output["truncated"] is False
    assert output["headers"]["content-type"] == "application/json"
    heard = output["json"]
    assert (heard["method"], heard["path"], heard["query"]) == ("POST", "/echo", "q=a%20b")
    assert json.loads(heard["body"]) == {"n": 1.5, "t": "ü"}
    assert heard["headers"]["x-own"] == "yes"
    assert heard["headers"]["host"] == f"127.0.0.1:{outside.port}"


def test_a_status_that_was_not_hoped_for_is_an_answer_unless_the_plan_says_so(caller, outside):
    run = caller.finished(request(url=outside.url("/status/503")))
    assert run["status"] == "completed"
    assert caller.output(run, "main")["status"] == 503
    assert caller.output(run, "main")["body"] == "as asked"
    run = caller.finished(request(url=outside.url("/status/503"), expect=["2xx"]))
    assert run["status"] == "failed"
    assert step_of(run)["error"]["code"] == "tool.failed"
    assert step_of(run)["output"]["status"] == 503


def test_a_long_answer_is_cut_and_bytes_are_kept_apart(caller, outside):
    run = caller.finished(request(url=outside.url("/large"), max_bytes=1000))
    output = caller.output(run, "main")
    assert output["body"] == "x" * 1000 and output["truncated"] is True
    output = caller.output(caller.finished(request(url=outside.url("/bytes"))), "main")
    assert "body" not in output and len(output["body_blob"]) == 64


def test_an_output_flows_into_the_next_request_as_data(caller, outside):
    plan = {
        "steps": [
            {"id": "one", "tool": "http", "with": {"url": outside.url("/echo"), "query": {"q": "x&y"}}},
            {
                "id": "two",
                "tool": "http",
                "needs": ["one"],
                "with": {"url": outside.url("/echo"), "query": {"got": "${{ steps.one.output.json.query }}"}},
            },
        ]
    }
    run = caller.finished(plan)
    assert run["status"] == "completed", run
    assert caller.output(run, "two")["json"]["query"] == "got=q%3Dx%2526y"


def test_where_nothing_is_allowed_the_step_fails_and_says_which_setting_it_is(ada, outside):
    before = len(outside.asked)
    run = ada.finished(request(url=outside.url("/echo")))
    assert run["status"] == "failed"
    error = step_of(run)["error"]
    assert error["code"] == "tool.egress" and "SIMPLON_EGRESS_ALLOW" in error["hint"]
    assert len(outside.asked) == before


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
    ],
)
def test_a_host_that_is_not_on_the_list_is_not_called(url, caller):
    run = caller.finished(request(url=url))
    assert step_of(run)["error"]["code"] == "tool.egress", run


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "127.0.0.1"])
def test_what_is_no_url_of_http_is_refused(url, caller):
    run = caller.finished(request(url=url))
    assert step_of(run)["error"]["code"] == "tool.input", run


def test_redirects_are_followed_within_the_list_only(caller, outside):
    run = caller.finished(request(url=outside.url("/redirect"), query={"to": "/echo?followed"}))
    assert caller.output(run, "main")["json"]["query"] == "followed"
    away = Outside()
    try:
        for target in (away.url("/echo"), "http://169.254.169.254/", "file:///etc/passwd"):
            run = caller.finished(request(url=outside.url("/redirect"), query={"to": target}))
            assert step_of(run)["error"]["code"] == "tool.egress", (target, run)
        assert away.asked == []
    finally:
        away.close()
    run = caller.finished(request(url=outside.url("/redirect"), query={"to": "/redirect?to=/redirect%3Fto=/echo"}))
    assert caller.output(run, "main")["status"] == 200


def test_credentials_stay_with_the_origin(caller, outside):
    before = len(outside.asked)
    run = caller.finished(
        request(
            url=outside.url("/redirect"),
            query={"to": f"http://localhost:{outside.port}/other"},
            headers={"Authorization": "Bearer mine", "X-Key": "mine-too", "Accept": "application/json"},
        )
    )
    assert run["status"] == "completed", run
    first, second = outside.asked[before:]
    assert first["headers"]["authorization"] == "Bearer mine"
    assert second["path"] == "/other" and "mine" not in str(second)
    assert second["headers"]["accept"] == "application/json"


def test_a_connector_adds_what_nobody_sees(caller, outside, house):
    run = caller.finished(request(connector="crm", path="/users/1"))
    assert run["status"] == "completed", run
    assert outside.calls("/crm/users/1")[-1]["headers"]["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in json.dumps(run)
    assert SECRET not in json.dumps(caller.all_logs(run["run_id"]))
    assert SECRET not in house.process.log.read_text()


def test_a_connector_is_for_whom_the_operator_names(house, caller, outside):
    before = len(outside.asked)
    stranger: Caller = house.caller()
    for who, given in (
        (stranger, {"connector": "crm", "path": "/x"}),
        (caller, {"connector": "nobody-knows", "path": "/x"}),
        (caller, {"connector": "crm", "path": "/x", "method": "DELETE"}),
    ):
        run = who.finished(request(**given))
        assert step_of(run)["error"]["code"] == "tool.connector", run
    run = caller.finished(request(connector="crm", path="/../status/200"))
    assert step_of(run)["error"]["code"] == "tool.input", run
    assert len(outside.asked) == before
    stranger.http.close()


def test_a_run_may_be_limited_to_some_connectors_and_so_is_what_comes_of_it(house, caller, outside):
    allowed = caller.finished(request(connector="crm", path="/users/2"), connectors=["crm", "crm"])
    assert allowed["status"] == "completed", allowed
    before = len(outside.asked)
    plan = request(connector="crm", path="/users/3")
    for names in ([], ["other"]):
        run = caller.finished(plan, connectors=names)
        assert step_of(run)["error"]["code"] == "tool.connector", run
    fork = caller.execute(action="fork", run_id=run["run_id"]).json()["run_id"]
    assert caller.wait(fork)["error"]["code"] == "tool.connector"
    above = caller.finished({"steps": [{"id": "main", "tool": "run", "with": {"plan": plan}}]}, connectors=["other"])
    assert step_of(above)["error"]["code"] == "run.child_failed", above
    child = step_of(above)["error"]["details"]["run_id"]
    assert step_of(caller.everything(child))["error"]["code"] == "tool.connector"
    assert len(outside.asked) == before
    with psycopg.connect(house.login("postgres")) as database:
        query = "select array_agg(name) from agent_run_connectors where run_id = %s"
        for made, name in ((allowed["run_id"], "crm"), (fork, "other"), (above["run_id"], "other"), (child, "other")):
            assert database.execute(query, (made,)).fetchone() == ([name],)


def test_the_time_limit_holds(caller, outside):
    run = caller.finished(request(url=outside.url("/hold/timeout"), timeout="300ms"))
    assert step_of(run)["error"]["code"] == "tool.timeout", run


def test_a_request_that_nobody_saw_answered_is_not_sent_again(caller, outside):
    run = caller.create(request(url=outside.url("/hold/post"), method="POST", timeout="300ms"))
    found = caller.wait(run, "waiting")
    assert found["reason"]["code"] == "run.unknown_effect", found
    assert len(outside.calls("/hold/post")) == 1
    caller.act("stop", run)


def killed_while(house: Stack, owner: str, outside: Outside, plan: dict, path: str) -> tuple[Caller, str]:
    """Kills the program while a request of a run is under way, and starts it again."""
    caller = house.caller(owner)
    run = caller.create(plan)
    wait_for("the request", lambda: outside.calls(path))
    house.process.kill()
    caller.http.close()
    house.start()
    return house.caller(owner), run


def test_after_a_crash_a_request_without_a_key_is_put_to_a_person(house, owner, outside):
    path = "/hold/manual"
    caller, run = killed_while(house, owner, outside, request(url=outside.url(path), method="POST"), path)
    assert caller.wait(run, "waiting")["reason"]["code"] == "run.unknown_effect"
    assert len(outside.calls(path)) == 1
    caller.act("stop", run)
    caller.http.close()


@pytest.mark.parametrize("given", [{"method": "POST", "idempotency": True}, {"method": "PUT"}, {"method": "GET"}])
def test_after_a_crash_a_request_that_may_be_repeated_is_repeated(given, house, owner, outside):
    path = f"/hold/{given['method'].lower()}-again"
    caller, run = killed_while(house, owner, outside, request(url=outside.url(path), **given), path)
    assert caller.wait(run)["status"] == "completed"
    first, second = outside.calls(path)
    assert first["headers"].get("idempotency-key") == second["headers"].get("idempotency-key")
    if "idempotency" in given:
        assert first["headers"]["idempotency-key"] == f"{run}/main/1"
    caller.http.close()


@pytest.mark.parametrize(("decision", "sent"), [("happened", 1), ("again", 2)])
def test_whoever_has_looked_says_whether_the_request_is_sent_again(decision, sent, house, owner, outside):
    path = f"/hold/{decision}"
    caller, run = killed_while(house, owner, outside, request(url=outside.url(path), method="POST"), path)
    reason = caller.wait(run, "waiting")["reason"]
    assert reason["code"] == "run.unknown_effect" and "--step main --happened" in reason["hint"]
    said = {"action": "respond", "run_id": run, "step_id": "main", "decision": decision}
    refused(caller.execute(**said | {"decision": "approve"}), 400, "request.invalid")
    refused(caller.execute(**said | {"decision": "again", "output": 1}), 400, "request.invalid")
    answer = caller.execute(**said | ({"output": {"id": 7}} if decision == "happened" else {}))
    assert (answer.status_code, answer.json()) == (200, {"run_id": run, "status": "queued"})
    refused(caller.execute(**said), 409, "run.state")
    assert caller.wait(run)["status"] == "completed"
    step = step_of(caller.everything(run))
    assert (step["status"], step["effect"]) == ("completed", "settled")
    assert (step["response"]["decision"], step["response"]["by"]) == (decision, owner)
    if decision == "happened":
        assert step["output"] == {"id": 7}
    else:
        assert step["output"]["status"] == 200
    assert len(outside.calls(path)) == sent
    caller.http.close()


@pytest.mark.parametrize("by", ["stop", "deadline"])
def test_a_request_under_way_when_its_run_was_ended_is_not_sent_again_by_a_resume(by, caller, outside):
    path, now = f"/hold/{by}", datetime.datetime.now(datetime.UTC)
    soon, late = ((now + datetime.timedelta(seconds=seconds)).isoformat() for seconds in (6, 3600))
    more = {"budget": {"deadline": soon}} if by == "deadline" else {}
    run = caller.create(request(url=outside.url(path), method="POST"), **more)
    wait_for("the request", lambda: outside.calls(path))
    if by == "stop":
        assert caller.act("stop", run).json()["status"] == "cancelled"
    else:
        assert caller.wait(run)["error"]["code"] == "run.deadline"
    step = step_of(caller.everything(run))
    assert (step["status"], step["effect"]) == ("cancelled", "dispatched")
    answer = caller.execute(action="resume", run_id=run, budget={"deadline": late})
    assert answer.json()["status"] == "queued", answer.text
    found = caller.wait(run, "waiting", *FINISHED)
    assert found["status"] == "waiting" and found["reason"]["code"] == "run.unknown_effect", found
    assert len(outside.calls(path)) == 1
    caller.act("stop", run)
