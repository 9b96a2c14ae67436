"""The contract tables in a schema of another name than public: SUPABASE_AGENT_SCHEMA."""

import shutil

import psycopg
import pytest
from agent import Caller, shell, someone, token
from server import SECRET, Server, prepare, serve
from stack import folder, free_port, wait_for

SCHEMA = {"SUPABASE_AGENT_SCHEMA": "agents"}


@pytest.fixture
def house():
    """A database with the tables in `agents`, and somebody who asks the server on it."""
    home, port, person = folder(), free_port(), someone()
    server, process = Server(home), None
    try:
        prepare(server, home, **SCHEMA)
        process = serve("api,worker", server, home, port, **SCHEMA)
        caller = Caller(f"http://127.0.0.1:{port}", token(SECRET, f"http://127.0.0.1:{port}/auth/v1", person), person)
        wait_for("the API", lambda: caller.http.get("/ready").status_code == 200, patience=30)
        yield server, caller
    finally:
        if process:
            process.stop()
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def test_a_run_from_create_to_its_files_in_another_schema(house):
    server, caller = house
    run = caller.finished({**shell("echo said; echo kept > kept.txt"), "artifacts": ["*.txt"]})
    assert run["status"] == "completed", run
    assert [one["path"] for one in run["artifacts"]["items"]] == ["kept.txt"]
    assert caller.stream(run["run_id"])[-1].kind == "done"
    assert [one["run_id"] for one in caller.http.get("/agent/status").json()["runs"]] == [run["run_id"]]
    with psycopg.connect(server.url()) as owner:
        assert owner.execute("select count(*) from agents.agent_runs").fetchone() == (1,)
        ours = "select count(*) from pg_class where relnamespace = 'public'::regnamespace and relname like 'agent%'"
        assert owner.execute(ours).fetchone() == (0,), "nothing of it is in public"
