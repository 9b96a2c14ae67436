"""The tool `sql` on the real program, on a database with a login of its own."""

import json

import psycopg
import pytest
from prompts import ANTHROPIC, Talk, call, settings
from stack import Stack, free_port, wait_for

pytest_plugins = ["model_fixtures"]

PASSWORD = "the-connectors-password"


def statement(query: str, *parameters, connector: str = "warehouse", **more) -> dict:
    """One step of `sql`, `main`."""
    given = {"connector": connector, "query": query, "parameters": list(parameters), **more}
    return {"steps": [{"id": "main", "tool": "sql", "with": given}]}


@pytest.fixture(scope="module")
def house(models):
    """A stack whose PostgreSQL has a second database, `warehouse`, for the login `reporter`."""
    port = free_port()

    def dsn(login: str, password: str = PASSWORD) -> str:
        return f"postgresql://{login}:{password}@127.0.0.1:{port}/warehouse"

    connectors = [
        {"name": "warehouse", "kind": "postgres", "dsn": dsn("reporter"), "max_rows": 50},
        {"name": "ledger", "kind": "postgres", "dsn": dsn("reporter"), "read_only": False, "effects_table": True},
        {"name": "plain", "kind": "postgres", "dsn": dsn("reporter"), "read_only": False},
        {"name": "member", "kind": "postgres", "dsn": dsn("member")},
        {"name": "nowhere", "kind": "postgres", "dsn": "host=127.0.0.1 port=1 user=x dbname=x"},
    ]
    environment = settings(models, ANTHROPIC) | {"SIMPLON_CONNECTORS": json.dumps(connectors), "SIMPLON_LEASE": "1s"}
    stack = Stack(environment=environment, arguments=["--db-port", str(port)])
    try:
        stack.start()
        owner = stack.login("postgres")
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("create database warehouse")
        with psycopg.connect(owner.rpartition("/")[0] + "/warehouse", autocommit=True) as connection:
            connection.execute(f"""
                create role reporter login password '{PASSWORD}';
                create role member login password '{PASSWORD}';
                grant authenticated to member;
                create table sales (id integer primary key, item text, price numeric);
                insert into sales values (1, 'tea', 2.50), (2, 'milk', 1.10);
                create table simplon_effects (
                  run_id uuid not null, step_id text not null, attempt integer not null, outcome jsonb,
                  created_at timestamptz not null default now(), primary key (run_id, step_id, attempt));
                grant select, insert, update, delete on sales to reporter;
                create function simplon_effect_begin(run uuid, step text, nr bigint, out is_new boolean, out outcome jsonb)
                language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
                begin
                  insert into public.simplon_effects (run_id, step_id, attempt) values (run, step, nr) on conflict do nothing;
                  is_new := found;
                  select e.outcome into outcome from public.simplon_effects e
                  where e.run_id = run and e.step_id = step and e.attempt = nr;
                end $$;
                create function simplon_effect_end(run uuid, step text, nr bigint, result jsonb) returns void
                language sql security definer set search_path = pg_catalog, pg_temp as $$
                  update public.simplon_effects e set outcome = result
                  where e.run_id = run and e.step_id = step and e.attempt = nr and e.outcome is null
                $$;
                revoke all on function simplon_effect_begin, simplon_effect_end from public;
                grant execute on function simplon_effect_begin, simplon_effect_end to reporter;
            """)
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def warehouse(house):
    with psycopg.connect(house.login("postgres").rpartition("/")[0] + "/warehouse", autocommit=True) as connection:
        yield connection


@pytest.fixture
def caller(house):
    made = house.caller()
    yield made
    made.http.close()


def failure(run: dict) -> dict:
    assert run["status"] == "failed", run
    return run["steps"]["items"][0]["error"]


def test_rows_come_as_json_exact_and_flow_on(caller):
    plan = statement("select id, item, price from sales where price > $1 order by id", "1.00")
    plan["steps"].append(
        {
            "id": "next",
            "tool": "sql",
            "needs": ["main"],
            "with": {
                "connector": "warehouse",
                "query": "select $1::text || '!'",
                "parameters": ["${{ steps.main.output.rows[0][1] }}"],
            },
        }
    )
    run = caller.finished(plan)
    assert run["status"] == "completed", run
    output = caller.output(run, "main")
    assert [column["name"] for column in output["columns"]] == ["id", "item", "price"]
    assert [column["type"] for column in output["columns"]] == ["integer", "text", "numeric"]
    assert output["rows"] == [[1, "tea", 2.5], [2, "milk", 1.1]]
    assert output["row_count"] == 2 and output["truncated"] is False
    assert caller.output(run, "next")["rows"] == [["tea!"]]
    raw = caller.http.post("/agent/status", json={"run_id": run["run_id"], "include_steps": True}).text
    assert "2.50" in raw and "1.10" in raw, "no number goes through floating point"


def test_a_models_call_that_takes_its_time_is_seen_while_it_runs(house, caller, warehouse, models, script):
    asks = call("sql", connector="warehouse", query="select 1 from pg_advisory_xact_lock(7)")
    replies = script({"text": "A moment.", "calls": [asks]}, {"text": "Done."})

    def seen() -> list[str]:
        logs = caller.status(talk.run, include_logs=True)["logs"]["items"]
        return [one["payload"]["status"] for one in logs if one["payload"].get("step_id") == "call.1.1"]

    with warehouse.transaction():
        warehouse.execute("select pg_advisory_xact_lock(7)")
        talk = Talk(caller, models, replies)
        wait_for("the call to be seen", seen)
        assert seen() == ["running"]
    talk.end()
    assert seen() == ["running", "completed"]


def test_more_rows_than_allowed_are_cut(caller):
    output = caller.output(caller.finished(statement("select * from generate_series(1, 1000)")), "main")
    assert len(output["rows"]) == 50 and output["truncated"] is True


def test_a_value_is_never_text_of_the_statement(caller, warehouse):
    evil = "'; drop table sales; --"
    run = caller.finished(statement("select $1::text", evil))
    assert caller.output(run, "main")["rows"] == [[evil]]
    assert warehouse.execute("select count(*) from sales where id < 100").fetchone() == (2,)
    answer = caller.execute(action="create", plan=statement("select '${{ run.id }}'"))
    assert answer.status_code == 400 and answer.json()["code"] == "plan.expression"


@pytest.mark.parametrize(
    "query",
    [
        "delete from sales",
        "with gone as (delete from sales returning *) select * from gone",
        "select 1; delete from sales",
        "set transaction read write",
        "commit",
        "copy sales to stdout",
        "do $$ begin commit; delete from sales; end $$",
        "select set_config('transaction_read_only', 'off', false)",
        "set role postgres",
        "select * from sales for update",
    ],
)
def test_a_reading_connector_only_reads(query, caller, warehouse):
    assert failure(caller.finished(statement(query)))["code"] in ("tool.failed", "tool.input")
    assert warehouse.execute("select count(*) from sales where id < 100").fetchone() == (2,)
    assert failure(caller.finished(statement("delete from sales", write=True)))["code"] == "tool.connector"


def test_a_login_that_is_member_of_a_role_is_refused(caller):
    assert failure(caller.finished(statement("select 1", connector="member")))["code"] == "tool.connector"


def test_a_mistake_is_told_to_whoever_wrote_it(caller):
    error = failure(caller.finished(statement("select nonsense from sales")))
    assert error["code"] == "tool.failed" and 'column "nonsense" does not exist' in error["message"]
    assert error["details"]["sqlstate"] == "42703"


def test_a_database_that_is_away_fails_the_step(caller, house):
    assert failure(caller.finished(statement("select 1", connector="nowhere")))["code"] == "tool.failed"
    assert PASSWORD not in house.process.log.read_text()


def test_writes_need_a_step_that_says_so(caller, warehouse):
    insert = "insert into sales values ($1, 'salt', $2) returning id"
    run = caller.finished(statement(insert, 10, "0.99", connector="plain", write=True))
    assert run["status"] == "completed", run
    assert caller.output(run, "main")["rows"] == [[10]] and caller.output(run, "main")["row_count"] == 1
    gone = caller.finished(statement("delete from sales where id = $1", 10, connector="plain", write=True))
    assert caller.output(gone, "main")["row_count"] == 1
    assert warehouse.execute("select count(*) from sales where id < 100").fetchone() == (2,)


# What a worker that is killed leaves behind: its commit may or may not have happened.
TRAP = """
create function hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(77);
  return null;
end $$;
create constraint trigger hold after insert on sales deferrable initially deferred for each row
  when (new.item = 'held') execute function hold();
"""


def look(house: Stack, query: str, *values) -> tuple | None:
    """What the warehouse says now, over a connection that no restart has broken."""
    with psycopg.connect(house.login("postgres").rpartition("/")[0] + "/warehouse", autocommit=True) as connection:
        found = connection.execute(query, values or None)
        return found.fetchone() if found.description else None


@pytest.mark.parametrize("connector", ["ledger", "plain"])
def test_a_write_whose_commit_nobody_saw_happens_once_or_is_put_to_a_person(connector, house):
    """The program is killed while its commit waits in the database, which then commits all the same."""
    if not look(house, "select 1 from pg_proc where proname = 'hold'"):
        look(house, TRAP)
    number = {"ledger": 100, "plain": 200}[connector]
    look(house, "insert into sales values (%s, 'first', 1)", number)
    caller = house.caller()
    insert = """
        insert into sales select max(id) + 1, 'held', 1 from sales where id between $1 and $1 + 50 returning id
    """
    with psycopg.connect(house.login("postgres").rpartition("/")[0] + "/warehouse", autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(77)")
        run = caller.create(statement(insert, number, connector=connector, write=True))
        blocked = "select 1 from pg_locks where locktype = 'advisory' and not granted"
        wait_for("the commit to wait", lambda: look(house, blocked))
        house.process.kill()
    wait_for("the commit", lambda: look(house, "select 1 from sales where id = %s", number + 1))
    caller.http.close()
    house.start()
    again = house.caller(caller.person)
    if connector == "ledger":
        assert again.wait(run)["status"] == "completed"
        assert again.output(again.everything(run), "main")["rows"] == [[number + 1]]
    else:
        assert again.wait(run, "waiting")["reason"]["code"] == "run.unknown_effect"
        again.act("stop", run)
    assert look(house, "select count(*) from sales where id between %s and %s", number, number + 50) == (2,)
    again.http.close()
