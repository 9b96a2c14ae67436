"""A small house of processes that can be hurt at an exact point: one PostgreSQL, one API, two workers.

The points are triggers that take a shared advisory lock. As long as nobody holds it, they do nothing. A test that holds
it stops the engine's transaction inside that point, hurts somebody, and lets go.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
from agent import Caller, someone, token
from server import SECRET, Server, prepare, serve
from stack import Process, folder, free_port, wait_for

LEASE = 1.0  # seconds
KEYS = {"claim": 1, "dispatch": 2, "result": 3, "flush": 4}
POINTS = """
create schema probe;
create function probe.pass() returns trigger language plpgsql as $$
begin
  perform pg_catalog.pg_advisory_xact_lock_shared(4242, tg_argv[0]::integer);
  return null;
end $$;
create trigger probe_claim after delete on public.agent_task_queue for each row execute function probe.pass(1);
create trigger probe_begin after insert on public.agent_steps for each row
  when (new.effect = 'dispatched') execute function probe.pass(2);
create trigger probe_dispatch after update on public.agent_steps for each row
  when (new.effect = 'dispatched' and old.effect is distinct from 'dispatched') execute function probe.pass(2);
create trigger probe_result after update on public.agent_steps for each row
  when (new.effect = 'settled' and old.effect is distinct from 'settled') execute function probe.pass(3);
create trigger probe_flush after insert on public.agent_task_logs for each row
  when (new.kind = 'log') execute function probe.pass(4);
"""


def new_tag() -> str:
    """A name for one run's sandboxes; with a step's name behind it, it fits into the kernel's 15 bytes."""
    return f"p{random.getrandbits(40):010x}"


def plan(tag: str) -> dict:
    """A diamond of four steps. Each is a process with a name of its own from its first line on, and leaves a file."""

    def step(name: str, needs: list[str]) -> dict:
        code = (
            f"open('/proc/self/comm', 'w').write('{tag}-{name}')\n"
            f"import pathlib, time\nseen = sorted(str(p) for p in pathlib.Path('.').glob('*.txt'))\n"
            f"for n in range(20): print('{name}', n, flush=True)\n"
            f"pathlib.Path('{name}.txt').write_text(' '.join(seen))\n"
            f"time.sleep(0.4)\n"
        )
        return {"id": name, "tool": "python", "needs": needs, "with": {"code": code}, "timeout": "30s"}

    steps = [step("s0", []), step("s1", ["s0"]), step("s2", ["s0"]), step("s3", ["s1", "s2"])]
    read = {"id": "read", "tool": "shell", "needs": ["s3"], "with": {"command": "cat s0.txt s1.txt s2.txt s3.txt"}}
    return {"steps": [*steps, read], "output": "${{ steps.read.output.stdout }}"}


RESULT = "s0.txts0.txts0.txt s1.txt s2.txt"
STEPS = ("s0", "s1", "s2", "s3")


class Sandboxes(threading.Thread):
    """Counts, a hundred times a second, how many sandboxes work on each step at that moment."""

    def __init__(self, tag: str):
        super().__init__(daemon=True)
        self.tag, self.most, self.started, self.done = (
            tag,
            dict.fromkeys(STEPS, 0),
            dict.fromkeys(STEPS, 0),
            threading.Event(),
        )
        self.seen: set[int] = set()

    def now(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _, rest = path.read_text(errors="replace").partition("(")[2].rpartition(")")
                # One that has ended and was not yet collected keeps its name and does no harm.
                if name.startswith(self.tag) and rest.split()[0] not in "ZX":
                    found.setdefault(name.removeprefix(self.tag + "-"), []).append(int(path.parent.name))
        return found

    def run(self) -> None:
        while not self.done.wait(0.01):
            for step, pids in self.now().items():
                self.most[step] = max(self.most[step], len(pids))
                self.started[step] += len(set(pids) - self.seen)
                self.seen.update(pids)

    def close(self) -> None:
        self.done.set()
        self.join()


class House:
    """PostgreSQL, an API server and two workers."""

    def __init__(self):
        self.home = folder()
        self.server = Server(self.home)
        self.api_port = free_port()
        self.workers: list[Process] = []
        self.api: Process | None = None
        try:
            self._furnish()
        except BaseException:
            self.close()  # nobody else can
            raise

    def _furnish(self) -> None:
        prepare(self.server, self.home)
        with self.connect() as owner:
            owner.execute(POINTS)
        self.api = self.start("api")
        self.workers = [self.start("worker"), self.start("worker")]
        person = someone()
        issuer = f"http://127.0.0.1:{self.api_port}/auth/v1"
        self.caller = Caller(f"http://127.0.0.1:{self.api_port}", token(SECRET, issuer, person), person)
        wait_for("the API", lambda: self.caller.http.get("/ready").status_code == 200)
        wait_for("both workers", lambda: self.count("simplon.workers where alive_until > clock_timestamp()") >= 2)

    def start(self, role: str) -> Process:
        """One `simplon serve`; a worker that was killed is replaced by a new one, as by any supervisor."""
        return serve(role, self.server, self.home, self.api_port, SIMPLON_LEASE=f"{LEASE:g}s")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url(), autocommit=True)

    def count(self, what: str, *values) -> int:
        with self.connect() as owner:
            return owner.execute(f"select count(*) from {what}", values).fetchone()[0]

    def worker_of(self, port: int) -> Process:
        """Whose connection to PostgreSQL comes from that local port."""
        inode = next(
            fields[9]
            for fields in map(str.split, pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
            if int(fields[1].partition(":")[2], 16) == port and int(fields[2].partition(":")[2], 16) == self.server.port
        )
        for worker in self.workers:
            for descriptor in pathlib.Path(f"/proc/{worker.popen.pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) == f"socket:[{inode}]":
                        return worker
        raise LookupError(f"no worker talks from port {port}")

    @contextlib.contextmanager
    def held(self, point: str) -> Iterator["Trap"]:
        """Holds a point: whoever reaches it next, waits there."""
        with self.connect() as owner:
            owner.execute("select pg_advisory_lock(4242, %s)", (KEYS[point],))
            trap = Trap(self, owner, KEYS[point])
            yield trap
            trap.release()

    def mend(self) -> None:
        """Everybody runs again, whatever happened."""
        if not self.server.runs:
            self.server.start()
        for place, worker in enumerate(self.workers):
            worker.send(signal.SIGCONT)
            if worker.popen.poll() is not None:
                self.workers[place] = self.start("worker")

    def close(self) -> None:
        try:
            for process in (*self.workers, self.api):
                if process and process.popen.poll() is None:
                    process.stop()
        finally:
            self.server.stop()
            shutil.rmtree(self.home, ignore_errors=True)


class Trap:
    """A point that is held."""

    def __init__(self, house: House, owner: psycopg.Connection, key: int):
        self.house, self.owner, self.key = house, owner, key

    def caught(self, patience: float = 30) -> tuple[int, Process]:
        """Waits for somebody; gives the server process it waits in and the worker whose it is."""

        def look():
            return self.owner.execute(
                """select l.pid, a.client_port from pg_locks l join pg_stat_activity a on a.pid = l.pid
                where l.locktype = 'advisory' and l.classid = 4242 and l.objid = %s and not l.granted""",
                (self.key,),
            ).fetchone()

        backend, port = wait_for("somebody at the point", look, patience, pause=0.002)
        return backend, self.house.worker_of(port)

    def release(self, backend: int | None = None) -> None:
        """Lets go; with a server process, waits until its transaction has ended."""
        if self.owner.closed or self.owner.broken:
            return
        transaction = "select xact_start from pg_stat_activity where pid = %s"
        begun = self.owner.execute(transaction, (backend,)).fetchone() if backend else None
        try:
            self.owner.execute("select pg_advisory_unlock_all()")
        except psycopg.OperationalError:
            return  # the server that held it was killed, and with it the lock
        if begun:
            wait_for(
                "the commit", lambda: self.owner.execute(transaction, (backend,)).fetchone() != begun, 10, pause=0.001
            )


def at_rest(lease: float = LEASE) -> None:
    """Long enough for a lease to have ended and for somebody else to have taken the run."""
    time.sleep(3 * lease)
