"""Line coverage of Sources, per module, from the profiles that `swift test --enable-code-coverage` left behind.

The tools come from beside `swift`: an older llvm-cov that stands first on the PATH cannot read these profiles. Every
profile is merged, also those of programs that a test started, and the test bundle and the program are both read.

    python3 scripts/lib/coverage.py --least 85      fails below 85 %
    python3 scripts/lib/coverage.py --files         lists every file, the least covered first
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
from collections import defaultdict


def tool(name: str) -> str:
    """The toolchain's own program of that name."""
    info = json.loads(subprocess.check_output(["swift", "-print-target-info"]))
    beside = pathlib.Path(info["paths"]["runtimeResourcePath"]).parents[1] / "bin" / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"coverage: {name} is not beside swift and not on the PATH")
    return found


def summaries(build: pathlib.Path, sources: pathlib.Path) -> list[dict]:
    """What llvm-cov says about each file under Sources."""
    profiles = [str(path) for path in (build / "codecov").glob("*.profraw")]
    if not profiles:
        sys.exit(f"coverage: no profile in {build / 'codecov'}; run `swift test --enable-code-coverage` first")
    merged = build / "codecov" / "simplon.profdata"
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", merged, *profiles], check=True)
    command = [
        tool("llvm-cov"),
        "export",
        "-summary-only",
        "-instr-profile",
        merged,
        build / "simplonPackageTests.xctest",
    ]
    if (build / "simplon").exists():
        command += ["-object", build / "simplon"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return [file for file in report["data"][0]["files"] if pathlib.Path(file["filename"]).is_relative_to(sources)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=0, help="fail below this percentage")
    parser.add_argument("--build", default=".build/tests/debug", type=pathlib.Path, help="where the tests were built")
    parser.add_argument("--files", action="store_true", help="list every file too")
    arguments = parser.parse_args()

    sources = pathlib.Path("Sources").resolve()
    build = arguments.build
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    files = []
    for file in summaries(build, sources):
        path = pathlib.Path(file["filename"]).relative_to(sources)
        count = file["summary"]["lines"]
        lines[path.parts[0]][0] += count["covered"]
        lines[path.parts[0]][1] += count["count"]
        files.append((100 * count["covered"] / max(count["count"], 1), count["count"], path))

    if arguments.files:
        for percent, count, path in sorted(files):
            print(f"{percent:6.1f} % of {count:5} lines  {path}")
    for module, (covered, count) in sorted(lines.items()):
        print(f"{100 * covered / max(count, 1):6.1f} % of {count:5} lines  {module}")
    covered = sum(covered for covered, _ in lines.values())
    count = sum(count for _, count in lines.values())
    percent = 100 * covered / max(count, 1)
    print(f"{percent:6.1f} % of {count:5} lines  Sources")
    if percent < arguments.least:
        sys.exit(f"coverage: {percent:.1f} % is below the {arguments.least:g} % that CONTRIBUTING.md asks for")


if __name__ == "__main__":
    main()
