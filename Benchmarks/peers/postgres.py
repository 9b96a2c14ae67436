"""SimplonPostgres beside pgbench: statements of many callers, and log lines."""

import json
import subprocess
import time
import uuid

import pgbench
from house import House, house
from result import Result
from stack import REPOSITORY

SELECT = "\\set id random(1, 10000)\nselect v from kv where id = :id;\n"
LINES_A_CALL = 500
LINE = {"step_id": "main", "stream": "stdout", "text": "the quick brown fox jumps over the lazy dog 0123456789"}


def callers(seconds: float) -> Result:
    """64 concurrent callers of SimplonPostgres, and the best that pgbench does with the same statement."""
    package = str(REPOSITORY / "Benchmarks")
    subprocess.run(["swift", "build", "-c", "release", "--package-path", package], check=True)
    with house() as built:
        with built.connect() as owner:
            owner.execute("create table kv as select id, md5(id::text) as v from generate_series(1, 10000) as id")
            owner.execute("alter table kv add primary key (id)")
            owner.execute("vacuum analyze kv")
        peer, clients = pgbench.best(built.server, SELECT, built.home, seconds / 2)
        command = [
            f"{package}/.build/release/PostgresBenchmark",
            built.server.url(),
            "--callers",
            "64",
            "--seconds",
            str(seconds),
        ]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Result(
        "one `select` by key, 64 callers",
        "a second",
        found["queries_per_second"],
        0.7,
        peer,
        f"pgbench, {clients} clients",
        found,
    )


def log_lines(seconds: float) -> Result:
    """Lines that steps print until they are stored, and pgbench calling the same function with the same batch."""
    with house() as built:
        ours, details = _printed(built, seconds)
    with house() as built:
        peer = _appended(built, seconds)
    return Result(
        "log lines stored",
        "a second",
        ours,
        0.5,
        peer,
        f"pgbench, {LINES_A_CALL} lines a call",
        details | {"absolute_bar": 100_000},
    )


def _printed(built: House, seconds: float) -> tuple[float, dict]:
    """Pairs of runs, two steps each, that print as fast as they can; from a pair's first stored line to its last."""
    built.serve("api,worker")
    caller = built.caller()
    code = f"import sys\nblock = ({LINE['text']!r} + '\\n') * 200\nfor _ in range(250): sys.stdout.write(block)"
    plan = {"steps": [{"id": f"s{number}", "tool": "python", "with": {"code": code}} for number in range(2)]}
    question = """select count(*), extract(epoch from max(at) - min(at))::float8, count(distinct at)
        from public.agent_task_logs where kind = 'log' and run_id = any(%s)"""
    until, lines, spent, writes = time.monotonic() + seconds, 0, 0.0, 0
    with built.connect() as owner:
        while time.monotonic() < until:
            pair = [uuid.UUID(caller.create(plan)) for _ in range(2)]
            for run in pair:
                caller.wait(str(run), patience=300)
            found = owner.execute(question, (pair,)).fetchone()
            lines, spent, writes = lines + found[0], spent + found[1], writes + found[2]
    return lines / spent, {"lines": lines, "lines_a_write": lines / max(writes, 1)}


def _appended(built: House, seconds: float) -> float:
    """pgbench: each client appends to a run of its own, as a worker that holds it."""
    with built.connect() as owner:
        held = owner.execute("select simplon.uuid_v7_floor(now())").fetchone()[0]
        owner.execute("set session_replication_role = replica")
        owner.execute(
            """insert into public.agent_runs (id, user_id, prompt, status) select
            (left(%s::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), 'x', 'running'
            from generate_series(0, 63) n""",
            (held,),
        )
        owner.execute(
            """insert into simplon.run_state (run_id, user_id, epoch, worker, lease_until)
            select id, user_id, 1, gen_random_uuid(), 'infinity' from public.agent_runs"""
        )
        owner.execute(
            """create table batch as select array_fill('info'::text, array[%(n)s]) as levels,
            array_fill('log'::text, array[%(n)s]) as kinds, array_fill(%(line)s::jsonb, array[%(n)s]) as payloads""",
            {"n": LINES_A_CALL, "line": json.dumps(LINE)},
        )
    script = (
        f"\\set base :base + {LINES_A_CALL}\n"
        f"select simplon.append_events((left('{held}', 24) || lpad(to_hex(:client_id::bigint), 12, '0'))::uuid, 1,"
        " :base::bigint, levels, kinds, payloads) from batch;\n"
    )
    start = ["-D", f"base={1 - LINES_A_CALL}"]
    found = 0.0
    for clients in (1, 2, 4, 8):
        with built.connect() as owner:
            owner.execute("update simplon.run_state set next_seq = 1")
            owner.execute("truncate public.agent_task_logs")
        rate = pgbench.rate(built.server, script, *start, clients=clients, home=built.home, seconds=seconds / 2)
        found = max(found, rate * LINES_A_CALL)
    return found
