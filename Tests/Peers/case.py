"""One case of the fault matrix: two runs, and a fault at a point of one of them."""

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
from agent import FINISHED
from faults import MOMENTS, strike
from fault_house import House
from stack import wait_for
from work import PROMPT, Request, Sandboxes, new_tag, plan

EFFECTS = ("keyed", "plain", "ledger")
PATIENCE = 60.0  # seconds for a run to end, or to wait with a reason


class Case:
    """A run of a plan and one of a prompt in a house, and what becomes of them.

    Which moment it is, which effect, how many pass before: all of it comes from the point, the fault and the seed.
    """

    def __init__(self, house: House, sandboxes: Sandboxes, point: str, fault: str, seed: int):
        self.house, self.sandboxes, self.point, self.fault, self.seed = house, sandboxes, point, fault, seed
        self.chance = random.Random(f"{point} {fault} {seed}")
        self.moment, self.effect = MOMENTS[(seed + len(fault)) % 3], EFFECTS[seed % 3]
        self.tag, self.keys = new_tag(), (str(uuid.uuid4()), str(uuid.uuid4()))
        self.plan = plan(self.tag, house.outside, approval=point in ("intent", "approve"))
        self.run = self.talk = ""
        self.stopped = False
        self.asking: Future | None = None
        self.pool = ThreadPoolExecutor(4)
        self.happen = self._strike

    def _strike(self) -> None:
        with POINTS.get(self.point, at_write)(self) as trap:
            strike(self, trap)

    def play(self) -> tuple[dict, dict]:
        """Puts the fault to the point; gives both runs as they are once they have ended, or wait with a reason."""
        self.house.mend()  # whoever was asked to end in the last case has by now
        with self.pool:
            self.happen()
            self.house.mend()
            asked = self.asking.result(PATIENCE) if self.asking else None
            if self.point == "enqueue":
                self.run = asked
                self.begin()
            found = self.ended(self.run), self.ended(self.talk)
        while self.house.guests:
            assert self.house.guests.pop().stop() == 0
        return found

    # What callers do

    def insist(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Asks until there is an answer, as any caller does whose request is safe to repeat."""
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = ask()
                if answer.status_code < 500:
                    return answer
                assert time.monotonic() < until, answer.text
            assert time.monotonic() < until, "nobody answers"
            time.sleep(0.05)

    def create(self) -> str:
        body = {"action": "create", "plan": self.plan}
        return self.insist(lambda: self._post(body, self.keys[0])).json()["run_id"]

    def _post(self, body: dict, key: str) -> httpx.Response:
        answer = self.house.caller.execute(headers={"Idempotency-Key": key}, **body)
        assert answer.status_code in (200, 201) or answer.status_code >= 500, answer.text
        return answer

    def begin(self) -> None:
        self.run = self.run or self.create()
        body = {"action": "create", "prompt": PROMPT}
        self.talk = self.insist(lambda: self._post(body, self.keys[1])).json()["run_id"]

    def stop(self) -> httpx.Response:
        self.stopped = True
        answer = self.insist(lambda: self.house.caller.act("stop", self.run))
        assert answer.status_code == 200, answer.text
        return answer

    def approve(self) -> httpx.Response:
        body = {"action": "respond", "run_id": self.run, "step_id": "allowed", "decision": "approve"}
        answer = self.insist(lambda: self.house.caller.execute(**body))
        # Said twice, it was heard the first time.
        assert answer.status_code == 200 or answer.json()["code"] == "run.state", answer.text
        return answer

    def ended(self, run: str) -> dict:
        """The run once it has ended or nobody knows what a call has done; until then it says why it has not."""
        until = time.monotonic() + PATIENCE
        while True:
            found = self.insist(lambda: self.house.caller.http.get("/agent/status", params={"run_id": run})).json()
            if found["status"] in FINISHED:
                return found
            why = self.insist(lambda: self.house.caller.why(run)).json()
            assert why["code"] and why["message"], why
            if found["status"] == "waiting":
                if why["code"] == "run.unknown_effect":
                    return found
                if why["code"] == "approval":
                    self.approve()
            assert time.monotonic() < until, (found | {"plan": ...}, why)
            time.sleep(0.05)

    def wait(self, *statuses: str) -> None:
        def look() -> bool:
            return self.house.caller.status(self.run)["status"] in statuses

        wait_for(f"the run to be {statuses}", look, PATIENCE)

    def at_once(self, *asks: Callable) -> list:
        return [asked.result(PATIENCE) for asked in [self.pool.submit(ask) for ask in asks]]

    def ask_database(self, query: str, *values) -> list:
        """As the database's owner."""
        with self.house.connect() as owner:
            found = owner.execute(query, values or None)
            return found.fetchall() if found.description else []


# The points


@contextlib.contextmanager
def at_write(case: Case) -> Iterator:
    """A worker writes; a few writes of the kind may pass before."""
    most = {"dispatch": 2, "result": 2, "flush": 1}.get(case.point, 0)
    with case.house.held(case.point) as trap:
        case.begin()
        trap.caught(passing=case.chance.randint(0, most))
        yield trap


@contextlib.contextmanager
def at_enqueue(case: Case) -> Iterator:
    with case.house.held("enqueue") as trap:
        case.asking = case.pool.submit(case.create)
        trap.caught()
        yield trap


@contextlib.contextmanager
def at_claim(case: Case) -> Iterator:
    """The run is claimed for the first time, or again, since whoever had it was killed."""
    with case.house.held("claim") as trap:
        case.begin()
        holder = trap.caught()[1]
        if case.seed % 2 == 0:
            trap.finish()
            trap.hold()
            holder.kill()
            trap.caught()
        yield trap


@contextlib.contextmanager
def at_effect(case: Case) -> Iterator:
    if case.effect == "ledger":
        with case.house.held("effect") as trap:
            case.begin()
            trap.caught()
            yield trap
        return
    request = Request(case.house, f"/{case.tag}/{case.effect}")
    try:
        case.begin()
        request.caught(wait_for)
        yield request
    finally:
        request.release()


@contextlib.contextmanager
def at_next_enqueue(case: Case) -> Iterator:
    """Whoever has the run is killed, so that another one finds it; or is asked to end, and hands it back."""
    with case.house.held("claim") as first:
        case.begin()
        holder = first.caught()[1]
        with case.house.held("next-enqueue") as trap:
            first.finish()
            if case.seed % 2:
                holder.kill()
            else:
                holder.popen.terminate()
            trap.caught()
            yield trap


@contextlib.contextmanager
def at_cancel(case: Case) -> Iterator:
    case.begin()
    case.wait("running")
    with case.house.held("cancel") as trap:
        case.asking = case.pool.submit(case.stop)
        trap.caught()
        yield trap


@contextlib.contextmanager
def at_approve(case: Case) -> Iterator:
    case.begin()
    case.wait("waiting")
    with case.house.held("approve") as trap:
        case.asking = case.pool.submit(case.approve)
        trap.caught()
        yield trap


POINTS = {
    "enqueue": at_enqueue,
    "claim": at_claim,
    "effect": at_effect,
    "next-enqueue": at_next_enqueue,
    "cancel": at_cancel,
    "approve": at_approve,
}
