"""A scripted model server in both dialects: gives the replies, and the faults, that a test has written down.

    python3 Tests/Peers/model_server.py [--port 0]

listens on 127.0.0.1, prints one line `{"port": N}` when it is ready, and ends when its standard input is closed. Only
the standard library. What a script may hold is in `model_scripts.py`.

    PUT    /scripts/NAME            takes a script and forgets what was asked of an older one
    GET    /scripts/NAME/requests   what was asked, in order; `?only=index,usage` leaves the rest out:
                                    path, headers, body, raw; index of the reply, attempt at it, status;
                                    usage, null unless the reply was sent to its end;
                                    ended: whole, refused, reset, closed, error_event, garbage, "hung up",
                                    or null while it goes on; came, gone: in seconds of the server's clock
    DELETE /scripts/NAME            forgets it

A request belongs to the script whose `[script:NAME]` stands first in its first user message, else to the one that its
API key names.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import subprocess
import sys
import time
import threading
import traceback
import urllib.request
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import model_anthropic
import model_openai
from model_connection import Connection, HungUp, Request, listen
from model_embeddings import embeddings
from model_exchange import Exchange, refusal
from model_scripts import Answer, Refused, Script, opening, parse

DIALECTS = {
    "/v1/messages": model_anthropic,
    "/v1/messages/count_tokens": model_anthropic,
    "/v1/chat/completions": model_openai,
    "/v1/embeddings": model_openai,
}
# What a check meets when a request is built in a way that it did not think of.
MISSHAPEN = (KeyError, IndexError, TypeError, ValueError, AttributeError)
RECORDED = ("path", "headers", "body", "raw", "index", "attempt", "status", "usage", "ended", "came", "gone")


class Server:
    """The scripts, and the way of a request from its bytes to those of its answer."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.numbers = itertools.count(1)

    async def serve(self, connection: Connection) -> None:
        """Answers a connection's requests until either side ends it."""
        try:
            while request := await connection.request():
                if request.path.startswith("/scripts/"):
                    status, body = self.control(request)
                    await connection.whole(status, [("content-type", "application/json")], json.dumps(body).encode())
                else:
                    await self.ask(connection, request)
        except (HungUp, OSError):
            pass
        except Exception:  # a mistake of the server's own is shown, and ends this connection alone
            traceback.print_exc()
        finally:
            connection.close()

    def control(self, request: Request) -> tuple[int, Any]:
        """What tests say to the server: its status and body."""
        _, _, name, *rest = request.path.split("/")
        if request.method == "PUT" and not rest:
            try:
                self.scripts[name] = parse(name, json.loads(request.body))
            except MISSHAPEN as error:
                return 400, {"error": str(error)}
            return 200, {}
        if name not in self.scripts:
            return 404, {"error": f"no script {name}"}
        if request.method == "GET" and rest == ["requests"]:
            wanted = request.query.removeprefix("only=").split(",") if request.query else RECORDED
            return 200, [{key: recorded(one, key) for key in wanted} for one in self.scripts[name].requests]
        if request.method == "DELETE" and not rest:
            del self.scripts[name]
            return 200, {}
        return 404, {"error": f"{request.method} {request.path} does not exist"}

    async def ask(self, connection: Connection, request: Request) -> None:
        """What a model's client says: finds the script, checks, records, answers."""
        came = time.monotonic()
        dialect = DIALECTS.get(request.path, model_openai)
        number = f"req_scripted{next(self.numbers):08}"
        exchange = Exchange(connection, dialect, number)
        try:
            body = parsed(request.body)
            script = self.script_of(request, body, dialect)
            exchange.record = {
                **dict.fromkeys(RECORDED), "path": request.path, "headers": request.headers,
                "raw": request.body.decode(errors="replace"), "came": came,
            }  # fmt: skip
            script.requests.append(exchange.record)
            if request.method != "POST" or request.path not in DIALECTS:
                raise refusal(dialect, 404, f"{request.method} {request.path} does not exist")
            if request.too_large:
                raise refusal(dialect, 413, "Request exceeds the maximum size")
            if not isinstance(body, dict):
                raise Refused("The request body is not valid JSON: an object is wanted")
            answer = self.checked(request, body, script)
        except Refused as refused:
            await exchange.refuse(refused)
        else:
            if isinstance(answer, Answer):
                attempt = script.attempt(answer.index, opening(body))
                exchange.record |= {"index": answer.index, "attempt": attempt}
                await exchange.give(answer, attempt)
                exchange.record["gone"] = time.monotonic()
            else:
                await exchange.plain(answer)

    def script_of(self, request: Request, body: Any, dialect: ModuleType) -> Script:
        tag = re.search(r"\[script:([^\]]+)\]", opening(body) if isinstance(body, dict) else "")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        name = tag[1] if tag else request.headers.get("x-api-key") or bearer
        if name not in self.scripts:
            missing = "no API key, and no [script:NAME] in the first message"
            raise refusal(dialect, 401, f"no script is called {name!r}" if name else missing)
        return self.scripts[name]

    def checked(self, request: Request, body: dict, script: Script) -> Answer | dict:
        """The scripted answer, or the body of one that needs no script; raises what the vendor refuses."""
        try:
            match request.path:
                case "/v1/embeddings":
                    return embeddings(body)
                case "/v1/messages/count_tokens":
                    model_anthropic.check(body, request.headers, script, counting=True)
                    return model_anthropic.count(body)
                case _:
                    DIALECTS[request.path].check(body, request.headers, script)
        except MISSHAPEN as error:
            raise Refused(f"The request does not have the right form: {error!r}") from error
        index = sum(one["role"] == "assistant" for one in body["messages"])
        return Answer(script, index, body, script.reply_at(index).usage_for(body))


def recorded(record: dict[str, Any], key: str) -> Any:
    """What was written down under that key; the body is parsed when somebody asks for it."""
    return parsed(record["raw"]) if key == "body" else record.get(key)


def parsed(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


async def main(port: int) -> None:
    """Serves until standard input is closed."""
    loop, done, server = asyncio.get_running_loop(), asyncio.Event(), Server()
    listener = listen(port)

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(done.set)

    async def accept() -> None:
        running: set[asyncio.Task] = set()
        while True:
            task = asyncio.create_task(server.serve(Connection(loop, (await loop.sock_accept(listener))[0])))
            running.add(task)
            task.add_done_callback(running.discard)

    accepting = asyncio.create_task(accept())
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await done.wait()
    accepting.cancel()


class ModelServer:
    """A running model server, for tests in Python."""

    def __init__(self, url: str):
        self.url = url

    def put(self, name: str, *replies: dict) -> None:
        """Gives a script; one of the same name, and what was asked of it, is forgotten."""
        self._control("PUT", name, {"replies": replies})

    def requests(self, name: str, *only: str) -> list[dict]:
        """What was asked, in order; with all that was written down, or only that."""
        return self._control("GET", f"{name}/requests" + (f"?only={','.join(only)}" if only else ""))

    def delete(self, name: str) -> None:
        self._control("DELETE", name)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/scripts/{path}", data, method=method)
        # Whatever proxy the environment names, this one is here.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def model_server() -> Iterator[ModelServer]:
    """A model server of one's own, as a process that has ended when the block has."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield ModelServer(f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}")
    finally:
        process.stdin.close()
        try:
            ended = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise AssertionError("the model server did not end when its standard input was closed") from None
        finally:
            process.stdout.close()
    assert ended == 0, f"the model server ended with {ended}"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.parse_args().port))
