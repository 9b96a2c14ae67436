"""What runs cost: the ledger against the usage that the scripted server has sent, caps, budgets and deadlines."""

import datetime
import decimal
import signal

import psycopg
import pytest
from agent import refused
from prompts import ANTHROPIC, CALLED, LONG, OPENAI, WORK
from prompts import Talk, call
from prompts import alone, begin, clever, model, prompt_house  # fixtures
from stack import wait_for

pytest_plugins = ["model_fixtures"]

KINDS = ("input", "cache_read", "cache_write", "cache_write_hour", "output")
PRICES = dict(zip(KINDS, map(decimal.Decimal, ("3", "0.3", "3.75", "6", "15")), strict=True))
USAGE = {"input": 1111, "cache_read": 777, "cache_write": 555, "cache_write_hour": 33, "output": 22}
MOST = 8192  # tokens of one reply


def set_price(database: str, name: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("select simplon.set_price(%s, 3, 15, 0.3, 3.75, 6)", (name,))


def cost(usage: dict) -> decimal.Decimal:
    """What it comes to, in US dollars."""
    return sum(PRICES[kind] * usage[kind] for kind in KINDS) / 1_000_000


class Ledger:
    """What the database has written down about a run's calls, once nothing is open."""

    def __init__(self, database: str, run: str):
        self.database, self.run = database, run
        wait_for("the ledger to be settled", lambda: not self.find("state = 'reserved'"), 20)
        self.calls = self.find()

    def find(self, condition: str = "true") -> list[dict]:
        with psycopg.connect(self.database, row_factory=psycopg.rows.dict_row) as owner:
            query = f"select * from agent_model_calls where run_id = %s and {condition} order by created_at"
            return owner.execute(query, (self.run,)).fetchall()

    @property
    def bases(self) -> list[tuple[str, str]]:
        """How each call is known, by its step."""
        return [(one["step_id"], one["basis"]) for one in self.calls]

    def check(self) -> None:
        """Every sum is that of the calls, and each call's that of its tokens."""
        for one in self.calls:
            if one["basis"] in ("usage", "partial"):
                assert one["cost"] == cost(one), one
            else:
                assert one["cost"] == (one["reserved"] if one["basis"] == "assumed" else 0), one
            assert (one["state"] == "released") == (one["basis"] == "none"), one
        total = sum(one["cost"] for one in self.calls)
        with psycopg.connect(self.database) as owner:
            query = "select cost from agent_runs where id = %s"
            assert owner.execute(query, (self.run,)).fetchone()[0] == total
            query = "select spent, reserved from simplon.spending where scope in (1, 2) and id = %s"
            assert owner.execute(query, (self.run,)).fetchall() == [(total, 0)] * 2
            query = "select step_id, cost from agent_steps where run_id = %s and cost > 0"
            steps = dict(owner.execute(query, (self.run,)).fetchall())
        for step in {one["step_id"] for one in self.calls}:
            assert steps.get(step, 0) == sum(one["cost"] for one in self.calls if one["step_id"] == step), step


@pytest.fixture(scope="module")
def priced(clever, model):
    """The stack with its one model, which has a price."""
    set_price(clever.login("postgres"), model)
    return clever


def test_the_ledger_is_the_usage_that_the_vendor_has_sent(priced, begin, model):
    replies = [{**WORK, "usage": USAGE}, {**CALLED, "usage": {"input": 5, "output": 1}}, {"text": "Done."}]
    talk = begin(*replies).end()
    ledger = Ledger(priced.login("postgres"), talk.run)
    ledger.check()
    assert ledger.bases == [("model.1", "usage"), ("model.2", "usage"), ("model.3", "usage")]
    sent = [question.record["usage"] for question in talk.questions]
    assert [{kind: one[kind] for kind in KINDS} for one in ledger.calls] == sent
    assert {(one["model"], one["attempt"], str(one["user_id"])) for one in ledger.calls} == {
        (model, 1, talk.caller.person)
    }
    assert talk.found["cost"] == pytest.approx(float(sum(map(cost, sent))))
    shown = talk.caller.http.get("/metrics")
    assert f'simplon_model_calls_total{{model="{model}",outcome="usage"}}' in shown.text
    assert f'simplon_model_cost_usd_total{{model="{model}"}}' in shown.text
    assert f'simplon_model_tokens_total{{kind="output",model="{model}"}}' in shown.text


def test_each_request_is_booked_once_whatever_breaks_it(priced, begin):
    faults = [
        {"status": 529}, {"status": 500}, {"error_event": "overloaded_error", "after_bytes": 700}, {"close_after": 900},
        {"garbage": "{no json", "after_bytes": 700},
    ]  # fmt: skip
    replies = [
        {"text": f"{number} {LONG}", "calls": [call("noop")], "usage": USAGE, "faults": [fault]}
        for number, fault in enumerate(faults)
    ]
    talk = begin(*replies, {"text": "Done."}).end()
    ledger = Ledger(priced.login("postgres"), talk.run)
    ledger.check()
    asked = talk.questions
    assert len(ledger.calls) == len(asked) == 2 * len(faults) + 1
    for one, question in zip(ledger.calls, asked, strict=True):
        if question.status != 200:
            assert one["basis"] == "none"
        elif question.record["ended"] == "whole":
            assert one["basis"] == "usage" and {kind: one[kind] for kind in KINDS} == question.record["usage"]
        elif question.is_anthropic:
            # What came before it broke off has said what the input was.
            assert (one["basis"], one["input"], one["output"]) == ("partial", USAGE["input"], MOST)
        else:
            assert one["basis"] == "assumed" and one["cost"] > cost(USAGE)


@pytest.mark.parametrize("model", [OPENAI], indirect=True)
def test_a_server_that_says_nothing_of_usage_costs_what_was_reserved(priced, begin):
    talk = begin({"text": "Done.", "variations": ["no_usage"]}).end()
    ledger = Ledger(priced.login("postgres"), talk.run)
    ledger.check()
    assert ledger.bases == [("model.1", "assumed")]


@pytest.mark.parametrize("name", [ANTHROPIC, OPENAI])
def test_after_kill_9_in_the_midst_of_an_answer_it_is_booked_as_reserved(alone, models, script, name):
    stack = alone(name, SIMPLON_LEASE="1s")
    set_price(stack.login("postgres"), name)
    cut = {"text": LONG, **CALLED, "usage": USAGE, "faults": [{"stall_s": 60, "after_bytes": 900}]}
    talk = Talk(stack.caller(), models, script(WORK, cut, {"text": "Done."}))
    talk.wait_for_question(1)
    stack.process.send(signal.SIGKILL)
    stack.process.popen.wait(30)
    stack.start()
    talk.caller = stack.caller(talk.caller.person)
    talk.end()
    ledger = Ledger(stack.login("postgres"), talk.run)
    ledger.check()
    assert ledger.bases == [
        ("model.1", "usage"), ("model.2", "assumed"), ("model.2", "usage"), ("model.3", "usage"),
    ]  # fmt: skip
    assert {kind: ledger.calls[2][kind] for kind in KINDS} == talk.questions[2].record["usage"]


@pytest.mark.parametrize("fate", ["is killed before it is there", "is killed after"])
def test_an_answer_is_booked_with_its_message_or_not_at_all(prompt_house, models, script, fate):
    set_price(prompt_house.server.url(), ANTHROPIC)
    with prompt_house.held("assistant") as trap:
        talk = Talk(prompt_house.caller, models, script({**WORK, "usage": USAGE}, {"text": "Done."}))
        backend, worker = trap.caught()
        if fate == "is killed after":
            trap.release(backend)
            worker.send(signal.SIGKILL)
        else:
            worker.kill()
            trap.owner.execute("select pg_terminate_backend(%s, 10000)", (backend,))
    prompt_house.mend()
    talk.end()
    ledger = Ledger(prompt_house.server.url(), talk.run)
    ledger.check()
    first = [basis for step, basis in ledger.bases if step == "model.1"]
    assert first == (["usage"] if fate == "is killed after" else ["assumed", "usage"])
    assert first.count("usage") == 1, "what was said is booked once"


# Caps


def test_a_user_s_day_is_never_passed_however_many_runs_ask_at_once(alone, models, script):
    stack = alone(ANTHROPIC, SIMPLON_CAP_PER_USER_DAY="0.35")
    set_price(stack.login("postgres"), ANTHROPIC)
    person = stack.caller()
    slow = {"text": "Done.", "usage": USAGE, "delay_ms": 5000}
    talks = [Talk(person, models, script(slow)) for _ in range(8)]
    for talk in talks:
        talk.end("completed", "failed")
    failed = [talk.found["error"] for talk in talks if talk.found["status"] == "failed"]
    # One question may cost 0.12 USD and a little: two at a time.
    assert len(failed) == 6
    assert {(error["code"], error["details"]["scope"]) for error in failed} == {("run.budget", "user_day")}
    assert sum(bool(talk.codes) for talk in talks) == 2, "what is beyond the cap is not asked"
    with psycopg.connect(stack.login("postgres")) as owner:
        row = owner.execute("select sum(spent), sum(reserved) from simplon.spending where scope = 3").fetchone()
    assert row == (2 * cost(USAGE), 0)


def test_a_run_waits_for_a_cap_and_goes_on_when_the_operator_raises_it(alone, models, script):
    stack = alone(ANTHROPIC, SIMPLON_CAP_PER_CALL="0.01")
    set_price(stack.login("postgres"), ANTHROPIC)
    talk = Talk(stack.caller(), models, script({"text": "Done."}), budget={"on_limit": "wait"})
    found = talk.caller.wait(talk.run, "waiting", patience=20)
    why = talk.caller.why(talk.run).json()
    assert found["reason"] == why and (why["code"], why["details"]["scope"]) == ("budget", "call")
    assert talk.codes == []
    stack.stop()
    stack.environment["SIMPLON_CAP_PER_CALL"] = "1"
    stack.start()
    talk.caller = stack.caller(talk.caller.person)
    assert talk.end().answer == "Done." and talk.codes == [(0, 1, 200)]


def test_a_run_beyond_its_own_budget_fails_and_a_resume_within_more_ends_it(priced, begin):
    talk = begin({"text": "Done."}, budget={"max_cost": 0.01}).end("failed")
    assert talk.found["error"]["code"] == "run.budget" and talk.found["budget"] == {"max_cost": 0.01}
    assert talk.codes == [] and talk.found["cost"] == 0
    refused(talk.caller.execute(action="retry", run_id=talk.run, budget={"max_cost": 1}), 400, "request.invalid")
    answer = talk.caller.execute(action="resume", run_id=talk.run, budget={"max_cost": 1})
    assert answer.json()["status"] == "queued"
    assert talk.end().answer == "Done." and talk.found["budget"] == {"max_cost": 1}


def test_a_question_that_no_vendor_took_leaves_its_budget_to_the_next_model(alone, models, script):
    stack = alone(ANTHROPIC, OPENAI)
    for model in (ANTHROPIC, OPENAI):
        set_price(stack.login("postgres"), model)
    # Room for one question and not for two.
    busy = {"text": "Done.", "faults": [{"status": 529}]}
    talk = Talk(stack.caller(), models, script(busy), budget={"max_cost": 0.2})
    talk.end()
    assert talk.answer == "Done."
    ledger = Ledger(stack.login("postgres"), talk.run)
    assert [call["state"] for call in ledger.calls] == ["released", "settled"]
    ledger.check()


def test_a_run_is_ended_at_its_deadline_in_the_midst_of_an_answer(alone, models, script):
    stack = alone(ANTHROPIC, SIMPLON_LEASE="1s")
    stalled = {"text": LONG, "faults": [{"stall_s": 60, "after_bytes": 900}]}
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=4)
    talk = Talk(stack.caller(), models, script(stalled), budget={"deadline": soon.isoformat()})
    talk.wait_for_question(0)
    talk.end("failed")
    assert talk.found["error"]["code"] == "run.deadline" and talk.steps["model.1"]["status"] == "cancelled"
    wait_for("the connection to be closed", lambda: talk.questions[-1].record["ended"] == "hung up", 5)


# Looking at it


def test_usage_is_one_s_own_and_the_service_s_all(priced, begin, model):
    talk = begin({"text": "Done.", "usage": USAGE}).end()
    (item,) = talk.caller.http.get("/api/v1/usage").json()["usage"]
    assert (item["model"], item["calls"], item["user_id"]) == (model, 1, talk.caller.person)
    assert item["cost"] == pytest.approx(float(cost(Ledger(priced.login("postgres"), talk.run).calls[0])))
    refused(talk.caller.http.get("/api/v1/usage", params={"hours": 1, "days": 1}), 400, "request.invalid")
    refused(talk.caller.http.get("/api/v1/usage", params={"cursor": "xx"}), 400, "request.cursor")

    service, seen, cursor = priced.service(), [], None
    begin({"text": "Done."}).end()
    while True:
        params = {"days": 2, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = service.http.get("/api/v1/usage", params=params).json()
        seen += [(one["day"], one["user_id"], one["model"]) for one in page["usage"]]
        if not (cursor := page["next_cursor"]):
            break
    service.http.close()
    assert len(set(seen)) == len(seen) and talk.caller.person in {user for _, user, _ in seen}
