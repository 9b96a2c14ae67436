"""A terminal of the test's own, to see what a person sees."""

import os
import pty
import re
import select
import subprocess
import time

from stack import PATIENCE, PROGRAM, clean_environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """One program of ours whose three streams are a terminal."""

    def __init__(self, *arguments: str, **environment: str):
        self.end, theirs = pty.openpty()
        self.seen = b""
        try:
            self.popen = subprocess.Popen(
                [PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                env=clean_environment(TERM="xterm-256color") | environment,
            )  # fmt: skip
        finally:
            os.close(theirs)

    def text(self, until: str | None = None) -> str:
        """What it has written, once that stands there; without, once it has closed the terminal."""
        deadline = time.monotonic() + PATIENCE
        while until is None or until.encode() not in self.seen:
            assert time.monotonic() < deadline, f"no {until!r} in: {self.seen!r}"
            if not select.select([self.end], [], [], 1)[0]:
                continue
            try:
                data = os.read(self.end, 65536)
            except OSError:  # how Linux says that nobody has the other side any more
                data = b""
            if not data:
                assert until is None, f"no {until!r} in: {self.seen!r}"
                break
            self.seen += data
        return self.seen.decode()

    def close(self) -> int:
        """Ends it, if need be with SIGTERM, and gives its exit code."""
        if self.popen.poll() is None:
            self.popen.terminate()
        self.text()
        os.close(self.end)
        return self.popen.wait(30)


def at_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Runs one command to its end at a terminal; gives its exit code and all that stood there."""
    terminal = Terminal(*arguments, **environment)
    text = terminal.text()
    code = terminal.popen.wait(30)
    os.close(terminal.end)
    return code, text
