"""What holds after any fault at any point: the six invariants of the fault matrix, over both runs of a case."""

import decimal
import json

from case import Case
from faults import GUARD
from points import PATIENCE
from stack import wait_for
from work import PROGRAMS, RESULT

STEPS = {*PROGRAMS, "keyed", "ledger", "plain"}


def hold(case: Case) -> str:
    """Plays the case, and checks all of them; gives how the plan's run ended."""
    run, talk = case.play()
    explained(case, run, talk)  # 3
    if run["status"] == "waiting":
        # A person has looked, and stops it.
        case.house.caller.act("stop", case.run)
    wait_for("the last sandbox to end", lambda: not case.sandboxes.now(case.tag), GUARD)  # 6
    effects(case, run)  # 2
    with case.house.connect() as owner:
        stale = owner.execute("select * from probe.stale").fetchall()
        assert stale == [], f"a result was written in an epoch that was over: {stale}"  # 1
    for id in (case.run, case.talk):
        nothing_left(case, id)
        replay(case, id)  # 4
        budget(case, id)  # 5
    confined(case)  # 6
    return "unknown" if run["status"] == "waiting" else run["status"]


def explained(case: Case, run: dict, talk: dict) -> None:
    """3: each run has ended, and rightly, or waits for a person and says of what nobody knows what it has done."""
    assert talk["status"] == "completed" and talk["result"] == {"answer": "Done."}, talk
    if run["status"] == "completed":
        assert run["result"].splitlines()[-1] == RESULT, run
    elif run["status"] == "cancelled":
        assert case.stopped, run
    else:
        assert run["status"] == "waiting" and run["reason"]["details"]["steps"] == ["plain"], run
        steps = case.house.caller.status(case.run, include_steps=True)["steps"]["items"]
        assert [one["effect"] for one in steps if one["step_id"] == "plain"] == ["unknown"], steps


def effects(case: Case, run: dict) -> None:
    """2: whatever could be found out happened once, and the rest at most once."""
    is_done = run["status"] == "completed"
    keyed = [call["headers"]["idempotency-key"] for call in case.house.outside.calls(f"/{case.tag}/keyed")]
    assert set(keyed) <= {f"{case.run}/keyed/1"} and (keyed or not is_done), f"one effect, one key: {keyed}"
    plain = len(case.house.outside.calls(f"/{case.tag}/plain"))
    assert plain == 1 if is_done else plain <= 1, f"{plain} requests that nobody can take back"
    rows = case.house.count("target.effects where run = %s", case.run)
    assert rows == 1 if is_done else rows <= 1, f"{rows} rows of one statement"


def nothing_left(case: Case, run: str) -> None:
    """Nobody holds or waits for a run that is over, and each step of it was settled once."""
    with case.house.connect() as owner:
        owner.execute("delete from public.agent_task_queue where run_id = %s and epoch = 0", (run,))  # our own
        left = owner.execute(
            """select s.worker, s.next_seq, (select count(*) from public.agent_task_queue q where q.run_id = s.run_id)
            from simplon.run_state s where s.run_id = %s""",
            (run,),
        ).fetchone()
        rows = owner.execute(
            "select seq, kind, payload from public.agent_task_logs where run_id = %s order by seq", (run,)
        ).fetchall()
    assert left == (None, len(rows) + 1, 0), left
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1)), "a number is missing or was used twice"
    assert [kind for _, kind, _ in rows].count("done") == 1 and rows[-1][1] == "done", "written after the end"
    ended = [payload["step_id"] for _, kind, payload in rows if kind == "step" and payload["status"] == "completed"]
    assert len(set(ended)) == len(ended), f"a step was settled twice: {ended}"
    if run == case.run and rows[-1][2]["status"] == "completed":
        assert STEPS <= set(ended), ended


def replay(case: Case, run: str) -> None:
    """4: the stream is the stored log from whatever number on, byte for byte, and so is the list."""
    caller = case.house.caller
    whole = caller.stream(run)
    with case.house.connect() as owner:
        stored = owner.execute(
            "select seq, kind, payload from public.agent_task_logs where run_id = %s order by seq", (run,)
        ).fetchall()
    told = [(event.id, event.kind, event.json["payload"]) for event in whole]
    assert told == stored
    for after in case.chance.sample(range(len(whole)), 2):
        assert caller.stream(run, last_event_id=after) == whole[after:]
    after = case.chance.randrange(len(whole))
    assert caller.stream(run, after=after) == whole[after:]
    listed = [(row["seq"], row["kind"], row["payload"]) for row in caller.all_logs(run, page=7)]
    assert json.dumps(listed) == json.dumps(stored)


def budget(case: Case, run: str) -> None:
    """5: no more is spent than the cap and what one call under way may cost, and the sums are those of the calls."""
    query = """select cost, reserved, state from public.agent_model_calls where run_id = %s order by created_at"""
    with case.house.connect() as owner:

        def settled() -> bool:
            return not [row for row in owner.execute(query, (run,)).fetchall() if row[2] == "reserved"]

        wait_for("the ledger to be settled", settled, PATIENCE)
        calls = owner.execute(query, (run,)).fetchall()
        spent = owner.execute("select cost from public.agent_runs where id = %s", (run,)).fetchone()[0]
    assert spent == sum(cost for cost, _, _ in calls)
    cap = decimal.Decimal(case.house.more["SIMPLON_CAP_PER_RUN"])
    assert spent <= cap + max((reserved for _, reserved, _ in calls), default=0)


def confined(case: Case) -> None:
    """6: never two sandboxes for one step, and none without a lease."""
    most = {name: count for name, count in case.sandboxes.most.items() if name.startswith(case.tag)}
    assert max(most.values(), default=0) <= 1, f"two sandboxes for one step at a time: {most}"

    def without() -> bool:
        return case.house.metrics("simplon_sandboxes_without_lease") == 0

    wait_for("no sandbox to be without a lease", without, 3 * GUARD)
