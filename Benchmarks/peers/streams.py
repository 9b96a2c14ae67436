"""How late events arrive when many people watch. A writer stands for the worker, so that its clock is known."""

import asyncio
import re
import resource
import time
import uuid

import psycopg
from house import NOTHING, House, house
from result import Result, quantile

STAMP = re.compile(rb'"text"\s*:\s*"(\d+)"')
RATE = 100  # events a second, in all


class Reader(asyncio.Protocol):
    """One open stream; takes the time of each event as its bytes arrive."""

    def __init__(self, request: bytes, late: list[float], opened: asyncio.Future):
        self.request, self.late, self.opened, self.rest = request, late, opened, b""

    def connection_made(self, transport) -> None:
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self.opened.done():
            self.opened.set_result(data.startswith(b"HTTP/1.1 200"))
        text = self.rest + data
        end = 0
        for found in STAMP.finditer(text):
            self.late.append((now - int(found[1])) / 1e6)
            end = found.end()
        self.rest = text[end:][-200:]

    def connection_lost(self, error) -> None:
        if not self.opened.done():
            self.opened.set_result(False)


def held_runs(built: House, count: int) -> list[uuid.UUID]:
    """Runs that look as if a worker held them; what it would write is written by `write`."""
    runs = built.runs(NOTHING, count)
    with built.connect() as owner:
        owner.execute("delete from public.agent_task_queue")
        owner.execute("update simplon.run_state set epoch = 1, worker = gen_random_uuid(), lease_until = 'infinity'")
    return runs


async def write(built: House, runs: list[uuid.UUID], seconds: float) -> int:
    """Appends RATE events a second, round the runs, and notifies as the engine does: apart from the write."""
    sent, bases = 0, {run: 2 for run in runs}
    async with await psycopg.AsyncConnection.connect(built.server.url(), autocommit=True) as connection:
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            if sent >= now * RATE:
                await asyncio.sleep(1 / RATE / 4)
                continue
            run = runs[sent % len(runs)]
            await connection.execute(
                "select simplon.append_lines(%s, 1, %s, array['info'], array['main'], array['stdout'], array[%s],"
                " array[false])",
                (run, bases[run], str(time.monotonic_ns())),
            )
            await connection.execute("select pg_notify('simplon_runs', %s)", (str(run).upper(),))
            bases[run] += 1
            sent += 1
    return sent


async def watch(built: House, runs: list[uuid.UUID], readers: int, seconds: float) -> tuple[list[float], int]:
    """Opens the streams, then writes; gives every delay in milliseconds and how many events were sent."""
    loop, late, opened, transports = asyncio.get_running_loop(), [], [], []
    for place in range(readers):
        run = runs[place % len(runs)]
        request = (
            f"GET /agent/logs?run_id={run}&mode=stream&after=1 HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {built.bearer}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        ).encode()
        ready = loop.create_future()
        opened.append(ready)
        transport, _ = await loop.create_connection(
            lambda request=request, ready=ready: Reader(request, late, ready), "127.0.0.1", built.api_port
        )
        transports.append(transport)
        if place % 100 == 99:
            await asyncio.sleep(0.02)
    # A stream's head may come only with its first event; then silence is no refusal.
    done, _ = await asyncio.wait(opened, timeout=20)
    if refused := sum(not one.result() for one in done):
        raise RuntimeError(f"{refused} streams were refused")
    sent = await write(built, runs, seconds)
    await asyncio.sleep(1)
    for transport in transports:
        transport.abort()
    return late, sent


def _measure(what: str, runs: int, readers: int, seconds: float) -> list[Result]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = readers + 200
    if hard != resource.RLIM_INFINITY and hard < need:
        raise RuntimeError(f"this needs {need} open files; `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), hard))
    with house() as built:
        api = built.serve("api")
        held = held_runs(built, runs)
        late, sent = asyncio.run(watch(built, held, readers, seconds))
        memory = (
            next(int(line.split()[1]) for line in open(f"/proc/{api.popen.pid}/status") if line.startswith("VmRSS"))
            / 1024
        )
    expected = sent * max(readers // runs, 1)
    if len(late) != expected:
        raise AssertionError(f"{len(late)} of {expected} events arrived")
    details = {
        "events": len(late),
        "p50_ms": quantile(late, 0.5),
        "p99_ms": quantile(late, 0.99),
        "worst_ms": max(late),
        "server_mib": memory,
    }
    return [Result(what, "ms p99", details["p99_ms"], 100, details=details)]


def many_runs(seconds: float) -> list[Result]:
    """5,000 people on 5,000 runs, 100 events a second in all."""
    return _measure("delay of an event, 5,000 clients on 5,000 runs", 5000, 5000, max(seconds, 10))


def one_run(seconds: float) -> list[Result]:
    """100 people on one run with 100 events a second."""
    return _measure("delay of an event, 100 clients on one run", 1, 100, seconds)
