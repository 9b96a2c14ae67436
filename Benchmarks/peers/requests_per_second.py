"""Create and status: requests a second by wrk, ours beside FastAPI; the same token, the same SQL, the same policies."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
from house import NOTHING, House, house
from result import Result
from server import SECRET
from stack import free_port, wait_for

CONNECTIONS = 32


def wrk(url: str, path: str, bearer: str, body: dict | None, seconds: float, home: pathlib.Path) -> float:
    """Answers a second; one that is not 2xx fails the benchmark."""
    script = home / "wrk.lua"
    lines = [f'wrk.headers["Authorization"] = "Bearer {bearer}"']
    if body is not None:
        lines += [
            'wrk.method = "POST"',
            'wrk.headers["Content-Type"] = "application/json"',
            f"wrk.body = [==[{json.dumps(body)}]==]",
        ]
    script.write_text("\n".join(lines))
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{int(seconds)}s", "-s", str(script), url + path]
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


def create(seconds: float) -> Result:
    """Runs made, each with a plan of three steps."""
    body = {"action": "create", "plan": NOTHING}
    with house() as built:
        api = built.serve("api")
        wrk(built.url, "/agent/execute", built.bearer, body, 2, built.home)
        ours = wrk(built.url, "/agent/execute", built.bearer, body, seconds, built.home)
        api.stop()
        with fastapi(built) as url:
            wrk(url, "/agent/execute", built.bearer, body, 2, built.home)
            peer = wrk(url, "/agent/execute", built.bearer, body, seconds, built.home)
    return Result("create", "requests/s", ours, 2.5, peer, "FastAPI + asyncpg + uvicorn")


def status(seconds: float) -> Result:
    """One run asked for again and again."""
    with house() as built:
        api = built.serve("api")
        path = f"/agent/status?run_id={built.caller().create(NOTHING)}"
        wrk(built.url, path, built.bearer, None, 2, built.home)
        ours = wrk(built.url, path, built.bearer, None, seconds, built.home)
        api.stop()
        with fastapi(built) as url:
            wrk(url, path, built.bearer, None, 2, built.home)
            peer = wrk(url, path, built.bearer, None, seconds, built.home)
    return Result("status", "requests/s", ours, 5, peer, "FastAPI + asyncpg + uvicorn")
