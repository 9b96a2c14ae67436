"""Durable steps: how many a second, and how long one run alone takes; beside DBOS and beside the bare database."""

import json
import pathlib
import subprocess
import sys
import time

import pgbench
from house import NOTHING, House, house
from result import Result, quantile
from stack import wait_for

RUNS = 3000
LEVELS = (1, 4, 16, 32, 64)


def durable(seconds: float) -> list[Result]:
    """Three-step plans of `noop`: a backlog is worked off by one worker, with 1 to 64 runs at a time."""
    ours = {}
    with house() as built:
        for slots in LEVELS:
            ours[slots] = _worked_off(built, slots, min(RUNS, 200 * slots))
    dbos = _dbos(seconds)
    with house() as built:
        bare, clients = _bare(built)
    what, best = "durable steps, 3 a run, commit on", max(ours, key=ours.get)
    details = {"by_runs_at_a_time": ours, "dbos": dbos}
    in_pipelines = f"pgbench in pipelines, clients: {clients}"
    return [
        Result(what, "steps/s", ours[best], 5, dbos["steps_per_second"], f"DBOS, {dbos['how']}", details=details),
        Result(what, "steps/s", ours[best], 0.6, bare, in_pipelines),
    ]


def _worked_off(built: House, slots: int, runs: int) -> float:
    """Steps a second from the moment that a backlog can be seen until its last run has ended."""
    with built.connect() as owner:
        before = owner.execute("select clock_timestamp()").fetchone()[0]
        worker = built.serve("worker", SIMPLON_SLOTS=str(slots))
        here = "select count(*) from simplon.workers where started_at > %s"
        wait_for("the worker", lambda: owner.execute(here, (before,)).fetchone()[0])
        made = built.runs(NOTHING, runs)
        begun = owner.execute("select pg_notify('simplon_queue', ''), clock_timestamp()").fetchone()[1]
        left = "select exists (select from public.agent_runs where id = any(%s) and status <> 'completed')"
        wait_for("the backlog", lambda: not owner.execute(left, (made,)).fetchone()[0], patience=120, pause=0.25)
        last = "select max(completed_at) from public.agent_runs where id = any(%s)"
        ended = owner.execute(last, (made,)).fetchone()[0]
    worker.stop()
    return len(NOTHING["steps"]) * runs / (ended - begun).total_seconds()


def _dbos(seconds: float) -> dict:
    """DBOS on a database of its own in a PostgreSQL with the same settings."""
    with house() as built:
        with built.connect() as owner:
            owner.execute("create database dbos")
        url = built.server.url().rpartition("/")[0] + "/dbos"
        command = [sys.executable, str(pathlib.Path(__file__).with_name("dbos_peer.py")), url, str(seconds)]
        return json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )


def _bare(built: House) -> tuple[float, int]:
    """pgbench with the statements that settle a run's three steps, in one pipeline; the best number of clients.

    A pipeline has one Sync, so the four writes of a run are one commit, and nobody claims: less work than ours.
    """
    most, each = 64, 100
    with built.connect() as owner:
        floor = str(owner.execute("select simplon.uuid_v7_floor(now())").fetchone()[0])
        owner.execute("set session_replication_role = replica")
        owner.execute(
            """insert into public.agent_runs (id, user_id, plan, status)
            select (left(%s, 24) || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), %s::jsonb, 'running'
            from generate_series(0, %s) n""",
            (floor, json.dumps(NOTHING), len(LEVELS) * most * each),
        )
        owner.execute(
            """insert into simplon.run_state (run_id, user_id, epoch, worker, lease_until, next_seq)
            select id, user_id, 1, gen_random_uuid(), 'infinity', 1 from public.agent_runs"""
        )
        owner.execute("vacuum analyze")

    def step(name: str, status: str, effect: str) -> dict:
        position = "abc".index(name) + 1
        return {
            "step_id": name, "position": position, "tool": "noop", "status": status, "effect": effect, "input": {},
        }  # fmt: skip

    def event(kind: str, **payload) -> dict:
        return {"kind": kind, "payload": payload}

    writes, base = [], 1
    for begins, ends in (("a", None), ("b", "a"), ("c", "b"), (None, "c")):
        rows, events = [], []
        if ends:
            rows.append(step(ends, "completed", "settled") | {"output": {}})
            events.append(event("step", step_id=ends, status="completed"))
        if begins:
            rows.append(step(begins, "running", "dispatched"))
            events.append(event("step", step_id=begins, status="running", tool="noop"))
        else:
            events.append(event("done", status="completed"))
        entry = {"epoch": 1, "base": base, "attempt": 1, "steps": rows, "events": events}
        if not begins:
            entry["outcome"] = {"status": "completed", "result": None}
        writes.append(entry)
        base += len(events)
    lines = ["\\set run :run + 1", "\\set n :first + :client_id * 100 + :run", "\\startpipeline"]
    for entry in writes:
        text = json.dumps(entry).replace(":", ": ")[:-1]
        run = f"(left('{floor}', 24) || lpad(to_hex(:n::bigint), 12, '0'))"
        lines.append(f"select * from simplon.settle_steps(('[{text}, \"run_id\": \"' || {run} || '\"}}]')::jsonb);")
    script = "\n".join([*lines, "\\endpipeline", ""])

    found = []
    for place, clients in enumerate(LEVELS):
        start = ["-D", "run=-1", "-D", f"first={place * most * each}"]
        rate = pgbench.rate(built.server, script, *start, clients=clients, home=built.home, transactions=each)
        with built.connect() as owner:
            done = owner.execute("select count(*) from public.agent_runs where status = 'completed'").fetchone()[0]
            owner.execute("delete from public.agent_runs where status = 'completed'")
        if done != clients * each:
            raise AssertionError(f"pgbench settled {done} of {clients * each} runs")
        found.append((3 * rate, clients))
    return max(found)


def lone(seconds: float) -> list[Result]:
    """One run after the other: from sending `create` to receiving `done`."""
    with house() as built:
        built.serve("api,worker")
        caller, spent = built.caller(), []
        for number in range(200):
            begun = time.perf_counter()
            run = caller.create({"steps": [{"id": "a", "tool": "noop"}]})
            for event in caller.follow(run):
                if event.kind == "done":
                    break
            if number >= 20:
                spent.append(1000 * (time.perf_counter() - begun))
    details = {"p50_ms": quantile(spent, 0.5), "p90_ms": quantile(spent, 0.9), "p99_ms": quantile(spent, 0.99)}
    return [Result("a lone run, create to done, median", "ms", details["p50_ms"], 15, details=details)]
