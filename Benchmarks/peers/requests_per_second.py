"""Create and status: requests a second by wrk, ours beside FastAPI; the same tokens, SQL and policies.

Simplon remembers a verified token for a minute, FastAPI verifies each time, as apps with it do. So each is measured twice:
with as many tokens taking turns as a busy server sees in a minute, and with more than our memory holds, so that both
sides verify the token of every request.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
from agent import token
from house import NOTHING, House, house
from result import Result, quantile
from server import SECRET
from stack import free_port, wait_for

CONNECTIONS = 32
TURNS = 3
# Tokens that take turns. Our memory holds 10,000 at most and forgets those not asked for the longest.
REMEMBERED, FORGOTTEN = 2_000, 12_000
PEER = "FastAPI + asyncpg + uvicorn"
# Requests are made before the load begins: making them is not what is measured.
SCRIPT = """
local requests, place = {}, 0
function init(arguments)
  local body = io.open(arguments[2]):read("*a")
  if body ~= "" then
    wrk.method, wrk.body = "POST", body
    wrk.headers["Content-Type"] = "application/json"
  end
  for bearer in io.lines(arguments[1]) do
    wrk.headers["Authorization"] = "Bearer " .. bearer
    requests[#requests + 1] = wrk.format()
  end
end
function request()
  place = place % #requests + 1
  return requests[place]
end
"""


def wrk(url: str, path: str, home: pathlib.Path, body: dict | None, seconds: float) -> float:
    """Answers a second, with the tokens that lie in the house; an answer that is not 2xx fails the benchmark."""
    (home / "wrk.lua").write_text(SCRIPT)
    (home / "body.json").write_text(json.dumps(body) if body else "")
    load = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{int(seconds)}s", "-s", str(home / "wrk.lua"), url + path]
    command = ["wrk", *load, "--", str(home / "tokens"), str(home / "body.json")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


@contextlib.contextmanager
def fastapi(built: House) -> Iterator[str]:
    """The peer, one worker, with uvloop and httptools."""
    port = free_port()
    environment = os.environ | {
        "DATABASE": built.server.url("simplon_api"),
        "SECRET": SECRET,
        "ISSUER": f"{built.url}/auth/v1",
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "fastapi_peer:app",
        "--port",
        str(port),
        "--workers",
        "1",
        "--log-level",
        "warning",
        "--no-access-log",
    ]
    process = subprocess.Popen(command, cwd=pathlib.Path(__file__).parent, env=environment)
    try:
        wait_for("FastAPI", lambda: httpx.get(f"http://127.0.0.1:{port}/docs").status_code == 200)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _both(what: str, bar: float, seconds: float, asked: Callable[[House], tuple[str, dict | None]]) -> list[Result]:
    """Both sides, each in a new house, with few tokens and with many; in turns, as a machine is quicker at times."""

    def load(url: str, built: House, tokens: int) -> float:
        path, body = asked(built)
        issuer = f"{built.url}/auth/v1"
        (built.home / "tokens").write_text(
            "".join(token(SECRET, issuer, built.person, jti=str(number)) + "\n" for number in range(tokens))
        )
        wrk(url, path, built.home, body, 2)
        return wrk(url, path, built.home, body, seconds)

    found = []
    for tokens, how in ((REMEMBERED, "2,000 tokens in turn"), (FORGOTTEN, "every token verified")):
        ours, peer = [], []
        for _ in range(TURNS):
            with house() as built:
                built.serve("api")
                ours.append(load(built.url, built, tokens))
            with house() as built, fastapi(built) as url:
                peer.append(load(url, built, tokens))
        details = {"ours": ours, "peer": peer}
        median = quantile(ours, 0.5), quantile(peer, 0.5)
        found.append(Result(f"{what}, {how}", "requests/s", median[0], bar, median[1], PEER, details=details))
    return found


def create(seconds: float) -> list[Result]:
    """Runs made, each with a plan of three steps."""
    return _both("create", 2.5, seconds, lambda built: ("/agent/execute", {"action": "create", "plan": NOTHING}))


def status(seconds: float) -> list[Result]:
    """One run asked for again and again."""
    return _both("status", 5, seconds, lambda built: (f"/agent/status?run_id={built.runs(NOTHING)[0]}", None))
