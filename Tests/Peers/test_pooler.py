"""The whole program behind Debian's pgbouncer in transaction mode, with SCRAM on both of its sides."""

import concurrent.futures
import shutil
import subprocess

import psycopg
import pytest
from agent import Caller, python, refused, someone, token
from server import SECRET, Server, prepare, serve
from stack import PATIENCE, folder, free_port, wait_for

SESSIONS = 2  # that pgbouncer has with PostgreSQL for one login; Simplon has more connections to pgbouncer than that


class Pooler:
    """A pgbouncer of one's own, which knows the two logins of a server that is prepared."""

    def __init__(self, server: Server):
        self.server, self.port = server, free_port()
        logins = "".join(f'"{login}" "{server.password}"\n' for login in ("simplon_api", "simplon_worker"))
        (server.home / "logins.txt").write_text(logins)
        settings = server.home / "pgbouncer.ini"
        settings.write_text(f"""
            [databases]
            * = host=127.0.0.1 port={server.port}
            [pgbouncer]
            pool_mode = transaction
            default_pool_size = {SESSIONS}
            max_client_conn = 200
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {server.home}/logins.txt
        """)
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        with (server.home / "pgbouncer.log").open("ab") as log:
            self.popen = subprocess.Popen(  # which refuses to run as root, too
                [*server.user, program, "-q", settings], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for("pgbouncer", lambda: psycopg.connect(self.url("simplon_api")).close() or True)

    def url(self, login: str) -> str:
        return f"postgresql://{login}:{self.server.password}@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        self.popen.terminate()
        self.popen.wait(PATIENCE)


@pytest.fixture(scope="module")
def pooler():
    home = folder()
    server = Server(home)
    pooler = None
    try:
        prepare(server, home)  # `simplon db push`, directly
        pooler = Pooler(server)
        yield pooler
    finally:
        if pooler:
            pooler.stop()
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", params=["with a direct way for notifications", "alone"])
def served(request, pooler):
    """A server behind the pooler; gives what makes a new person who may ask it, and whether it has a direct way."""
    port, is_direct = free_port(), request.param != "alone"
    more = {"DATABASE_DIRECT_URL": pooler.server.url()} if is_direct else {}
    settings = {"DATABASE_URL": pooler.url("simplon_api"), "SIMPLON_POOLER": "true"} | more
    process = serve("api,worker", pooler.server, pooler.server.home, port, **settings)

    def person() -> Caller:
        url, name = f"http://127.0.0.1:{port}", someone()
        return Caller(url, token(SECRET, f"{url}/auth/v1", name), name)

    try:
        wait_for("the server", lambda: person().http.get("/ready").status_code == 200)
        yield person, is_direct
    finally:
        process.stop()


def test_a_run_goes_from_create_to_done_and_its_stream_is_the_log(served):
    ada = served[0]()
    code = "for n in range(3): print('line', n)\nopen('a.txt', 'w').write('kept')"
    run = ada.create({**python(code), "artifacts": ["*.txt"]})
    live = ada.stream(run)
    found = ada.everything(run)
    assert found["status"] == "completed", found
    assert ada.output(found, "main")["stdout"] == "line 0\nline 1\nline 2\n"
    file = found["artifacts"]["items"][0]
    assert ada.http.get(f"/agent/artifacts/{file['id']}").text == "kept"
    lines = [event.json["payload"]["text"] for event in live if event.kind == "log"]
    assert lines == ["line 0", "line 1", "line 2"]
    assert [event.json for event in live] == ada.all_logs(run) and live[-1].kind == "done"
    assert ada.stream(run, last_event_id=live[1].id) == live[2:]


def test_two_people_who_share_every_session_see_their_own_runs_alone(served):
    people = [served[0](), served[0]()]
    own = {person.person: {person.finished(python("print(1)"))["run_id"] for _ in range(2)} for person in people}
    for ada, eve in (people, people[::-1]):
        for run in own[ada.person]:
            for action in ("stop", "retry"):
                refused(eve.act(action, run), 404, "run.not_found")
            refused(eve.http.get("/agent/logs", params={"run_id": run, "mode": "stream"}), 404, "run.not_found")
            refused(eve.why(run), 404, "run.not_found")

    def look(number: int) -> None:
        person = people[number % 2]
        listed = person.http.get("/agent/status").json()["runs"]
        assert {run["run_id"] for run in listed} == own[person.person]
        if number % 5 == 0:  # an error in between leaves nothing behind in the session
            refused(person.act("start", next(iter(own[person.person]))), 409, "run.state")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(200)))


def test_callers_and_engine_share_the_pooler_s_few_sessions_and_go_past_it_only_when_told(served, pooler):
    person, is_direct = served
    assert person().finished(python("print(1)"))["status"] == "completed"
    with psycopg.connect(pooler.server.url(), autocommit=True) as owner:
        sessions = dict(
            owner.execute(
                "select usename, count(*) from pg_stat_activity where usename like 'simplon_%' group by usename"
            ).fetchall()
        )
    assert 0 < sessions["simplon_api"] <= SESSIONS
    assert (sessions["simplon_worker"] > SESSIONS) == is_direct, sessions
