"""The fault matrix's results as a table in `docs/reliability.md`, written when SIMPLON_WRITE_RESULTS is set."""

import collections
import datetime
import os
from concurrent.futures import Future

from cells import CELLS, FAULTS, NONE, POINTS
from stack import REPOSITORY

PAGE = REPOSITORY / "docs/reliability.md"
BEGIN = "<!-- The fault matrix: scripts/test writes what is between these lines. -->"
END = "<!-- End of the matrix. -->"


def write_results(futures: dict[tuple[tuple[str, str], int], Future], took: float) -> None:
    """Puts the table into the page, with the seconds that it took; only whole ones count."""
    done = {case: future for case, future in futures.items() if future.done()}
    if not os.environ.get("SIMPLON_WRITE_RESULTS"):
        return
    assert {cell for cell, _ in done} == set(CELLS), "only the whole matrix is written down"
    before, _, rest = PAGE.read_text().partition(BEGIN)
    assert rest, f"{PAGE} has no place for the matrix"
    PAGE.write_text(before + BEGIN + "\n\n" + table(done, took) + "\n" + END + rest.partition(END)[2])


def table(done: dict[tuple[tuple[str, str], int], Future], took: float) -> str:
    count, failed, ends = collections.Counter(), collections.Counter(), collections.Counter()
    for (cell, _), future in done.items():
        count[cell] += 1
        if future.exception():
            failed[cell] += 1
        else:
            ends[future.result()[0]] += 1

    def entry(cell: tuple[str, str]) -> str:
        if cell in NONE:
            return "none"
        return f"**{failed[cell]} of {count[cell]} failed**" if failed[cell] else str(count[cell])

    lines = [
        f"{datetime.date.today()}: {count.total()} faults, {2 * count.total()} runs, {failed.total()} failed, in "
        f"{took / 60:.1f} minutes. Of the plans' runs {ends['completed']} were completed, {ends['cancelled']} stopped, as "
        f"the test had asked, and {ends['unknown']} waited for a person with `run.unknown_effect`, a request without a key being under way.",
        "",
        "| point | " + " | ".join(f"`{fault}`" for fault in FAULTS) + " |",
        "| --- " * (len(FAULTS) + 1) + "|",
        *(f"| `{point}` | " + " | ".join(entry((point, fault)) for fault in FAULTS) + " |" for point in POINTS),
        "",
        *(f"- `{name}`: {what}" for name, what in (POINTS | FAULTS).items()),
        *(f"- none at `{':'.join(cell)}`: {why}" for cell, why in NONE.items()),
        "",
    ]
    return "\n".join(lines)
