"""A real browser for the tests of the page: Debian's Chromium, without a window; and a wire that can be cut."""

import contextlib
import os
import shutil
import socket
import threading
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE = 60_000  # milliseconds for something that takes one second on a quiet machine
# What a policy stops is told to the page that tried it.
LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@contextlib.contextmanager
def chromium():
    """A browser. It must end before other tests use asyncio, whose loop Playwright holds meanwhile."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # Chromium has no sandbox of its own for root, and the page comes from our own server.
            args=["--no-sandbox"] if os.getuid() == 0 else [],
        )
        yield browser
        browser.close()


class Window:
    """The page in a window of its own, and all that went wrong in it."""

    def __init__(self, browser: Browser, url: str, **options):
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(LISTEN)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, message) -> None:
        # That an answer was no 200 is what some tests are about.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"{message.type}: {message.text}")

    def open(self, place: str = "") -> "Window":
        self.page.goto(f"{self.url}/{place}")
        return self

    def sign_in(self, bearer: str) -> "Window":
        self.page.get_by_label("Token or key").fill(bearer)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self

    def numbers(self) -> list[int]:
        """The numbers of the log's lines that stand in the page."""
        return self.page.locator(".lines li").evaluate_all("rows => rows.map((row) => Number(row.dataset.seq))")

    def close(self) -> None:
        """Ends it; fails where the page broke a rule of its own policy, or asked anybody but its server."""
        self.faults += self.page.evaluate("window.violations")
        strange = [url for url in self.asked if not url.startswith((f"{self.url}/", f"blob:{self.url}/"))]
        self.context.close()
        assert self.faults == [] and strange == []


def bearer(caller) -> str:
    """The token of somebody who may ask."""
    return caller.http.headers["Authorization"].removeprefix("Bearer ")


def badge(window: Window):
    """The run's status in the head of its page."""
    return window.page.locator(".head .badge")


class Wire:
    """A proxy before a server, whose connections can be cut all at once."""

    def __init__(self, url: str):
        where = urlsplit(url)
        self.target = (where.hostname, where.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open: list[socket.socket] = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(self.target, 10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self.lock:
                    self.open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Ends every connection there is, in the middle of whatever it carries."""
        with self.lock:
            ends, self.open = self.open, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
