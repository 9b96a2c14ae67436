"""What the fault tests do to whoever is caught at a point: `strike` is the one way in."""

import contextlib
import os
import pathlib
import signal
import time
import typing

import httpx
import psycopg
from duplicates import deliver_again
from fault_house import LEASE, House
from server import descendants
from stack import PROGRAM, free_port, is_alive, wait_for

if typing.TYPE_CHECKING:
    from case import Case
    from stack import Process

# When it happens to a transaction: it is undone; it is committed and who made it never hears of it; it is committed.
MOMENTS = ("undone", "unseen", "done")
GUARD = 3.0  # seconds within which a sandbox ends whose worker is gone or has lost its lease, on a busy machine


def at_rest(lease: float = LEASE) -> None:
    """Long enough for a lease to have ended and for somebody else to have taken the run."""
    time.sleep(1.5 * lease)


def strike(case: "Case", trap) -> None:
    """Puts the case's fault to whoever waits at the trap, and lets go of it."""
    STRIKES[case.fault](case.house, case, trap)


def let_go(trap, moment: str) -> None:
    """Undoes the transaction, or lets it be committed."""
    if moment == "undone":
        trap.undo()
    else:
        trap.release()


def kill(house: House, case: "Case", trap) -> None:
    if case.moment == "done":
        trap.finish()
    sandboxes = sandboxes_of(trap.process)
    trap.process.kill()
    let_go(trap, case.moment)
    wait_for("the sandboxes of a killed worker to end", lambda: not any(map(is_alive, sandboxes)), GUARD)


def pause(house: House, case: "Case", trap) -> None:
    """What it writes after an unseen commit is on its way all the time, and arrives just when another has its run."""
    if case.moment != "undone":
        trap.finish()
    if case.moment == "unseen":
        house.relay.hold(house.ports(trap.process, house.relay.port))
        time.sleep(LEASE / 2)
    trap.process.send(signal.SIGSTOP)
    held = dict(case.ask_database("select run_id, epoch from simplon.run_state where worker is not null"))
    if case.moment == "undone":
        trap.undo()

    def is_taken_up() -> bool:
        now = case.ask_database("select run_id, epoch from simplon.run_state where worker is not null")
        return any(epoch > held.get(run, epoch) for run, epoch in now)

    with contextlib.suppress(TimeoutError):  # it may have had none
        wait_for("another worker to have its run", is_taken_up, 2 * LEASE, pause=0.005)
    house.relay.release()
    wait_for("the sandboxes of a paused worker to end", lambda: not sandboxes_of(trap.process), GUARD)
    trap.process.send(signal.SIGCONT)


def sandboxes_of(worker: "Process") -> list[int]:
    """The processes of its sandboxes; a guard, which may wait for its worker, is none."""

    def is_sandbox(pid: int) -> bool:
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return is_alive(pid) and PROGRAM.encode() not in words and b"__guard" not in words

    return list(filter(is_sandbox, descendants(worker.popen.pid)))


def kill_postgres(house: House, case: "Case", trap) -> None:
    if case.moment == "done":
        trap.finish()
    house.server.kill()
    trap.release()
    house.server.start()


def cut(house: House, case: "Case", trap) -> None:
    trap.cut()
    let_go(trap, case.moment)


def step_clock(house: House, case: "Case", trap) -> None:
    """One worker's clock, or those of all where no worker is at the point; back again when all is mended."""
    jump = case.chance.choice(("+300", "-300"))
    for worker in [trap.process] if trap.process in house.workers else house.workers:
        worker.clock.write_text(jump + "\n")
    trap.release()
    at_rest()


def fill_disk(house: House, case: "Case", trap) -> None:
    place = case.chance.choice(("postgres", "data/files"))
    fill(house, place)
    if place == "postgres":
        # Until the database has noticed: it can extend no table, or it could not go on with its log and fell.
        with contextlib.suppress(psycopg.Error), house.connect() as owner:
            for _ in range(1000):
                owner.execute("insert into probe.filler select repeat(md5(n::text), 30) from generate_series(1, 999) n")
    trap.release()
    at_rest()


def fill(house: House, place: str) -> None:
    with (house.home / place / "filler").open("wb") as filler:
        size, end = 1 << 20, 0
        while size >= 4096:
            try:
                os.posix_fallocate(filler.fileno(), end, size)
                end += size
            except OSError:  # no more of that size
                size //= 4


def deliver_twice(house: House, case: "Case", trap) -> None:
    deliver_again(case, trap)


def start_second(house: House, case: "Case", trap) -> None:
    """A whole server more; the runs may go on with it."""
    guest = house.start("api,worker", free_port())
    house.guests.append(guest)
    wait_for("it", lambda: httpx.get(f"http://127.0.0.1:{guest.port}/ready").status_code == 200)
    trap.release()


STRIKES = {
    "kill": kill,
    "pause": pause,
    "postgres": kill_postgres,
    "cut": cut,
    "clock": step_clock,
    "disk": fill_disk,
    "duplicate": deliver_twice,
    "second": start_second,
}
