"""The fault matrix on the real program: each fault at each point of a run's life, and what holds after any of it.

`cells.py` has the table, `points.py` how a point is held, `faults.py` what is done there, `invariants.py` what holds.

    scripts/test --fault POINT:FAULT                   one cell
    SIMPLON_SEED=n scripts/test --fault POINT:FAULT    one case of it, as a failure says
    SIMPLON_WRITE_RESULTS=1 scripts/test --long        more than a thousand cases, written into docs/reliability.md
"""

import concurrent.futures
import contextlib
import queue
import random
import signal
import subprocess
import threading
import time
import uuid

import pytest
from agent import noop, refused
from case import Case
from cells import CELLS, FAULTS, KINDS, NONE, POINTS, SEEDS
from fault_house import House, can_mount
from invariants import hold
from prompts import ANTHROPIC, settings
from results import write_results
from stack import PROGRAM, wait_for
from work import NAME, SCRIPT, Sandboxes

pytest_plugins = ["model_fixtures"]

HOUSES = 3  # that are at work at once; each waits most of the time, for a lease to end
LONGEST = 600  # seconds that three seeds of the whole matrix may take


def build(models, kind: str = "plain", cap: str = "0.60") -> House:
    """A house whose runs may cost that much, in US dollars; a question costs 0.01, and may cost 0.13."""
    house = House(kind, **settings(models, ANTHROPIC), SIMPLON_CAP_PER_RUN=cap)
    with house.connect() as owner:
        owner.execute("select simplon.set_price(%s, 3, 15)", (ANTHROPIC,))
    return house


class Matrix:
    """Plays cases in several houses at once; a house in which one failed is not used again."""

    def __init__(self, cells: list[tuple[str, str]], models, sandboxes: Sandboxes):
        self.models, self.sandboxes, self.left = models, sandboxes, queue.Queue()
        self.begun, self.took = time.monotonic(), 0.0  # seconds up to the end of the case that ended last
        self.futures = {(cell, seed): concurrent.futures.Future() for cell in cells for seed in SEEDS}
        # One kind of house after the other, since one of another kind has to be built first.
        for case in sorted(self.futures, key=lambda case: KINDS.get(case[0][1], "plain")):
            self.left.put(case)
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(HOUSES)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        house = None
        try:
            while True:
                (point, fault), seed = case = self.left.get_nowait()
                begun = time.monotonic()
                try:
                    if house and house.kind != KINDS.get(fault, "plain"):
                        house = house.close()
                    house = house or build(self.models, KINDS.get(fault, "plain"))
                    how = hold(Case(house, self.sandboxes, point, fault, seed))
                    self.took = time.monotonic() - self.begun
                    self.futures[case].set_result((how, time.monotonic() - begun))
                except BaseException as error:
                    self.took = time.monotonic() - self.begun
                    with contextlib.suppress(Exception):  # it may be in any state
                        error.add_note(house.tell() if house else "there is no house")
                    self.futures[case].set_exception(error)
                    with contextlib.suppress(Exception):
                        house = house and house.close()
                    house = None
        except queue.Empty:
            if house:
                house.close()

    def close(self) -> None:
        while not self.left.empty():
            self.left.get_nowait()
        for thread in self.threads:
            thread.join()


@pytest.fixture(scope="module")
def sandboxes():
    made = Sandboxes()
    made.start()
    yield made
    made.close()


def playable(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that this machine lets us play."""
    return [cell for cell in cells if cell[1] != "disk" or can_mount()]


@pytest.fixture(scope="module")
def matrix(request, models, sandboxes):
    """The cells that were asked for; they have begun before their tests do."""
    asked = [item for item in request.session.items if {"matrix", "point"} <= set(item.fixturenames)]
    cells = [(item.callspec.params["point"], item.callspec.params["fault"]) for item in asked]
    models.put(NAME, *SCRIPT)
    made = Matrix(playable(cells), models, sandboxes)
    yield made
    made.close()
    write_results(made.futures, made.took)


@pytest.fixture(scope="module")
def house(models):
    house = build(models, cap="5")
    try:
        yield house
    finally:
        house.close()


@pytest.mark.parametrize(("point", "fault"), CELLS, ids=[":".join(cell) for cell in CELLS])
def test_the_invariants_hold(matrix, point, fault):
    if fault == "disk" and not can_mount():
        pytest.skip("only who may mount can make a small disk")
    for seed in SEEDS:
        try:
            matrix.futures[(point, fault), seed].result()
        except Exception as error:
            command = f"SIMPLON_SEED={seed} scripts/test --fault {point}:{fault}"
            notes = "\n".join(getattr(error, "__notes__", []))
            what = f"{type(error).__name__}: {error}"
            # Said first and last: whoever reads sees one end or the other.
            raise AssertionError(f"{what}\n{notes}\n{what}\nThis repeats it: {command}") from error


def test_the_whole_matrix_is_over_in_time(matrix, capsys):
    concurrent.futures.wait(matrix.futures.values())
    with capsys.disabled():
        print(f"\n{len(matrix.futures)} cases of the fault matrix in {matrix.took:.0f} s")
    if len(SEEDS) == 3 and {cell for cell, _ in matrix.futures} == set(playable(CELLS)):
        assert matrix.took <= LONGEST


def test_each_point_and_fault_is_in_the_matrix_or_said_to_make_no_sense():
    assert len(CELLS) + len(NONE) == len(POINTS) * len(FAULTS) and all(NONE.values())


# Faults of other kinds


@pytest.fixture
def hurt(house, sandboxes, models):
    """Lets something happen to a run, after which all of that holds; gives how it ended."""
    models.put(NAME, *SCRIPT)

    def play(happen) -> str:
        case = Case(house, sandboxes, "", "", SEEDS[0])

        def begin() -> None:
            case.begin()
            happen(case)

        case.happen = begin
        return hold(case)

    return play


def settled(case: Case, count: int) -> None:
    """Waits until that many steps have ended."""
    condition = "public.agent_steps where run_id = %s and effect = 'settled'"
    wait_for(f"{count} settled steps", lambda: case.house.count(condition, case.run) >= count, patience=60)


def test_with_no_fault_at_all(hurt):
    assert hurt(lambda case: None) == "completed"


def test_a_worker_that_is_asked_to_end_hands_its_run_on(hurt):
    def end(case: Case) -> None:
        settled(case, 1)
        assert case.house.workers[0].stop() == 0

    assert hurt(end) == "completed"


def test_both_workers_killed_again_and_again(hurt):
    chance = random.Random(SEEDS[0])

    def kill(case: Case) -> None:
        for _ in range(6):
            time.sleep(chance.uniform(0.1, 0.6))
            chance.choice(case.house.workers).kill()
            case.house.mend()

    assert hurt(kill) in ("completed", "unknown")


def test_a_stopped_run_is_over_even_when_its_worker_is_paused(house, hurt):
    def stop(case: Case) -> None:
        wait_for("a sandbox", lambda: case.sandboxes.now(case.tag), patience=30)
        for worker in house.workers:
            worker.send(signal.SIGSTOP)
        assert case.stop().json()["status"] == "cancelled"
        wait_for("the guard to end a paused worker's sandbox", lambda: not case.sandboxes.now(case.tag), patience=10)

    assert hurt(stop) == "cancelled"


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


def test_a_sandbox_that_outlives_its_lease_is_counted(house):
    """Its guard says for which run it stands; this one stands for none."""

    def counted() -> float:
        return house.metrics("simplon_sandboxes_without_lease")

    command = [PROGRAM, "__guard", str(house.home / "data/work"), f"{uuid.uuid4()}/1"]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        wait_for("every worker to count it", lambda: counted() == len(house.workers), patience=15)
    finally:
        guard.stdin.close()
        guard.wait(10)
    wait_for("it to be forgotten", lambda: counted() == 0, patience=15)
