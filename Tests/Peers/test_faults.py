"""kill -9 of a worker and of PostgreSQL, and SIGSTOP past the lease, at the points where it hurts, on the real program.

After each: the run ends with the right result, nobody wrote with an old lease, no step had two sandboxes at a time, and
the replayed stream equals the table. SIMPLON_SEED=n repeats the choices of a failed test; SIMPLON_LONG_TESTS=1 tries
many.
"""

import concurrent.futures
import os
import random
import signal

import pytest
from agent import noop, refused
from faults import RESULT, STEPS, House, Sandboxes, at_rest, new_tag, plan
from stack import wait_for

SEED = int(os.environ.get("SIMPLON_SEED", "1"))
SEEDS = range(SEED, SEED + 10) if os.environ.get("SIMPLON_LONG_TESTS") else [SEED]


@pytest.fixture(scope="module")
def house():
    house = House()
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def run(house):
    """A run that a test may hurt; afterwards everything about it has to hold."""
    tag = new_tag()
    sandboxes = Sandboxes(tag)
    sandboxes.start()
    made = house.caller.create(plan(tag))
    yield made
    house.mend()
    found = house.caller.wait(made, patience=90)
    wait_for("the last sandbox to end", lambda: not sandboxes.now(), patience=5)
    sandboxes.close()
    holds(house, made, found, sandboxes)


def holds(house: House, run: str, found: dict, sandboxes: Sandboxes) -> None:
    """What must be true whatever happened."""
    assert found["status"] == "completed", found
    assert "".join(found["result"].split("\n")).strip() == RESULT, found["result"]
    assert max(sandboxes.most.values()) == 1, f"two sandboxes for one step at a time: {sandboxes.most}"
    assert all(sandboxes.started[step] >= 1 for step in STEPS), sandboxes.started

    with house.connect() as owner:
        rows = owner.execute(
            "select seq, kind, payload from public.agent_task_logs where run_id = %s order by seq", (run,)
        ).fetchall()
        steps = owner.execute(
            "select step_id, status, effect from public.agent_steps where run_id = %s", (run,)
        ).fetchall()
        next_seq, worker = owner.execute(
            "select next_seq, worker from simplon.run_state where run_id = %s", (run,)
        ).fetchone()
        queued = owner.execute("select count(*) from public.agent_task_queue where run_id = %s", (run,)).fetchone()[0]
    assert [seq for seq, _, _ in rows] == list(range(1, next_seq)), "a number is missing or was used twice"
    assert [kind for _, kind, _ in rows].count("done") == 1 and rows[-1][1] == "done", (
        "something was written after the end"
    )
    assert worker is None and queued == 0, "nobody holds or waits for a finished run"
    assert {(status, effect) for _, status, effect in steps} == {("completed", "settled")}, steps
    ended = [payload["step_id"] for _, kind, payload in rows if kind == "step" and payload.get("status") == "completed"]
    assert sorted(ended) == sorted([*STEPS, "read"]), f"a step was settled twice, or with an old lease: {ended}"

    streamed = house.caller.stream(run)
    assert [(event.id, event.kind) for event in streamed] == [(seq, kind) for seq, kind, _ in rows]
    for event, (_, _, payload) in zip(streamed, rows, strict=True):
        assert event.json["payload"] == payload
    assert [row["seq"] for row in house.caller.all_logs(run, page=7)] == [seq for seq, _, _ in rows]


def settled(house: House, run: str, count: int) -> None:
    """Waits until that many steps have ended."""
    condition = "public.agent_steps where run_id = %s and effect = 'settled'"
    wait_for(f"{count} settled steps", lambda: house.count(condition, run) >= count, patience=60)


def test_with_no_fault_at_all(house, run):
    house.caller.wait(run)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("moment", ["inside its transaction", "after its commit"])
@pytest.mark.parametrize("point", ["claim", "dispatch", "result", "flush"])
@pytest.mark.parametrize(
    "fault", ["the worker is killed", "the worker is paused past its lease", "PostgreSQL is killed"]
)
def test_nothing_is_lost_or_done_twice_when(fault, point, moment, seed, house, run):
    chance = random.Random(f"{seed} {fault} {point} {moment}")
    if point == "claim":
        # The run is claimed at once; hold the next claim of it: the one after a worker gave up.
        settled(house, run, chance.randint(0, 2))
        with house.held("claim") as trap:
            for worker in house.workers:
                if house.count("simplon.run_state where run_id = %s and worker is not null", run):
                    worker.kill()
            house.mend()
            strike(house, trap, fault, moment)
    else:
        settled(house, run, chance.randint(0, 2))
        with house.held(point) as trap:
            strike(house, trap, fault, moment)


def strike(house: House, trap, fault: str, moment: str) -> None:
    backend, worker = trap.caught()
    if moment == "after its commit":
        trap.release(backend)
    if fault == "the worker is killed":
        worker.kill()
    elif fault == "PostgreSQL is killed":
        house.server.kill()
        house.server.start()
    else:
        worker.send(signal.SIGSTOP)
        trap.release()
        at_rest()
        worker.send(signal.SIGCONT)
    trap.release()


def test_while_postgresql_is_away_callers_are_told_to_come_back_and_then_are_served(house):
    caller = house.caller
    known = caller.finished(noop(1))["run_id"]
    before = house.count("public.agent_runs")
    asking = [
        lambda: caller.execute(action="create", plan=noop(1)),
        lambda: caller.act("retry", known),
        lambda: caller.http.get("/agent/status"),
        lambda: caller.why(known),
    ]
    house.server.kill()
    try:
        # Each waits for a connection first, for ten seconds; so at once.
        with concurrent.futures.ThreadPoolExecutor(len(asking)) as pool:
            answers = list(pool.map(lambda ask: ask(), asking))
        for answer in answers:
            refused(answer, 503, "database.unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        ready = caller.http.get("/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert ready.json()["details"]["database"].startswith("database.") and int(ready.headers["retry-after"]) >= 1
        assert caller.http.get("/health").status_code == 200
    finally:
        house.server.start()
    served = wait_for("an answer", lambda: (answer := asking[0]()).status_code == 201 and answer)
    assert caller.wait(served.json()["run_id"])["status"] == caller.status(known)["status"] == "completed"
    assert house.count("public.agent_runs") == before + 1, "what was refused did not happen all the same"
    failed = {line["request_id"]: line["code"] for line in house.api.logged() if line["message"] == "request failed"}
    assert {failed[answer.headers["x-request-id"]] for answer in answers} == {"database.unavailable"}


def test_a_worker_that_is_asked_to_end_hands_its_run_on(house, run):
    settled(house, run, 1)
    holder = next(worker for worker in house.workers if worker.popen.poll() is None)
    assert holder.stop() == 0


def test_both_workers_killed_again_and_again(house, run):
    chance = random.Random(SEED)
    for _ in range(6):
        at_rest(chance.uniform(0.1, 0.6))
        chance.choice(house.workers).kill()
        house.mend()


def test_a_stopped_run_is_over_even_when_its_worker_is_paused(house):
    tag = new_tag()
    sandboxes = Sandboxes(tag)
    made = house.caller.create(plan(tag))
    wait_for("a sandbox", sandboxes.now, patience=30)
    for worker in house.workers:
        worker.send(signal.SIGSTOP)
    try:
        assert house.caller.act("stop", made).json()["status"] == "cancelled"
        wait_for("the guard to end the sandbox of a paused worker", lambda: not sandboxes.now(), patience=10)
    finally:
        house.mend()
    assert house.caller.wait(made)["status"] == "cancelled"
