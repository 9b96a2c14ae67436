"""Many users on few places: turns, caps, a full queue, a slow database; and runs that outlive who watches over them."""

import concurrent.futures
import contextlib
import re
import shutil
import time
from collections.abc import Iterator

import psycopg
import pytest
from agent import Caller, noop, refused, shell, someone, token
from server import SECRET, Server, prepare, serve
from stack import Process, folder, free_port, wait_for

PLAN = '{"version": 1, "steps": [{"id": "main", "tool": "shell", "with": {"command": "sleep 0.2"}}]}'


class Farm:
    """A PostgreSQL, an API and as many workers as a test starts."""

    def __init__(self):
        self.home, self.port = folder(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server, self.processes = Server(self.home), []
        try:
            prepare(self.server, self.home)
        except BaseException:
            self.close()
            raise

    def start(self, role: str, **settings: str) -> Process:
        process = serve(role, self.server, self.home, self.port, **{"SIMPLON_LEASE": "2s"} | settings)
        self.processes.append(process)
        if "api" in role:
            nobody = Caller(self.url, None)
            wait_for("the API", lambda: nobody.http.get("/health").status_code == 200)
            nobody.http.close()
        return process

    def caller(self, person: str | None = None, **claims) -> Caller:
        person = person or someone()
        return Caller(self.url, token(SECRET, f"{self.url}/auth/v1", person, **claims), person)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url(), autocommit=True)

    def one(self, query: str, *values):
        """The first column of the first row."""
        with self.connect() as owner:
            return owner.execute(query, values).fetchone()[0]

    def queue(self, count: int, person: str) -> None:
        with self.connect() as owner:
            owner.execute(
                "insert into public.agent_runs (user_id, plan) select %s::uuid, %s::jsonb from generate_series(1, %s::int)",
                (person, PLAN, count),
            )

    def close(self) -> None:
        try:
            for process in self.processes:
                if process.popen.poll() is None:
                    process.stop()
        finally:
            self.server.stop()
            shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def farm() -> Iterator[Farm]:
    made = Farm()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def own():
    with farm() as made:
        yield made


def test_behind_10_000_runs_of_one_user_a_new_run_of_another_is_claimed_within_two_times_the_slots(own):
    slots, crowd = 4, someone()
    own.queue(10_000, crowd)
    own.start("api")
    own.start("worker", SIMPLON_SLOTS=str(slots), SIMPLON_SANDBOXES=str(slots), SIMPLON_GRACE="0s")
    wait_for(
        "the crowd to have all places",
        lambda: own.one("select count(*) from simplon.run_state where worker is not null") == slots,
    )
    ada = own.caller()
    for _ in range(10):
        run = ada.create(noop(1))
        assert ada.wait(run)["status"] == "completed"
        before = own.one(
            """select count(*) from public.agent_runs a join public.agent_runs b on b.id = %s
            where a.user_id = %s and a.started_at > b.created_at and a.started_at < b.started_at""",
            run,
            crowd,
        )
        assert before < 2 * slots
    assert own.one("select count(*) from public.agent_task_queue where user_id = %s", crowd) > 5_000


def test_a_user_at_its_cap_is_passed_by_and_why_says_so(own):
    own.start("api")
    own.start("worker", SIMPLON_SLOTS="4", SIMPLON_RUNS_PER_USER="1", SIMPLON_GRACE="0s")
    ada, eve = own.caller(), own.caller()
    first = ada.create(shell("sleep 300"))
    ada.wait(first, "running")
    second = ada.create(noop(1))
    assert eve.wait(eve.create(noop(1)))["status"] == "completed"
    why = ada.why(second).json()
    assert why["code"] == "tenant_cap" and why["details"] == {"limit": 1}, why
    assert ada.status(second)["status"] == "queued"
    ada.act("stop", first)
    assert ada.wait(second)["status"] == "completed"


def test_the_cap_of_all_holds_over_two_workers(own):
    own.start("api")
    for _ in range(2):
        own.start("worker", SIMPLON_SLOTS="4", SIMPLON_RUNS_TOTAL="2", SIMPLON_GRACE="0s")
    ada, eve = own.caller(), own.caller()
    runs = [ada.create(shell("sleep 300")), eve.create(shell("sleep 300"))]
    ada.wait(runs[0], "running")
    eve.wait(runs[1], "running")
    third = ada.create(noop(1))
    wait_for("the cap as the reason", lambda: ada.why(third).json()["code"] == "total_cap")
    eve.act("stop", runs[1])
    assert ada.wait(third)["status"] == "completed"


def test_a_user_whose_queue_is_full_is_told_when_to_come_again_and_others_are_not(own):
    own.start("api", SIMPLON_QUEUE_PER_USER="5")
    ada, eve = own.caller(), own.caller()
    runs = [ada.create(noop(1)) for _ in range(5)]
    answer = ada.execute(action="create", plan=noop(1))
    assert refused(answer, 429, "run.queue_full")["details"] == {"limit": 5}
    assert int(answer.headers["Retry-After"]) >= 1
    forked = ada.execute(action="fork", run_id=runs[0])
    assert refused(forked, 429, "run.queue_full")["details"] == {"limit": 5}
    assert int(forked.headers["Retry-After"]) >= 1
    assert own.one("select count(*) from public.agent_runs where user_id = %s", ada.person) == 5
    eve.create(noop(1))
    # Everything else goes on, and what leaves the queue makes room.
    assert ada.act("stop", runs[0]).status_code == 200
    wait_for("a place", lambda: ada.execute(action="create", plan=noop(1)).status_code == 201, pause=0.2)


def test_all_users_together_have_a_limit(own):
    own.start("api", SIMPLON_QUEUE_TOTAL="3")
    for _ in range(3):
        own.caller().create(noop(1))
    refused(own.caller().execute(action="create", plan=noop(1)), 429, "run.queue_full")


def in_flight(url: str) -> float:
    caller = Caller(url, None)
    with caller.http as http:
        found = re.search(r"^http_requests_in_flight(?:{})? (\S+)$", http.get("/metrics").text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_while_the_database_does_not_get_on_further_runs_are_refused_before_it_has_more_to_do(own):
    own.start("api", SIMPLON_INTAKE_PATIENCE="100ms", SIMPLON_STATEMENT_TIMEOUT="1m")
    ada = own.caller()
    ada.create(noop(1))
    with concurrent.futures.ThreadPoolExecutor(5) as pool, own.connect() as owner:
        with owner.transaction():
            # Reading goes on, writing waits.
            owner.execute("lock table public.agent_runs in exclusive mode")
            callers = [own.caller() for _ in range(5)]
            waiting = [pool.submit(caller.execute, action="create", plan=noop(1)) for caller in callers]
            wait_for("five requests that wait, and the one that looks", lambda: in_flight(own.url) >= 6)
            stuck = """select count(*) from pg_stat_activity
                where wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '1 second'"""
            wait_for("them to have waited for long", lambda: own.one(stuck) >= 1)
            answer = ada.execute(action="create", plan=noop(1))
            refused(answer, 503, "server.overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
        assert [one.result(60).status_code for one in waiting] == [201] * 5
    ada.create(noop(1))


def test_ready_and_the_metrics_show_what_the_load_leaves_behind(own):
    own.start("api,worker")
    nobody = Caller(own.url, None)
    wait_for("a server that is ready", lambda: nobody.http.get("/ready").status_code == 200)
    details = nobody.http.get("/ready").json()["details"]
    assert set(details["dead_rows"]) == {"agent_runs", "agent_steps", "agent_task_queue", "run_state"}
    assert details["wal_bytes"] > 0 and details["wal_held_bytes"] >= 0
    with own.connect() as owner:
        owner.execute("select pg_create_physical_replication_slot('lags', true)")
        owner.execute("create table public.large as select repeat('x', 1000) from generate_series(1, 20000)")
        held = "wal_held_bytes"
        wait_for("the slot to hold them", lambda: nobody.http.get("/ready").json()["details"][held] > 10_000_000)
        owner.execute("select pg_drop_replication_slot('lags')")
    nobody.http.close()


def test_a_run_outlives_its_owner_s_token(own):
    own.start("api")
    own.start("worker", SIMPLON_GRACE="0s")
    # Clocks may differ by 30 seconds, so this one is good for five more.
    now = int(time.time())
    ada = own.caller(iat=now - 60, exp=now - 25)
    plan = shell("sleep 10")
    plan["steps"].append({"id": "after", "tool": "shell", "needs": ["main"], "with": {"command": "echo still here"}})
    run = ada.create(plan)
    wait_for("the token's end", lambda: ada.why(run).status_code == 401, pause=0.2)
    assert refused(ada.why(run), 401, "auth.expired")
    assert own.one("select count(*) from public.agent_steps where run_id = %s and step_id = 'after'", run) == 0
    again = own.caller(ada.person)
    assert again.wait(run)["status"] == "completed"
    assert again.output(again.everything(run), "after")["stdout"] == "still here\n"


def test_a_run_outlives_a_rolling_restart_of_every_process(own):
    own.start("api")
    workers = [own.start("worker", SIMPLON_GRACE="1s") for _ in range(2)]
    steps = [
        {"id": f"s{n}", "tool": "shell", "with": {"command": "sleep 0.5"}} | ({"needs": [f"s{n - 1}"]} if n else {})
        for n in range(8)
    ]
    ada = own.caller()
    run = ada.create({"version": 1, "steps": steps})
    ada.wait(run, "running")
    for worker in workers:
        own.start("worker", SIMPLON_GRACE="1s")
        assert worker.stop() == 0
    assert own.processes[0].stop() == 0
    own.start("api")
    found = own.caller(ada.person).wait(run)
    assert found["status"] == "completed"
    settled = "select count(*) from public.agent_steps where run_id = %s and status = 'completed'"
    assert own.one(settled, run) == 8
