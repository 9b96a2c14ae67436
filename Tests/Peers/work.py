"""What the runs of the fault tests do, what counts their effects, and what counts their sandboxes."""

import contextlib
import pathlib
import random
import threading

from outside import Outside
from prompts import CALLED, WORK

NAME = "fault-matrix"  # of the script that a model follows
PROMPT = f"[script:{NAME}] Do the job."
SCRIPT = (WORK, CALLED, {"text": "Done."})
PROGRAMS = ("first", "left", "last")


def new_tag() -> str:
    """A name for one run's sandboxes; with a step's name behind it, it fits into the kernel's 15 bytes."""
    return f"p{random.getrandbits(32):08x}"


def plan(tag: str, outside: Outside, approval: bool = False) -> dict:
    """Programs, and one call of each kind that has an effect outside.

    Each program is a process with a name of its own from its first line on, and leaves a file.
    """

    def program(name: str, *needs: str) -> dict:
        code = (
            f"open('/proc/self/comm', 'w').write('{tag}-{name}')\n"
            f"import pathlib, time\nseen = sorted(str(p) for p in pathlib.Path('.').glob('*.txt'))\n"
            f"for n in range(20): print('{name}', n, flush=True)\n"
            f"pathlib.Path('{name}.txt').write_text(' '.join(seen))\n"
            f"time.sleep(0.15)\nprint('saw', *seen)\n"
        )
        return {"id": name, "tool": "python", "needs": list(needs), "with": {"code": code}, "timeout": "30s"}

    def request(name: str, *needs: str, **more) -> dict:
        given = {"method": "POST", "url": outside.url(f"/{tag}/{name}"), "json": {"run": "${{ run.id }}"}, **more}
        return {"id": name, "tool": "http", "needs": list(needs), "with": given}

    insert = {
        "connector": "ledger",
        "query": "insert into effects (run, step) values ($1::uuid, 'ledger')",
        "parameters": ["${{ run.id }}"],
        "write": True,
    }
    again = {"retry": {"max": 6, "backoff": "200ms"}}  # the target may be away: that is no outcome
    ledger = {"id": "ledger", "tool": "sql", "needs": ["first"], "with": insert, **again}
    keyed = request("keyed", "first", idempotency=True) | again
    steps = [program("first"), program("left", "first"), keyed, ledger, request("plain", "left", "keyed", "ledger")]
    if approval:
        steps = [{"id": "allowed", "tool": "noop", "approval": True}, *steps]
        steps[1]["needs"] = ["allowed"]
    return {"steps": [*steps, program("last", "plain")], "output": "${{ steps.last.output.stdout }}"}


RESULT = "saw first.txt left.txt"  # the last line of what the last program writes


class Sandboxes(threading.Thread):
    """Counts, thirty times a second, how many sandboxes work on each step at that moment."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most: dict[str, int] = {}  # by the process's name
        self.seen: dict[int, int] = {}  # how often a process was looked at that is no sandbox
        self.done = threading.Event()

    def now(self, tag: str) -> list[int]:
        """A run's sandboxes."""
        return [pid for name, pids in self._look().items() if name.startswith(tag) for pid in pids]

    def _look(self, forget: dict[int, int] | None = None) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for path in pathlib.Path("/proc").iterdir():
            if not path.name.isdecimal():
                continue
            pid = int(path.name)
            looked = self.seen.get(pid, 0)
            # A program gets its name in its first moments or never.
            if forget is not None and looked > 90:
                forget[pid] = looked
                continue
            with contextlib.suppress(OSError):
                name, _, rest = (path / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
                tag, _, step = name.partition("-")
                if len(tag) == 9 and tag[0] == "p" and step in PROGRAMS:
                    # One that has ended and was not yet collected keeps its name and does no harm.
                    if rest.split()[0] not in "ZX":
                        found.setdefault(name, []).append(pid)
                elif forget is not None:
                    forget[pid] = looked + 1
        return found

    def run(self) -> None:
        while not self.done.wait(0.033):
            seen: dict[int, int] = {}
            for name, pids in self._look(seen).items():
                self.most[name] = max(self.most.get(name, 0), len(pids))
            self.seen = seen

    def close(self) -> None:
        self.done.set()
        self.join()


class Request:
    """A request of a tool that the target has got and holds: its effect is there, and nobody has heard of it.

    It is to the strikes what a trap in the database is.
    """

    def __init__(self, house, path: str):
        self.house, self.path, self.process, self.call = house, path, None, {}
        house.outside.gates[path] = threading.Event()

    def caught(self, wait_for) -> None:
        self.call = wait_for("the request", lambda: (calls := self.house.outside.calls(self.path)) and calls[0])
        self.process = self.house.process_at(self.call["port"], self.house.outside.port)

    def release(self) -> None:
        gate = self.house.outside.gates.pop(self.path, None)
        if gate:
            gate.set()

    finish = undo = release  # what is done outside cannot be undone

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self.call["connection"].shutdown(2)
