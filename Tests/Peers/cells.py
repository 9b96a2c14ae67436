"""The fault matrix: which fault is put to which point of a run's life, and what each of the two means.

    scripts/test --fault POINT:FAULT        one cell; SIMPLON_SEED=n repeats one case of it
"""

import os

POINTS = {
    "enqueue": "a run is created, by the API",
    "claim": "a worker takes a run out of the queue",
    "intent": "a worker writes down a call that a person has to approve",
    "dispatch": "a worker writes down a call right before it makes it",
    "effect": "the call has its effect: a request with a key, one without, a row in another's table",
    "result": "a worker writes down what a call gave",
    "next-enqueue": "a run goes back into the queue, by recovery or from a worker that is asked to end",
    "flush": "a worker writes lines of a tool's output",
    "renew": "a worker renews its leases",
    "cancel": "a run is stopped, by the API",
    "approve": "a person approves a call, by the API",
}
FAULTS = {
    "kill": "kill -9 of the process whose transaction it is",
    "pause": "SIGSTOP of that process past the lease, then SIGCONT",
    "postgres": "kill -9 of PostgreSQL",
    "cut": "its connection is cut in the midst of COMMIT",
    "clock": "the worker's clock jumps by five minutes, forward or back, and later back again",
    "disk": "the disk of the database or of the file store is full for a while",
    "duplicate": "what is under way is delivered a second time",
    "second": "another server starts on the same database, and ends later",
}
# What makes no sense, and why. All the rest is the matrix.
NONE = {
    ("enqueue", "clock"): "no worker has a part in it yet; a worker's clock that jumps right after it is claim:clock",
}
CELLS = [(point, fault) for point in POINTS for fault in FAULTS if (point, fault) not in NONE]
# Who is in the house that it takes.
KINDS = {"clock": "clock", "disk": "small"}

SEED = os.environ.get("SIMPLON_SEED")
IS_LONG = bool(os.environ.get("SIMPLON_LONG_TESTS"))
# Each of three seeds in turn means another moment and another effect; the long way makes more than a thousand cases.
SEEDS = [int(SEED)] if SEED else list(range(1, 1 + (-(-1000 // len(CELLS)) if IS_LONG else 3)))
