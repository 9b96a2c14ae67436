"""Starts and stops the real program as a user would, most of all `simplon dev`."""

import base64
import dataclasses
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import agent

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SIMPLON", str(REPOSITORY / ".build/release-static/release/simplon"))
PATIENCE = 90.0  # seconds for something that takes one on a quiet machine


def clean_environment(**more: str) -> dict[str, str]:
    """Our own environment without what would configure Simplon or PostgreSQL."""
    foreign = ("SUPABASE_", "SIMPLON_", "CORE_SUPABASE_", "DATABASE_", "PG", "ANTHROPIC_", "OPENAI_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | more


def simplon(
    *arguments: str, timeout: float = PATIENCE, env: dict | None = None, cwd: str | None = None, text: str | None = None
):
    """Runs one command to its end; gives what `subprocess.run` gives, with text."""
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env or clean_environment(),
        cwd=cwd,
        input=text if text is not None else "",
    )


def folder() -> pathlib.Path:
    """A new folder that PostgreSQL's user may enter; pytest's own may only be entered by whoever runs the tests."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="simplon-"))
    path.chmod(0o755)
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(what: str, check, patience: float = PATIENCE, pause: float = 0.02):
    """The first true value that `check` gives; what it raises counts as "not yet"."""
    until, last = time.monotonic() + patience, None
    while time.monotonic() < until:
        try:
            if value := check():
                return value
        except AssertionError:
            raise
        except Exception as error:  # not there yet; the last one is shown when time is up
            last = error
        time.sleep(pause)
    raise TimeoutError(f"waited {patience:.0f} s for {what}; last: {last!r}")


class Process:
    """One running program of ours, its standard output by line and its log in a file."""

    def __init__(
        self,
        arguments: list[str],
        log: pathlib.Path,
        env: dict[str, str],
        cwd: pathlib.Path | None = None,
        launcher: tuple[str, ...] = (),
    ):
        self.log = log
        self.lines: queue.Queue[str | None] = queue.Queue()
        with log.open("ab") as errors:
            command = [*launcher, PROGRAM, *arguments]
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=env, cwd=cwd
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.popen.stdout:
            self.lines.put(line.decode(errors="replace"))
        self.lines.put(None)

    def line(self, patience: float = PATIENCE) -> str:
        """The next line of standard output."""
        try:
            line = self.lines.get(timeout=patience)
        except queue.Empty:
            raise AssertionError(f"no line within {patience:.0f} s; its log:\n{self.tail()}") from None
        if line is None:
            raise AssertionError(f"the program ended with {self.popen.wait()}; its log:\n{self.tail()}")
        return line

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def logged(self) -> list[dict]:
        """Its log so far, in the JSON format; a line that is not whole yet is left out."""
        whole = self.log.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.split(b"\n") if whole]

    def send(self, number: int) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def stop(self, patience: float = 45.0) -> int:
        """Asks it to end; gives its exit code. One that does not end in time is a failure.

        It has its grace of 20 s and ten more before it drops what still runs, and the machine may be busy.
        """
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {patience:.0f} s of SIGTERM; its log:\n{self.tail()}") from None

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.popen.wait(30)


@dataclasses.dataclass
class Stack:
    """`simplon dev` in a folder of its own, with free ports."""

    home: pathlib.Path = dataclasses.field(default_factory=folder)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    arguments: list[str] = dataclasses.field(default_factory=list)
    process: Process | None = None
    ready: dict = dataclasses.field(default_factory=dict)

    @property
    def data(self) -> pathlib.Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return self.ready["api_url"].rstrip("/")

    def launch(self) -> Process:
        """Starts it and waits for nothing."""
        arguments = ["dev", "--data", str(self.data), "--json"]
        if "--port" not in self.arguments:
            arguments += ["--port", "0"]
        if "--db-port" not in self.arguments:
            arguments += ["--db-port", "0"]
        environment = clean_environment(**self.environment)
        self.process = Process(arguments + self.arguments, self.home / "simplon.log", environment, self.home)
        return self.process

    def start(self) -> "Stack":
        """Starts it and waits for the one line that says it is ready."""
        self.ready = json.loads(self.launch().line())
        return self

    @property
    def issuer(self) -> str:
        """Whose tokens are good here, as the project's own keys say."""
        payload = self.ready["anon_key"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]

    def token(self, person: str | None, **claims) -> str:
        """A token of the project for a person."""
        return agent.token(self.ready["jwt_secret"], self.issuer, person, **claims)

    def caller(self, person: str | None = None) -> agent.Caller:
        """Somebody who may ask; a new person by default."""
        person = person or agent.someone()
        return agent.Caller(self.url, self.token(person), person)

    def service(self) -> agent.Caller:
        """The service, by the project's key."""
        return agent.Caller(self.url, self.ready["service_role_key"])

    def login(self, name: str) -> str:
        """A connection string for one of the cluster's logins: its password lies in the data folder."""
        password = json.loads((self.data / "state.json").read_text())["passwords"][name]
        rest = self.ready["db_url"].rpartition("@")[2]
        return f"postgresql://{name}:{password}@{rest}"

    def postmaster(self) -> int:
        """The process id of its PostgreSQL."""
        return int(next(self.data.rglob("postmaster.pid")).read_text().splitlines()[0])

    def stop(self) -> int:
        return self.process.stop() if self.process and self.process.popen.poll() is None else 0

    def remove(self) -> None:
        """Stops whatever is left and removes the folder."""
        try:
            self.stop()
        finally:
            for file in self.data.rglob("postmaster.pid"):
                end(int(file.read_text().splitlines()[0]))
            shutil.rmtree(self.home, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet collected does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def end(pid: int) -> None:
    """Kills a process that is nobody's child any more, and waits until the system has forgotten it."""
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)
    wait_for(f"process {pid} to end", lambda: not pathlib.Path(f"/proc/{pid}").exists())
