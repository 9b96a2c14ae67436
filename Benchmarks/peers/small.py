"""What it costs to have it running: memory at rest, and the time to start."""

import time

from result import Result, quantile
from stack import Stack


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")) / 1024


def memory(seconds: float) -> list[Result]:
    """Our process of `simplon dev` after a rest; PostgreSQL's own is apart."""
    stack = Stack()
    try:
        stack.start()
        time.sleep(max(seconds, 5))
        return [Result("idle memory of our process", "MiB", resident(stack.process.popen.pid), 40)]
    finally:
        stack.remove()


def start(seconds: float) -> list[Result]:
    """From start to ready: in an empty folder, where the cluster is made; and again with the cluster there."""
    cold, warm = [], []
    for _ in range(3):
        stack = Stack()
        try:
            for spent in (cold, warm):
                begun = time.monotonic()
                stack.start()
                spent.append(time.monotonic() - begun)
                stack.stop()
        finally:
            stack.remove()
    return [
        Result("start to ready, the cluster there", "s", quantile(warm, 0.5), 1, details={"all_s": warm}),
        Result("start to ready in an empty folder", "s", quantile(cold, 0.5), 1, details={"all_s": cold}),
    ]
