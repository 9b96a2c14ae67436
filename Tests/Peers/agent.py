"""What a caller of the agent API does: ask, watch, fetch; and the plans that the tests ask for."""

import dataclasses
import json
import time
import uuid
from collections.abc import Iterator

import httpx
from joserfc import jwt
from joserfc.jwk import OctKey

FINISHED = {"completed", "failed", "cancelled"}


def claims(issuer: str, person: str | None, **more) -> dict:
    """What a person's token says; a claim of None is left out."""
    now = int(time.time())
    usual = {
        "iss": issuer,
        "aud": "authenticated",
        "role": "authenticated",
        "sub": person,
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in (usual | more).items() if value is not None}


def token(secret: str, issuer: str, person: str | None, **more) -> str:
    """A token as the project's own sign-in gives."""
    header = {"alg": "HS256", "typ": "JWT"}
    return jwt.encode(header, claims(issuer, person, **more), OctKey.import_key(secret))


@dataclasses.dataclass(frozen=True)
class Event:
    """One server-sent event."""

    id: int
    kind: str
    data: str

    @property
    def json(self) -> dict:
        return json.loads(self.data)


def events(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream; comments and other fields are dropped, as the standard says."""
    number, kind, data = None, "message", []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield Event(int(number) if number is not None else -1, kind, "\n".join(data))
            kind, data = "message", []
        elif name == "id":
            number = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def in_time(lines: Iterator[str], patience: float = 180) -> Iterator[str]:
    """The same lines; fails when they go on for too long, as a stream with nothing but comments would."""
    until = time.monotonic() + patience
    for line in lines:
        assert time.monotonic() < until, f"the stream did not end within {patience:.0f} s"
        yield line


class Caller:
    """One person at the agent API."""

    def __init__(self, url: str, bearer: str | None, person: str | None = None):
        self.person = person
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60)

    def execute(self, headers: dict | None = None, **body) -> httpx.Response:
        return self.http.post("/agent/execute", json=body, headers=headers)

    def create(self, plan: dict | None = None, headers: dict | None = None, **more) -> str:
        """Starts a run; gives its id."""
        body = {"action": "create", **more}
        if plan is not None:
            body["plan"] = plan
        answer = self.execute(headers=headers, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()["run_id"]

    def act(self, action: str, run: str) -> httpx.Response:
        return self.execute(action=action, run_id=run)

    def status(self, run: str, **more) -> dict:
        answer = self.http.post("/agent/status", json={"run_id": run, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, run: str, *statuses: str, patience: float = 60) -> dict:
        """The run once its status is one of those; without any, once it has ended."""
        wanted, until = set(statuses) or FINISHED, time.monotonic() + patience
        while (found := self.status(run))["status"] not in wanted:
            assert time.monotonic() < until, f"after {patience:.0f} s: {found}, {self.why(run).text}"
            time.sleep(0.05)
        return found

    def why(self, run: str) -> httpx.Response:
        return self.http.get("/agent/why", params={"run_id": run})

    def finished(self, plan: dict, **more) -> dict:
        """Runs a plan to its end; gives the run with everything about it."""
        run = self.create(plan, **more)
        self.wait(run)
        return self.everything(run)

    def everything(self, run: str) -> dict:
        return self.status(run, include_steps=True, include_logs=True, include_artifacts=True, limit=1000)

    def logs(self, run: str, **query) -> dict:
        answer = self.http.get("/agent/logs", params={"run_id": run, "mode": "poll", **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all_logs(self, run: str, page: int = 1000) -> list[dict]:
        """Every event, page by page."""
        found, after = [], 0
        while more := self.logs(run, after=after, limit=page)["logs"]:
            found += more
            after = more[-1]["seq"]
        return found

    def stream(self, run: str, after: int | None = None, last_event_id: int | None = None, **query) -> list[Event]:
        """Every event up to the stream's end."""
        return list(self.follow(run, after, last_event_id, **query))

    def follow(self, run: str, after: int | None = None, last_event_id: int | None = None, **query) -> Iterator[Event]:
        params = {"run_id": run, "mode": "stream", **query}
        if after is not None:
            params["after"] = after
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        with self.http.stream("GET", "/agent/logs", params=params, headers=headers) as answer:
            if answer.status_code == 204:
                return
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield from events(in_time(answer.iter_lines()))

    def output(self, run: dict, step: str) -> dict:
        """What a step gave, out of `everything`."""
        return next(one for one in run["steps"]["items"] if one["step_id"] == step)["output"]


def refused(answer: httpx.Response, status: int, code: str) -> dict:
    """Checks a refusal: its status, its code, a sentence, and nothing of ours leaked."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    body = answer.json()
    assert body["code"] == code, body
    assert set(body) >= {"code", "message", "details", "hint"}, body
    assert body["message"], body
    lower = answer.text.lower()
    for leak in ("select ", "insert into", "simplon.", "sqlstate", "traceback", ".swift"):
        assert leak not in lower, body
    return body


def noop(count: int = 3) -> dict:
    """Steps one after the other that do nothing."""
    steps = [
        {"id": f"s{number}", "tool": "noop"} | ({"needs": [f"s{number - 1}"]} if number else {})
        for number in range(count)
    ]
    return {"version": 1, "steps": steps}


def python(code: str, **more) -> dict:
    """One step of Python, `main`."""
    return {"version": 1, "steps": [{"id": "main", "tool": "python", "with": {"code": code}, **more}]}


def shell(command: str, **more) -> dict:
    """One step of shell, `main`."""
    return {"version": 1, "steps": [{"id": "main", "tool": "shell", "with": {"command": command}, **more}]}


def someone() -> str:
    return str(uuid.uuid4())
