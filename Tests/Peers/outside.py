"""An HTTP server outside, for the tool `http` to call: it tells what it was asked, redirects, waits, repeats itself."""

import http.server
import json
import threading
import urllib.parse


class Outside:
    """A server on 127.0.0.1; `asked` holds every request so far."""

    def __init__(self):
        self.asked: list[dict] = []
        self.go_on = threading.Event()
        self.gates: dict[str, threading.Event] = {}  # a request for such a path is answered when its gate is open
        self.twice: set[str] = set()  # such a path's answer is sent twice
        outside = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urllib.parse.urlsplit(self.path)
                request = {
                    "method": self.command,
                    "path": url.path,
                    "query": url.query,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "body": body.decode(),
                    "port": self.client_address[1],
                    "connection": self.connection,
                }
                outside.asked.append(request)
                first = len([one for one in outside.asked if one["path"] == url.path]) == 1
                if url.path == "/redirect":
                    return self.say(302, b"", Location=urllib.parse.parse_qs(url.query)["to"][0])
                if url.path.startswith("/status/"):
                    return self.say(int(url.path.rpartition("/")[2]), b"as asked")
                if url.path == "/large":
                    return self.say(200, b"x" * 3_000_000)
                if url.path == "/bytes":
                    return self.say(200, bytes(range(256)))
                if url.path.startswith("/hold") and first:
                    outside.go_on.wait(120)
                if gate := outside.gates.get(url.path):
                    gate.wait(120)
                told = {name: value for name, value in request.items() if name not in ("port", "connection")}
                for _ in range(2 if url.path in outside.twice else 1):
                    self.say(200, json.dumps(told).encode(), **{"Content-Type": "application/json"})

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

            def say(self, status: int, body: bytes, **headers: str) -> None:
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # whoever asked is gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def calls(self, path: str) -> list[dict]:
        return [one for one in self.asked if one["path"] == path]

    def close(self) -> None:
        for gate in (self.go_on, *self.gates.values()):
            gate.set()
        self.server.shutdown()
        self.server.server_close()
