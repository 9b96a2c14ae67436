"""PostgreSQL's own load generator: what the database can do when nothing stands between."""

import os
import pathlib
import re
import shutil
import subprocess

from server import Server


def program(server: Server) -> str:
    """pgbench, which a PostgreSQL out of a Python package comes without; any other one's will do."""
    beside = server.programs / "pgbench"
    others = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"), key=lambda path: int(path.parts[4]))
    found = beside if beside.exists() else others[-1] if others else shutil.which("pgbench")
    if found is None:
        raise RuntimeError("there is no pgbench on this machine; Debian's package postgresql brings one")
    return str(found)


def rate(server: Server, script: str, *arguments: str, clients: int, home: pathlib.Path, **limit: float) -> float:
    """Transactions a second of a script, in prepared mode.

    - limit: `seconds=8` or `transactions=100` (of each client).
    """
    file = home / "script.sql"
    file.write_text(script)
    how = ["-T", str(int(limit["seconds"]))] if "seconds" in limit else ["-t", str(int(limit["transactions"]))]
    command = [
        program(server),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(clients),
        "-j",
        str(min(clients, os.cpu_count() or 1)),
        "-f",
        file,
        *how,
        *arguments,
        "-h",
        "127.0.0.1",
        "-p",
        str(server.port),
        "-U",
        "postgres",
        "postgres",
    ]
    run = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=os.environ | {"PGPASSWORD": server.password}
    )
    found = re.search(r"tps = ([\d.]+)", run.stdout)
    if run.returncode or not found:
        raise RuntimeError(f"pgbench failed: {run.stderr[-2000:]}")
    return float(found[1])


def best(
    server: Server, script: str, home: pathlib.Path, seconds: float, clients=(1, 4, 8, 16, 32, 64)
) -> tuple[float, int]:
    """The best rate over numbers of clients, and which number it was."""
    return max((rate(server, script, clients=count, home=home, seconds=seconds), count) for count in clients)
