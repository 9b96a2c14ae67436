"""Measures Simplon beside its peers, on one machine in one go, and prints ratios.

A single figure says more about the machine than about the program; so each benchmark runs both sides, one after the
other, and its bar is a ratio. Names and bars are those of docs/performance.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import sys
import traceback

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Peers"))

import postgres  # noqa: E402
import questions  # noqa: E402
import requests_per_second  # noqa: E402
import small  # noqa: E402
import steps  # noqa: E402
import streams  # noqa: E402
from result import Result  # noqa: E402

BENCHMARKS = {
    "postgres": postgres.callers,
    "steps": steps.durable,
    "lone-run": steps.lone,
    "create": requests_per_second.create,
    "status": requests_per_second.status,
    "log-lines": postgres.log_lines,
    "streams-many-runs": streams.many_runs,
    "streams-one-run": streams.one_run,
    "questions": questions.overhead,
    "questions-waiting": questions.waiting,
    "memory": small.memory,
    "start": small.start,
}
RESULTS = REPOSITORY / ".build/bench"
PAGE = REPOSITORY / "docs/performance.md"
BEGIN, END = "<!-- scripts/bench begins -->", "<!-- scripts/bench ends -->"


def machine() -> str:
    model = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB"


def table(results: list[dict]) -> str:
    """The results as the page shows them."""
    lines = ["| what | Simplon | beside it | ratio | bar | |", "| --- | --- | --- | --- | --- | --- |"]
    for one in results:
        lines.append(
            f"| {one['what']} | {one['ours_text']} | {one['peer_text']} | {one['ratio_text']} | {one['bar_text']} | "
            f"{one['met_text']} |"
        )
    days = sorted({one["date"] for one in results})
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    where = "; ".join(sorted({one["machine"] for one in results}))
    return "\n".join([*lines, "", f"Measured {when} on {where}, both sides and PostgreSQL on the same cores."])


def write(results: list[dict]) -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", help=f"what to measure; everything by default: {', '.join(BENCHMARKS)}")
    parser.add_argument("--write", action="store_true", help="put the newest result of each into docs/performance.md")
    parser.add_argument("--seconds", type=float, default=8, help="how long each load lasts (default 8)")
    arguments = parser.parse_args()
    if unknown := set(arguments.name) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(unknown)}")

    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in arguments.name or BENCHMARKS:
        print(f"==> {name}", flush=True)
        try:
            found: list[Result] = BENCHMARKS[name](arguments.seconds)
        except Exception:
            traceback.print_exc()
            failed = True
            continue
        day, where = datetime.date.today().isoformat(), machine()
        kept = [{"name": name, **one.json, "date": day, "machine": where} for one in found]
        (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
        for one in found:
            said = [one.ours_text, one.peer_text and f"beside it {one.peer_text}", one.ratio_text]
            said.append(f"bar {one.bar_text}: {one.met_text}" if one.bar_text else "no bar")
            print(f"    {one.what}: {'; '.join(filter(None, said))}", flush=True)

    results = []
    for name in BENCHMARKS:
        if (file := RESULTS / f"{name}.json").exists():
            results += json.loads(file.read_text())
    if results:
        print("\n" + table(results))
    if arguments.write and results:
        write(results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
