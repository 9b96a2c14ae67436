"""What the benchmarks run against: one PostgreSQL that waits for the disk, and our program in the roles asked for."""

import contextlib
import json
import shutil
import uuid
from collections.abc import Iterator

import psycopg
from agent import Caller, token
from server import SECRET, Server, prepare, serve
from stack import Process, folder, free_port, wait_for

NOTHING = {
    "version": 1,
    "steps": [
        {"id": "a", "tool": "noop"},
        {"id": "b", "tool": "noop", "needs": ["a"]},
        {"id": "c", "tool": "noop", "needs": ["b"]},
    ],
}


class House:
    """A database, and whoever works on it."""

    def __init__(self):
        self.home = folder()
        self.server = Server(self.home, durable=True)
        self.api_port = free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.person = str(uuid.uuid4())
        self.bearer = token(SECRET, f"{self.url}/auth/v1", self.person)
        self.processes: list[Process] = []

    def serve(self, roles: str, **settings: str) -> Process:
        """Starts our program and waits until it is ready."""
        process = serve(roles, self.server, self.home, self.api_port, **settings)
        self.processes.append(process)
        if "api" in roles:
            wait_for("the API", lambda: self.caller().http.get("/ready").status_code == 200)
        return process

    def caller(self) -> Caller:
        return Caller(self.url, self.bearer, self.person)

    def runs(self, plan: dict, count: int = 1) -> list[uuid.UUID]:
        """Makes queued runs of the house's person past the API, in one statement; gives their ids."""
        with self.connect() as owner, owner.transaction():
            owner.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                (json.dumps({"sub": self.person, "role": "authenticated"}),),
            )
            made = owner.execute(
                "insert into public.agent_runs (plan) select %s::jsonb from generate_series(1, %s) returning id",
                (json.dumps(plan), count),
            )
            return [row[0] for row in made]

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url(), autocommit=True)

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(AssertionError):
                process.stop()
        self.server.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def house() -> Iterator[House]:
    """A house for one benchmark; nothing is left of it."""
    built = House()
    try:
        prepare(built.server, built.home)
        yield built
    finally:
        built.close()
