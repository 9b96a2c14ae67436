"""People in the loop on the real program: questions, approvals by plan and by rule, and faults meanwhile."""

import json

import pytest
from agent import Caller, refused, someone
from prompts import ANTHROPIC, Talk, call, settings
from stack import Stack, clean_environment, simplon, wait_for

pytest_plugins = ["model_fixtures"]

ORDER = {"id": "order", "tool": "noop", "with": {"n": 1}, "approval": True}
RULES = [
    {"tool": "shell", "argument": "command", "matches": "*danger*"},
    {"tool": "files", "argument": "op", "matches": "write|delete", "expires": "1s"},
]


def ask(**given) -> dict:
    return {"id": "who", "tool": "ask", "with": {"question": "Who?", **given}}


def steps(*given: dict, **more) -> dict:
    return {"steps": list(given), **more}


def respond(caller: Caller, run: str, step: str, **said):
    return caller.execute(action="respond", run_id=run, step_id=step, **said)


def step_of(caller: Caller, run: str, name: str) -> dict:
    items = caller.status(run, include_steps=True)["steps"]["items"]
    return next(one for one in items if one["step_id"] == name)


# Approvals


def test_a_call_waits_for_approval_without_a_worker_and_is_then_made(ada, eve):
    run = ada.create(steps(ORDER, {"id": "other", "tool": "noop"}))
    found = ada.wait(run, "waiting")
    assert found["reason"]["code"] == "approval"
    details = found["reason"]["details"]
    assert (details["step_id"], details["tool"], details["choices"]) == ("order", "noop", ["approve", "deny"])
    assert ada.why(run).json() == found["reason"]
    asked = step_of(ada, run, "order")
    assert (asked["status"], asked["effect"], asked["input"]) == ("waiting", "intent", {"n": 1})
    assert asked["expires_at"] == details["expires_at"] and asked["response"] is None
    assert step_of(ada, run, "other")["status"] == "completed"

    refused(respond(eve, run, "order", decision="approve"), 404, "run.not_found")
    refused(respond(ada, run, "order"), 400, "request.invalid")
    refused(respond(ada, run, "order", answer="yes"), 400, "request.invalid")
    refused(respond(ada, run, "other", decision="approve"), 409, "run.state")
    answer = respond(ada, run, "order", decision="approve")
    assert (answer.status_code, answer.json()) == (200, {"run_id": run, "status": "queued"})
    refused(respond(ada, run, "order", decision="deny"), 409, "run.state")
    assert ada.wait(run)["status"] == "completed"

    done = step_of(ada, run, "order")
    assert (done["effect"], done["output"]) == ("settled", {"n": 1})
    assert (done["response"]["decision"], done["response"]["by"]) == ("approve", ada.person)
    events = [event["payload"] for event in ada.all_logs(run) if event["kind"] == "step"]
    of_order = [event for event in events if event["step_id"] == "order"]
    assert [event["status"] for event in of_order] == ["waiting", "running", "completed"]
    assert of_order[1]["response"] == done["response"]


def test_a_denied_call_fails_the_run_and_a_resume_asks_again(ada):
    run = ada.create(steps(ORDER))
    ada.wait(run, "waiting")
    assert respond(ada, run, "order", decision="deny", message="too dear").status_code == 200
    error = ada.wait(run)["error"]
    assert error["code"] == "tool.denied" and "too dear" in error["message"]
    assert ada.act("resume", run).status_code == 200
    ada.wait(run, "waiting")
    assert respond(ada, run, "order", decision="approve").status_code == 200
    assert ada.wait(run)["status"] == "completed"


def test_steps_that_can_live_with_it_go_on_after_a_denial(ada):
    then = {"id": "then", "tool": "noop", "needs": ["order"], "with": {"was": "${{ steps.order.error.code }}"}}
    run = ada.create(steps(ORDER | {"continue_on_error": True}, then))
    ada.wait(run, "waiting")
    respond(ada, run, "order", decision="deny")
    assert ada.wait(run)["status"] == "completed"
    assert step_of(ada, run, "then")["output"] == {"was": "tool.denied"}


def test_a_stopped_run_asks_nobody(ada):
    run = ada.create(steps(ORDER))
    ada.wait(run, "waiting")
    assert ada.act("stop", run).json()["status"] == "cancelled"
    refused(respond(ada, run, "order", decision="approve"), 409, "run.state")


def test_a_response_reaches_a_run_whose_other_steps_are_at_work(ada):
    long = {"id": "long", "tool": "shell", "with": {"command": "while ! [ -e go ]; do sleep 0.1; done"}}
    run = ada.create(steps(ORDER, long))
    ada.wait(run, "running")
    wait_for("the question", lambda: step_of(ada, run, "order")["effect"] == "intent")
    assert ada.why(run).json()["details"]["steps_waiting_for_a_person"] == ["order"]
    assert respond(ada, run, "order", decision="approve").json()["status"] == "running"
    wait_for("the call", lambda: step_of(ada, run, "order")["status"] == "completed")
    assert step_of(ada, run, "long")["status"] == "running"
    ada.act("stop", run)


# Questions


@pytest.mark.parametrize(
    ("given", "wrong", "right"),
    [
        ({}, 7, "Ada"),
        ({"choices": ["north", "south"]}, "west", "south"),
        ({"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}, {"n": "1"}, {"n": 1}),
    ],
)
def test_an_answer_is_checked_and_handed_on(ada, given, wrong, right):
    run = ada.create(steps(ask(**given), output={"answer": "${{ steps.who.output.answer }}"}))
    found = ada.wait(run, "waiting")
    assert found["reason"]["code"] == "answer" and found["reason"]["details"]["question"] == "Who?"
    refused(respond(ada, run, "who", answer=wrong), 400, "request.invalid")
    refused(respond(ada, run, "who", decision="approve"), 400, "request.invalid")
    assert respond(ada, run, "who", answer=right).status_code == 200
    assert ada.wait(run)["result"] == {"answer": right}
    assert step_of(ada, run, "who")["output"] == {"answer": right, "by": ada.person}


def test_a_question_that_nobody_answers_in_time_fails_its_step(ada):
    run = ada.create(steps(ask(expires="1s")))
    error = ada.wait(run)["error"]
    assert (error["code"], step_of(ada, run, "who")["response"]["decision"]) == ("tool.unanswered", "expired")
    refused(respond(ada, run, "who", answer="late"), 409, "run.state")


def test_a_query_can_answer_too(ada):
    run = ada.create(steps(ask()))
    ada.wait(run, "waiting")
    query = {"action": "respond", "run_id": run, "step_id": "who", "answer": "plain text"}
    assert ada.http.get("/agent/execute", params=query).status_code == 200
    ada.wait(run)
    assert step_of(ada, run, "who")["output"]["answer"] == "plain text"


# The command line


def test_the_command_line_shows_questions_and_responds(stack):
    ada = stack.caller()
    token = ada.http.headers["Authorization"].removeprefix("Bearer ")
    environment = clean_environment(SIMPLON_URL=stack.url, SIMPLON_TOKEN=token)

    def runs(*arguments: str):
        return simplon("runs", *arguments, env=environment)

    run = ada.create(steps(ORDER, ask(choices=["Ada", "Eve"])))
    ada.wait(run, "waiting")
    shown = runs("show", run).stdout
    for text in ("asks: Who?", "choices: Ada, Eve", "--step who --answer TEXT", "may it call noop", "--approve"):
        assert text in shown, shown
    assert runs("respond", run).returncode == 2
    assert runs("respond", run, "--approve", "--deny").returncode == 2
    several = runs("respond", run, "--approve")
    assert several.returncode == 1 and "--step" in several.stderr, several
    assert runs("respond", run, "--step", "order", "--approve").returncode == 0
    wait_for("the call", lambda: step_of(ada, run, "order")["status"] == "completed")
    ada.wait(run, "waiting")
    wrong = runs("respond", run, "--answer", "Bob")
    assert wrong.returncode == 1 and "Ada, Eve" in wrong.stderr, wrong
    done = runs("respond", run, "--answer", "Eve", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "queued", done
    assert ada.wait(run)["status"] == "completed"
    over = runs("respond", run, "--answer", "Eve")
    assert over.returncode == 1 and "asks nothing" in over.stderr, over
    ada.http.close()


def test_the_command_line_says_what_became_of_a_call(stack, database):
    ada = stack.caller()
    token = ada.http.headers["Authorization"].removeprefix("Bearer ")
    environment = clean_environment(SIMPLON_URL=stack.url, SIMPLON_TOKEN=token)

    def runs(*arguments: str):
        return simplon("runs", *arguments, env=environment)

    run = ada.create(steps(ORDER))
    ada.wait(run, "waiting")
    # As a call stands of which nobody knows whether it happened.
    database.execute("update agent_steps set effect = 'unknown', retry_at = null where run_id = %s", (run,))
    shown = runs("show", run).stdout
    assert "nobody knows whether it happened: noop" in shown and "--step order --happened, or --again" in shown, shown
    assert runs("respond", run, "--happened", "--again").returncode == 2
    assert runs("respond", run, "--again", "--output", "1").returncode == 2
    assert runs("respond", run, "--happened", "--output", "{").returncode == 2
    wrong = runs("respond", run, "--approve")
    assert wrong.returncode == 1 and "happened or again" in wrong.stderr, wrong
    done = runs("respond", run, "--happened", "--output", '{"n": 9}', "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "queued", done
    assert ada.wait(run)["status"] == "completed"
    assert step_of(ada, run, "order")["output"] == {"n": 9}
    ada.http.close()


# The operator's rules, and faults


@pytest.fixture(scope="module")
def house(models):
    """A stack with rules, short leases and a model."""
    made = Stack(
        environment=settings(models, ANTHROPIC) | {"SIMPLON_APPROVALS": json.dumps(RULES), "SIMPLON_LEASE": "1s"}
    )
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture
def owner(house):
    made = house.caller(someone())
    yield made
    made.http.close()


def test_a_rule_holds_back_the_calls_to_which_it_applies(owner):
    safe = {"id": "safe", "tool": "shell", "with": {"command": "echo safe"}}
    bold = {"id": "bold", "tool": "shell", "with": {"command": "echo DANGER"}}
    run = owner.create(steps(safe, bold))
    assert owner.wait(run, "waiting")["reason"]["details"]["step_id"] == "bold"
    assert step_of(owner, run, "safe")["status"] == "completed"
    respond(owner, run, "bold", decision="approve")
    assert owner.wait(run)["status"] == "completed"


def test_nobody_approves_in_time_and_the_call_is_denied(owner):
    write = {"id": "write", "tool": "files", "with": {"op": "write", "path": "a.txt", "content": "x"}}
    run = owner.create(steps(write, artifacts=["*.txt"]))
    error = owner.wait(run)["error"]
    assert (error["code"], error["details"]["decision"]) == ("tool.denied", "expired")
    assert owner.everything(run)["artifacts"]["items"] == []


def test_a_model_asks_waits_for_approval_and_is_told(owner, models, script):
    replies = (
        {"calls": [call("ask", question="Which one?"), call("shell", command="echo danger; touch did")]},
        {"calls": [call("shell", command="ls")]},
        {"text": "Done."},
    )
    talk = Talk(owner, models, script(*replies))
    found = owner.wait(talk.run, "waiting")
    assert found["reason"]["code"] == "answer" and found["reason"]["details"]["other_questions"] == 1
    assert respond(owner, talk.run, "call.1.2", decision="deny", message="not on my disk").status_code == 200
    owner.wait(talk.run, "waiting")
    wait_for("the denial", lambda: step_of(owner, talk.run, "call.1.2")["status"] == "failed")
    assert respond(owner, talk.run, "call.1.1", answer="the first").status_code == 200
    talk.end()
    answered, denied = talk.questions[1].results[0]
    assert answered.json["output"]["answer"] == "the first"
    assert denied.code == "tool.denied" and "not on my disk" in denied.text
    assert talk.steps["call.2.1"]["output"]["stdout"].split().count("did") == 0
    assert talk.answer == "Done."


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_loses_neither_the_question_nor_what_was_said(house, owner, when):
    run = owner.create(steps(ask(), ORDER, output={"answer": "${{ steps.who.output.answer }}"}))
    owner.wait(run, "waiting")
    if when == "after":
        respond(owner, run, "who", answer="Ada")
    house.process.kill()
    house.start()
    again = house.caller(owner.person)
    if when == "before":
        assert respond(again, run, "who", answer="Ada").status_code == 200
    wait_for("the answer", lambda: step_of(again, run, "who")["status"] == "completed")
    again.wait(run, "waiting")
    assert respond(again, run, "order", decision="approve").status_code == 200
    assert again.wait(run)["result"] == {"answer": "Ada"}
    waiting = [
        event["payload"]["step_id"]
        for event in again.all_logs(run)
        if event["kind"] == "step" and event["payload"]["status"] == "waiting"
    ]
    assert sorted(waiting) == ["order", "who"], "each was asked once"
    again.http.close()


def test_what_was_said_while_the_run_was_at_work_outlives_its_worker(house, owner):
    long = {"id": "long", "tool": "shell", "with": {"command": "sleep 5"}}
    run = owner.create(steps(ORDER, long))
    wait_for("the question", lambda: step_of(owner, run, "order")["effect"] == "intent")
    assert respond(owner, run, "order", decision="approve").json()["status"] == "running"
    house.process.kill()
    house.start()
    again = house.caller(owner.person)
    assert again.wait(run)["status"] == "completed"
    assert step_of(again, run, "order")["response"]["decision"] == "approve"
    again.http.close()
