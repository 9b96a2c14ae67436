"""What servers write down: one JSON object a line, whatever callers send."""

import datetime
import json
import re
import socket
import uuid
from urllib.parse import urlsplit

import pytest
from agent import noop, python, shell
from stack import Stack, wait_for
from terminal import Terminal

FORGED = '{"time":"x","level":"info","label":"simplon","message":"forged"}'
# Requests as bytes, as no client would send them; each holds {id}, by which its line is found.
EVIL = {
    "quotes in its path": 'GET /agent/{id}"}},"message":"forged","x":{{" HTTP/1.1\r\n',
    "a line in its path, escaped": "GET /agent/{id}%0A{forged} HTTP/1.1\r\n",
    "a line in its path, escaped twice": "GET /agent/{id}%250A\\n{forged} HTTP/1.1\r\n",
    "a carriage return in its path": "GET /agent/{id}\r{forged} HTTP/1.1\r\n",
    "a line in its path": "GET /agent/{id}\n{forged} HTTP/1.1\r\n",
    "bytes that are no UTF-8 in its path": "GET /agent/{id}\udcff\udcfe{forged} HTTP/1.1\r\n",
    "other characters that end lines in its path": "GET /agent/{id}\x0b\x0c\x85\u2028{forged} HTTP/1.1\r\n",
    "quotes and a line in its query": 'GET /agent/status?x={id}"%0A{forged} HTTP/1.1\r\n',
    "a ticket that is a line": "GET /agent/logs?run_id={id}&ticket=%0A{forged} HTTP/1.1\r\n",
    "a method nobody knows": "FORGED\u2028{forged} /agent/{id} HTTP/1.1\r\n",
    "quotes in its request id": 'GET /agent/{id} HTTP/1.1\r\nX-Request-Id: a","message":"forged\r\n',
    "a line in its request id": "GET /agent/{id} HTTP/1.1\r\nX-Request-Id: a\n{forged}\r\n",
    "a folded request id": "GET /agent/{id} HTTP/1.1\r\nX-Request-Id: a\r\n {forged}\r\n",
    "two request ids": "GET /agent/{id} HTTP/1.1\r\nX-Request-Id: a\r\nX-Request-Id: {forged}\r\n",
    "an address that is a line": "GET /agent/{id} HTTP/1.1\r\nX-Forwarded-For: {forged}\r\n",
    "a token that is a line": "GET /agent/status?x={id} HTTP/1.1\r\nAuthorization: Bearer a.{forged}.c\r\n",
    "a key that is a line": "GET /agent/status?x={id} HTTP/1.1\r\napikey: sb_{forged}\r\n",
    "another origin": 'OPTIONS /agent/{id} HTTP/1.1\r\nOrigin: https://"{forged}\r\n',
}


@pytest.fixture(scope="module")
def talkative():
    """A stack that logs all there is to say, off any terminal, in the format that it finds good."""
    stack = Stack(environment={"LOG_LEVEL": "trace"})
    try:
        yield stack.start()
    finally:
        stack.remove()


def send(url: str, head: str) -> bytes:
    """Sends a request's head as it is; gives the answer, which may be nothing."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall((head + "Host: x\r\nConnection: close\r\n\r\n").encode(errors="surrogateescape"))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def lines_up_to(stack: Stack, id: str) -> list[dict]:
    """The log, once the request of that id has its line."""

    def look() -> list[dict]:
        lines = stack.process.logged()
        return lines if any(line["message"] == "request" and line["request_id"] == id for line in lines) else []

    return wait_for("the request's line", look, patience=10)


def holds(line: dict) -> None:
    """What is true of every line."""
    assert {"time", "level", "label", "message"} <= line.keys(), line
    assert all(isinstance(value, str) and value for value in (line["time"], line["label"], line["message"])), line
    assert line["level"] in ("trace", "debug", "info", "notice", "warning", "error", "critical"), line


def test_every_line_is_one_json_object_and_those_of_requests_carry_their_id(talkative):
    ada = talkative.caller()
    ada.finished(shell("echo said; echo wrong >&2; exit 1"))
    id = ada.http.get("/agent/nowhere").headers["x-request-id"]
    lines = lines_up_to(talkative, id)
    for line in lines:
        holds(line)
    requests = [line for line in lines if line["message"] == "request"]
    assert len({line["request_id"] for line in requests}) == len(requests) > 3, "each has one of its own"
    assert [line["path"] for line in requests if line["request_id"] == id] == ["/agent/nowhere"]
    names = {"method", "path", "query", "status", "duration_ms", "remote", "request_id"}
    assert all(line.keys() - {"time", "level", "label", "message"} == names for line in requests), requests


def test_a_line_says_when_with_its_day(talkative):
    for line in talkative.process.logged():
        said = datetime.datetime.fromisoformat(line["time"])
        assert abs(said - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(hours=1), line


@pytest.mark.parametrize("name", EVIL)
def test_no_line_can_be_forged_by_a_request_with(talkative, name):
    before, id = len(talkative.process.logged()), uuid.uuid4().hex
    answer = send(talkative.url, EVIL[name].format(id=id, forged=FORGED))
    after = talkative.caller().http.get(f"/agent/after-{id}").headers["x-request-id"]
    found = lines_up_to(talkative, after)[before:]
    for line in found:
        holds(line)
        assert "forged" not in line["message"] and line["time"] != "x", line
    mine = [line for line in found if line["message"] == "request" and id in line["path"] + line["query"]]
    answered = re.search(rb"\r\nx-request-id: ([^\r]*)\r\n", answer.partition(b"\r\n\r\n")[0] + b"\r\n", re.IGNORECASE)
    assert len(mine) == (2 if answered else 1), "a request that was answered has one line, and the next one its own"
    if answered:
        assert mine[0]["request_id"] == answered[1].decode() and re.fullmatch("[A-Za-z0-9._-]+", mine[0]["request_id"])


def test_no_line_can_be_forged_by_what_a_run_holds(talkative):
    line = f"\n{FORGED}\n"
    ada = talkative.caller()
    ada.execute(action=line, run_id=line)
    ada.execute(action="create", plan={"steps": [{"id": "a", "tool": line}]})
    ada.execute(action="create", plan=noop(1), metadata={line: line}, headers={"Idempotency-Key": FORGED})
    ada.finished(python(f"print({line!r}); raise OSError({line!r})"))
    ada.finished({"steps": [{"id": "a", "tool": "files", "with": {"op": "read", "path": f"../{FORGED}"}}]})
    for found in talkative.process.logged():
        holds(found)
        assert "forged" not in found["message"], found


@pytest.mark.parametrize("format", ["auto", "json"])
def test_at_a_terminal_lines_are_for_people_unless_json_is_asked_for(format):
    own = Stack()
    terminal = Terminal(
        "dev", "--data", str(own.data), "--port", "0", "--db-port", "0", SIMPLON_LOG_FORMAT=format, LOG_LEVEL="debug"
    )
    try:
        text = terminal.text(until="Stop: Ctrl-C")
    finally:
        terminal.close()
        own.remove()
    lines = [line for line in text.splitlines() if "PostgreSQL started" in line]
    assert len(lines) == 1, text
    if format == "json":
        holds(json.loads(lines[0]))
    else:
        assert re.match(r"\d\d:\d\d:\d\d debug   PostgreSQL started", lines[0]), lines


def test_off_a_terminal_lines_are_for_people_when_that_is_asked_for():
    own = Stack(environment={"SIMPLON_LOG_FORMAT": "text"})
    try:
        own.start()
        id = own.caller().http.get(f"/agent/a%0A{FORGED}").headers["x-request-id"]
        log = own.process.log
        wait_for("the request's line", lambda: id in log.read_text())
        assert "\x1b" not in log.read_text() and "forged" in log.read_text()
        assert not any(line.startswith("{") for line in log.read_text().splitlines())
    finally:
        own.remove()
