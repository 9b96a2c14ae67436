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
IN_A_PIPELINE = 64
LINES_A_CALL = 500
LINE = "the quick brown fox jumps over the lazy dog 0123456789"
# A sandbox passes on 1 MiB of each stream, and counts a line as 64 bytes at least: so many go through it whole. Steps
# enough for several seconds, so that the first program's start and the last commit weigh little.
LINES_A_STREAM, STEPS, RUNS = 16_000, 8, 4


def callers(seconds: float) -> list[Result]:
    """64 concurrent callers of SimplonPostgres, and the best that pgbench does with the same statement."""
    built_in = str(REPOSITORY / ".build/bench-swift")
    package = ["--package-path", str(REPOSITORY / "Benchmarks"), "--scratch-path", built_in]
    subprocess.run(["swift", "build", "-c", "release", *package], check=True)
    pipeline = f"\\startpipeline\n{SELECT * IN_A_PIPELINE}\\endpipeline\n"
    with house() as built:
        with built.connect() as owner:
            owner.execute("create table kv as select id, md5(id::text) as v from generate_series(1, 10000) as id")
            owner.execute("alter table kv add primary key (id)")
            owner.execute("vacuum analyze kv")
        peer, clients = pgbench.best(built.server, SELECT, built.home, seconds / 2)
        piped, pipers = pgbench.best(built.server, pipeline, built.home, seconds / 2, clients=(1, 2, 4))
        command = [f"{built_in}/release/PostgresBenchmark", built.server.url()]
        load = ["--callers", "64", "--seconds", str(seconds)]
        said = subprocess.run([*command, *load], check=True, capture_output=True, text=True).stdout
    found = json.loads(said)
    ours, what = found["queries_per_second"], "one `select` by key, 64 callers"
    in_pipelines = f"pgbench, {IN_A_PIPELINE} in a pipeline, clients: {pipers}"
    return [
        Result(what, "a second", ours, 0.7, peer, f"pgbench, clients: {clients}", details=found),
        Result(what, "a second", ours, None, piped * IN_A_PIPELINE, in_pipelines),
    ]


def log_lines(seconds: float) -> list[Result]:
    """Lines that steps print until they are stored, and pgbench calling the same function with the same batch."""
    with house() as built:
        ours, details = _printed(built, seconds)
    with house() as built:
        peer = _appended(built, seconds)
    return [
        Result("log lines stored", "a second", ours, 100_000, at_least=True, details=details),
        Result("log lines stored", "a second", ours, 0.5, peer, f"pgbench, {LINES_A_CALL} lines a call"),
    ]


def _printed(built: House, seconds: float) -> tuple[float, dict]:
    """Runs side by side whose steps print as fast as they can; from the first run's start to the last stored line."""
    built.serve("api,worker")
    caller = built.caller()
    code = (
        f"import sys\nblock = ({LINE!r} + '\\n') * 200\n"
        f"for _ in range({LINES_A_STREAM // 200}):\n  sys.stdout.write(block)\n  sys.stderr.write(block)\n"
    )
    plan = {"steps": [{"id": f"s{number}", "tool": "python", "with": {"code": code}} for number in range(STEPS)]}
    expected = RUNS * STEPS * 2 * LINES_A_STREAM
    question = """select count(*), count(distinct xmin::text), extract(epoch from max(at) -
        (select min(started_at) from public.agent_runs where id = any(%(runs)s)))::float8
        from public.agent_task_logs where payload ->> 'text' = %(line)s and run_id = any(%(runs)s)"""
    until, lines, spent, writes = time.monotonic() + seconds, 0, 0.0, 0
    with built.connect() as owner:
        while time.monotonic() < until:
            made = [uuid.UUID(caller.create(plan)) for _ in range(RUNS)]
            for run in made:
                caller.wait(str(run), patience=300)
            stored, batches, took = owner.execute(question, {"runs": made, "line": LINE}).fetchone()
            if stored != expected:
                raise AssertionError(f"{stored:,} of {expected:,} lines were stored")
            lines, writes, spent = lines + stored, writes + batches, spent + took
    return lines / spent, {"lines": lines, "lines_a_write": lines / writes}


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
            array_fill('s0'::text, array[%(n)s]) as steps, array_fill('stdout'::text, array[%(n)s]) as streams,
            array_fill(%(line)s::text, array[%(n)s]) as texts, array_fill(false, array[%(n)s]) as damaged""",
            {"n": LINES_A_CALL, "line": LINE},
        )
    script = (
        f"\\set base :base + {LINES_A_CALL}\n"
        f"select simplon.append_lines((left('{held}', 24) || lpad(to_hex(:client_id::bigint), 12, '0'))::uuid, 1,"
        " :base::bigint, levels, steps, streams, texts, damaged) from batch;\n"
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
