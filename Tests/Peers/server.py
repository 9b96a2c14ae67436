"""A PostgreSQL of the test's own, and `simplon serve` on it: for faults and for benchmarks."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess

import psycopg
from stack import (
    PATIENCE,
    Process,
    clean_environment,
    free_port,
    is_alive,
    simplon,
    wait_for,
)

SECRET = "a-secret-of-the-tests-alone-0123456789"  # signs the tokens of servers that we start


def postgres_programs() -> pathlib.Path:
    """The folder of the newest PostgreSQL on this machine."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which("postgres")
    assert found, "no PostgreSQL on this machine"
    return pathlib.Path(found).parent


def programs(version: str) -> pathlib.Path:
    """The folder of a PostgreSQL's programs: Debian's, or 18, which has pgvector too."""
    if version == "Debian's":
        return postgres_programs()
    found = os.environ.get("SIMPLON_POSTGRES_18_BIN")
    if not found and not os.environ.get("CI"):
        pytest.skip("SIMPLON_POSTGRES_18_BIN names no PostgreSQL 18; scripts/test downloads one")
    return pathlib.Path(found)


class Server:
    """A PostgreSQL of one's own, for what `simplon dev` would look after by itself.

    Unless it is durable it does not wait for the disk: a killed server keeps what it wrote, and the power stays on.
    """

    def __init__(
        self,
        home: pathlib.Path,
        durable: bool = False,
        programs: pathlib.Path | None = None,
        superuser: str = "postgres",
        options: tuple[str, ...] = (),
    ):
        self.home, self.port, self.programs = home, free_port(), programs or postgres_programs()
        self.superuser = superuser
        self.data, self.password = home / "postgres", "owner-of-the-test"
        self.user: list[str] = []
        self.popen: subprocess.Popen | None = None
        secret = home / "password"
        secret.write_text(self.password)
        self.data.mkdir(exist_ok=True)  # it may be a disk of its own
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
            owner = pwd.getpwnam("postgres")
            for path in (secret, self.data):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        command = [
            *self.user,
            self.programs / "initdb",
            "--pgdata",
            self.data,
            f"--username={superuser}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
            *options,
        ]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(f"""
                listen_addresses = '127.0.0.1'
                port = {self.port}
                unix_socket_directories = ''
                wal_level = logical
                max_connections = 200
                fsync = {"on" if durable else "off"}
            """)
        self.start()

    def start(self) -> None:
        command = [*self.user, self.programs / "postgres", "-D", self.data]
        with (self.home / "postgres.log").open("ab") as log:
            self.popen = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("PostgreSQL", lambda: psycopg.connect(self.url()).close() or True)

    @property
    def runs(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def kill(self) -> None:
        """kill -9, as the kernel does when memory runs out; then every process of it is gone."""
        children = descendants(self.popen.pid)
        self.popen.kill()
        self.popen.wait(PATIENCE)
        wait_for("PostgreSQL's processes to end", lambda: not any(map(is_alive, children)))

    def stop(self) -> None:
        if self.runs:
            self.popen.send_signal(signal.SIGQUIT)
            self.popen.wait(PATIENCE)

    def url(self, login: str | None = None, password: str | None = None) -> str:
        return f"postgresql://{login or self.superuser}:{password or self.password}@127.0.0.1:{self.port}/postgres"


def prepare(server: Server, home: pathlib.Path, **settings: str) -> None:
    """Migrates a server's database and gives the two logins a password that we know."""
    pushed = simplon("db", "push", "--db-url", server.url(), cwd=str(home), env=clean_environment(**settings))
    assert pushed.returncode == 0, pushed
    statements = "; ".join(
        f"alter role {login} password '{server.password}'" for login in ("simplon_api", "simplon_worker")
    )
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(statements)


def serve(
    role: str,
    server: Server,
    home: pathlib.Path,
    api_port: int,
    port: int | None = None,
    launcher: tuple[str, ...] = (),
    **settings: str,
) -> Process:
    """One `simplon serve` on a database that is prepared; a setting beats what the tests have otherwise.

    It listens on `port`; where none is given, on that of the API if it is one, else on a free one. A launcher is a
    program that becomes it.
    """
    port = port if port is not None else api_port if "api" in role else 0
    usual = {
        "DATABASE_URL": server.url(),
        "SIMPLON_API_PASSWORD": server.password,
        "SIMPLON_WORKER_PASSWORD": server.password,
        "SUPABASE_URL": f"http://127.0.0.1:{api_port}",
        "SUPABASE_JWT_SECRET": SECRET,
        "SIMPLON_DATA": str(home / "data"),
        "SIMPLON_RATE_PER_PRINCIPAL": "0",
        "SIMPLON_RATE_PER_ADDRESS": "0",
    }
    environment = clean_environment(**usual | settings)
    log = home / f"{role}-{len(list(home.glob('*.log')))}.log"
    return Process(["serve", "--roles", role, "--port", str(port)], log, environment, home, launcher)


def descendants(pid: int) -> list[int]:
    """Every process below one, as far as /proc tells."""
    children: dict[int, list[int]] = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found
