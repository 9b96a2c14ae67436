"""A small house of processes that can be hurt: one PostgreSQL, one API, two workers, a target of their effects."""

import atexit
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator

import httpx
import psycopg
from agent import Caller, someone, token
from outside import Outside
from points import Trap, statements
from relay import Relay
from server import SECRET, Server, prepare, serve
from stack import Process, folder, free_port, wait_for

LEASE = 1.0  # seconds
# Small files of the write-ahead log, so that a full disk is felt at once.
SMALL = {"postgres": "160m", "data/files": "8m"}, ("--wal-segsize=1",)


def mount(folder: pathlib.Path, size: str) -> subprocess.CompletedProcess:
    """Puts a small disk there, in memory."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "simplon-test", folder]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@functools.cache
def clock_libraries() -> str:
    """What a process is started with whose wall clock can be stepped: Debian's libfaketime, its timers put right."""
    compiler = shutil.which("clang") or shutil.which("cc")
    assert compiler, "no C compiler; Swift brings clang"
    timers = folder() / "timers.so"
    atexit.register(shutil.rmtree, timers.parent, ignore_errors=True)
    source = pathlib.Path(__file__).with_name("timers.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", timers, source], check=True, stdin=subprocess.DEVNULL)
    found = list(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "no libfaketime; scripts/test installs it"
    return f"{timers}:{found[0]}"


@functools.cache
def can_mount() -> bool:
    """Whether we may: root may, but not in every container."""
    place = folder()
    try:
        return mount(place, "1m").returncode == 0
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)
        place.rmdir()


class House:
    """PostgreSQL, an API server and two workers, who all reach it through a relay.

    Of the kind `clock`, each process has a clock of its own; of the kind `small`, the database and the file store have
    each a small disk of their own.
    """

    def __init__(self, kind: str = "plain", **more: str):
        self.kind, self.more, self.home = kind, more, folder()
        self.workers: list[Process] = []
        self.guests: list[Process] = []
        self.api: Process | None = None
        self.server: Server | None = None
        self.relay: Relay | None = None
        self.started: list[int] = []
        self.outside = Outside()
        self.api_port = free_port()
        try:
            self._furnish()
        except BaseException:
            self.close()  # nobody else can
            raise

    def _furnish(self) -> None:
        disks, options = SMALL if self.kind == "small" else ({}, ())
        for place, size in disks.items():
            (self.home / place).mkdir(parents=True)
            mount(self.home / place, size).check_returncode()
        self.server = Server(self.home, options=options)
        self.relay = Relay(self.server.port)
        prepare(self.server, self.home)
        with self.connect() as owner:
            owner.execute(statements(self.server.password))
        self.api = self.start("api")
        self.workers = [self.start("worker"), self.start("worker")]
        person = someone()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.caller = Caller(self.url, token(SECRET, f"{self.url}/auth/v1", person), person)
        self.ready()
        wait_for("both workers", lambda: self.count("simplon.workers where alive_until > clock_timestamp()") >= 2)

    def start(self, role: str, port: int | None = None) -> Process:
        """One `simplon serve`; a process that was killed is replaced by a new one, as by any supervisor."""
        through = self.relayed(self.server.url())
        target = self.relayed(self.server.url("target", self.server.password))
        writes = {"kind": "postgres", "dsn": target, "read_only": False}
        port = port or (self.api_port if role == "api" else free_port())
        settings = {
            "DATABASE_URL": through,
            "SIMPLON_LEASE": f"{LEASE:g}s",
            "SIMPLON_SANDBOXES": "8",
            "SIMPLON_EGRESS_ALLOW": f"127.0.0.1:{self.outside.port}",
            "SIMPLON_EGRESS_ALLOW_PRIVATE": "true",
            "SIMPLON_CONNECTORS": json.dumps([{"name": "ledger", "effects_table": True, **writes}]),
        }
        clock, launcher = self.home / f"clock-{port}", ()
        if self.kind == "clock":
            clock.write_text("+0\n")
            settings |= {
                "LD_PRELOAD": clock_libraries(),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                # As where an operator or NTP sets the clock: how much time has passed stays right.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            # The library adds to the environment of whoever starts with it, and Swift then finds no arguments any more;
            # so somebody else starts with it, who becomes the program.
            launcher = ("/usr/bin/env",)
        process = serve(role, self.server, self.home, self.api_port, port, launcher, **settings | self.more)
        process.port, process.clock = port, clock
        self.started.append(process.popen.pid)
        return process

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url(), autocommit=True)

    def relayed(self, url: str) -> str:
        return url.replace(f":{self.server.port}/", f":{self.relay.port}/")

    def count(self, what: str, *values) -> int:
        with self.connect() as owner:
            return owner.execute(f"select count(*) from {what}", values).fetchone()[0]

    @property
    def processes(self) -> list[Process]:
        return [process for process in (self.api, *self.workers, *self.guests) if process]

    def process_of(self, port: int) -> Process:
        """Whose connection to PostgreSQL comes from that port, as PostgreSQL sees it."""
        return self.process_at(self.relay.origin(port), self.relay.port)

    def process_at(self, port: int, to: int) -> Process:
        """Whose connection from that port to that one it is."""
        found = [process for process in self.processes if port in self.ports(process, to)]
        if not found:
            raise LookupError(f"nobody talks from port {port}")
        return found[0]

    def ports(self, process: Process, to: int) -> set[int]:
        """The ports from which a process talks to that one."""
        sockets = set()
        for descriptor in pathlib.Path(f"/proc/{process.popen.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(descriptor))
        rows = map(str.split, pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
        ends = ((row[1].partition(":")[2], row[2].partition(":")[2], f"socket:[{row[9]}]") for row in rows)
        return {int(own, 16) for own, other, name in ends if int(other, 16) == to and name in sockets}

    @contextlib.contextmanager
    def held(self, point: str) -> Iterator[Trap]:
        """Holds a point: whoever reaches it next, waits there."""
        with self.connect() as owner:
            trap = Trap(self, owner, point)
            yield trap
            trap.release()

    def ready(self) -> None:
        wait_for("the API", lambda: self.caller.http.get("/ready").status_code == 200)

    def mend(self) -> None:
        """Everybody runs again, whatever happened."""
        for place in SMALL[0]:
            (self.home / place / "filler").unlink(missing_ok=True)
        if self.server.runs:
            with contextlib.suppress(TimeoutError):  # one that goes down by itself is started below
                wait_for("PostgreSQL", lambda: not self.server.runs or self.count("pg_class"), 10)
        if not self.server.runs:
            self.server.start()
        for process in self.processes:
            if self.kind == "clock":
                process.clock.write_text("+0\n")
            process.send(signal.SIGCONT)
        for place, worker in enumerate(self.workers):
            if worker.popen.poll() is not None:
                self.workers[place] = self.start("worker")
        if self.api.popen.poll() is not None:
            self.api = self.start("api")
        self.ready()

    def metrics(self, name: str) -> float:
        """A figure of all processes together."""
        total = 0.0
        for process in self.processes:
            with contextlib.suppress(httpx.TransportError):  # it is about to end
                for line in httpx.get(f"http://127.0.0.1:{process.port}/metrics").text.splitlines():
                    total += float(line.split()[-1]) if line.startswith(name + " ") else 0
        return total

    def tell(self) -> str:
        """Where the runs stand and what everybody said last, for whoever looks into a failure."""
        told = []
        with contextlib.suppress(psycopg.Error), self.connect() as owner:
            runs = owner.execute(
                """select r.id, r.status, r.reason, s.epoch, s.worker, s.lease_until - clock_timestamp(), s.next_seq
                from public.agent_runs r join simplon.run_state s on s.run_id = r.id order by r.id desc limit 2"""
            ).fetchall()
            told += [" ".join(map(str, run)) for run in runs]
        logs = {"PostgreSQL": self.home / "postgres.log"}
        logs |= {f"{one.popen.pid} ({one.popen.poll()})": one.log for one in self.processes}
        for name, log in logs.items():
            lines = [line for line in log.read_text(errors="replace").splitlines() if '"request"' not in line]
            told += [f"{name}: {line[:300]}" for line in lines[-8:]]
        return "\n".join(told)

    def close(self) -> None:
        try:
            for process in self.processes:
                if process.popen.poll() is None:
                    process.stop()
        finally:
            if self.server:
                self.server.stop()
            if self.relay:
                self.relay.stop()
            self.outside.close()
            for pid in self.started:  # what a killed process's library of the clock leaves
                for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
                    pathlib.Path("/dev/shm", name).unlink(missing_ok=True)
            if self.kind == "small":
                for place in SMALL[0]:
                    subprocess.run(["umount", self.home / place], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(self.home, ignore_errors=True)
