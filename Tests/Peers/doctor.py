"""An installation that `simplon doctor` looks at, and what it said, for tests that break one thing each."""

import contextlib
import dataclasses
import json
import subprocess

from relay import Relay
from server import SECRET, Server, prepare
from stack import PATIENCE, PROGRAM, clean_environment, folder, simplon

URL = "http://127.0.0.1:54321"
ISSUER = f"{URL}/auth/v1"
OTHER = "the-secret-of-another-project-0123456789"
DATABASE = {"database", "version", "clock", "slots", "login", "migrations", "tables", "transactions"}


@dataclasses.dataclass
class Diagnosis:
    """What it said, by check."""

    code: int
    findings: list[dict]

    def __getitem__(self, check: str) -> dict:
        return next(finding for finding in self.findings if finding["check"] == check)

    def having(self, status: str) -> set[str]:
        return {finding["check"] for finding in self.findings if finding["status"] == status}

    def says(self, check: str, status: str, code: str, hint: str, message: str = "") -> None:
        """One check alone says this; no other has found anything, but some may not have looked."""
        found = self[check]
        assert (found["status"], found.get("code")) == (status, code), self.findings
        assert hint in found["hint"] and message in found["message"], found
        assert self.having("problem") | self.having("warning") == {check}, self.findings
        assert self.code == (1 if status == "problem" else 0)


def read(found: subprocess.CompletedProcess, secrets: list[str]) -> Diagnosis:
    assert found.stderr == "" and found.returncode in (0, 1), found
    for secret in secrets:
        assert secret not in found.stdout, "a secret is never printed"
    findings = [json.loads(line) for line in found.stdout.splitlines()]
    for finding in findings:
        assert set(finding) - {"code"} == {"check", "status", "message", "hint"}, finding
        assert finding["status"] in ("ok", "warning", "problem", "skipped") and finding["message"]
        if finding["status"] in ("warning", "problem"):
            assert finding["code"] and finding["hint"], finding
    return Diagnosis(found.returncode, findings)


class Installation:
    """A database that is migrated, and the settings of a server on it."""

    def __init__(self):
        self.home = folder()
        self.server = Server(self.home)
        prepare(self.server, self.home)
        self.settings = {
            "DATABASE_URL": self.server.url(),
            "SIMPLON_API_PASSWORD": self.server.password,
            "SIMPLON_WORKER_PASSWORD": self.server.password,
            "SUPABASE_URL": URL,
            "SUPABASE_JWT_SECRET": SECRET,
            "SIMPLON_DATA": str(self.home / "data"),
        }

    def environment(self, changes: dict[str, str | None]) -> dict[str, str]:
        settings = self.settings | changes
        return clean_environment(**{name: value for name, value in settings.items() if value is not None})

    def doctor(self, *words: str, mount: str | None = None, **changes: str | None) -> Diagnosis:
        """Asks, with some settings changed; where asked for on a machine that has something else mounted."""
        environment = self.environment(changes)
        if mount:
            line = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", PROGRAM, "doctor", "--json"]
            found = subprocess.run(
                line, env=environment, cwd=self.home, text=True, capture_output=True, timeout=PATIENCE, check=False
            )
        else:
            found = simplon("doctor", "--json", *words, env=environment, cwd=str(self.home))
        given = {**self.settings, **changes}.items()
        secrets = [value for name, value in given if value and name.endswith(("_PASSWORD", "_SECRET", "_KEY"))]
        return read(found, [*secrets, self.server.password, SECRET, OTHER, *(word for word in words if "." in word)])

    def through(self, port: int) -> str:
        """The database's address with another port."""
        return self.server.url().replace(f":{self.server.port}/", f":{port}/")

    @contextlib.contextmanager
    def relayed(self, change):
        relay = Relay(self.server.port, change)
        try:
            yield self.through(relay.port)
        finally:
            relay.stop()
