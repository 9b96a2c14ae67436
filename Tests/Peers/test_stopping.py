"""SIGTERM ends a server in time, whatever its readers do; what was running goes on at the next start."""

import socket
from urllib.parse import urlsplit

import pytest
from agent import shell
from stack import Stack, wait_for

LIMIT = 20.0  # seconds; the drain itself takes two in `simplon dev`


@pytest.fixture
def own():
    stack = Stack()
    try:
        yield stack.start()
    finally:
        stack.remove()


def paused_reader(own: Stack, path: str, bearer: str) -> socket.socket:
    """Asks for something large, reads its head and no more."""
    where = urlsplit(own.url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect((where.hostname, where.port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n".encode())
    reader.settimeout(30)
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


def test_a_reader_of_a_stream_that_takes_nothing_holds_nobody_up(own):
    ada = own.caller()
    print_much = f"yes {'0123456789' * 6} | head -n 16000"
    run = ada.create(shell(f"{print_much}; {print_much} >&2; sleep 60"))
    ada.wait(run, "running")
    path = f"/agent/logs?mode=stream&run_id={run}"
    with paused_reader(own, path, ada.http.headers["Authorization"]):
        # More than the buffers between the two take.
        wait_for("32,000 events", lambda: ada.logs(run, after=32_000, limit=1)["logs"])
        assert own.process.stop(LIMIT) == 0


def test_a_reader_of_a_file_that_takes_nothing_holds_nobody_up(own):
    ada = own.caller()
    made = ada.finished({**shell("head -c 64000000 /dev/zero > large.bin"), "artifacts": ["*.bin"]})
    path = f"/agent/artifacts/{made['artifacts']['items'][0]['id']}"
    with paused_reader(own, path, ada.http.headers["Authorization"]):
        assert own.process.stop(LIMIT) == 0


def test_a_run_that_was_running_goes_on_at_the_next_start(own):
    ada = own.caller()
    run = ada.create(shell("echo begun; sleep 3; echo done"))
    ada.wait(run, "running")
    assert own.process.stop(LIMIT) == 0
    own.start()
    assert own.caller(ada.person).wait(run)["status"] == "completed"
