"""An HTTP server outside, for the tool `http` to call: it tells what it was asked, redirects, and keeps quiet."""

import http.server
import json
import threading
import urllib.parse


class Outside:
    """A server on 127.0.0.1; `asked` holds every request so far."""

    def __init__(self):
        self.asked: list[dict] = []
        self.go_on = threading.Event()
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
                self.say(200, json.dumps(request).encode(), **{"Content-Type": "application/json"})

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
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
