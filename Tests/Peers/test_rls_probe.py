"""A probe that knows the database's logins and tries, as `anon` and `authenticated`, what is not its right.

It walks the catalog, so that a table, a partition or a function that somebody adds later is attacked too.
"""

import json
import time
import uuid

import psycopg
import pytest
from agent import noop, shell, someone
from psycopg import sql

REFUSALS = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.RaiseException,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.GeneratedAlways,  # said of a computed column before anybody looks at rights
)


@pytest.fixture
def probe(stack):
    """The login that serves callers, in a transaction that is undone."""
    with psycopg.connect(stack.login("simplon_api")) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def victim(stack, ada):
    """Somebody with rows in every table that a run, a typed task and an agent of one's own fill."""
    service = stack.service()
    agent = f"agent-{someone()}"
    period = {"period_start": "%Y-%m-%dT%H:00:00Z", "period_end": "%Y-%m-%dT%H:59:59Z"}
    now = time.gmtime()
    for path, body in (
        ("agents", {"agent_id": agent, "user_id": ada.person}),
        (f"agents/{agent}/tasks", None),
        ("metrics", {"agent_id": agent} | {name: time.strftime(form, now) for name, form in period.items()}),
        ("system-health", {"component": "probe", "status": "healthy"}),
    ):
        caller = service if body else ada
        answer = caller.http.post(f"/api/v1/{path}", json=body or {"task_type": "secret", "plan": noop(1)})
        assert answer.status_code == 201, answer.text
    service.http.close()
    for path, body in (
        ("workflows", {"name": "secret", "plan": noop(1)}),
        ("schedules", {"name": "secret", "every": "365d", "run": {"workflow": "secret"}}),
        ("webhooks", {"url": "http://webhook.invalid/secret", "events": ["run.completed"]}),
    ):
        answer = ada.http.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 201, answer.text
    ada.wait(ada.create(workflow="secret"))
    run = ada.finished({**shell("echo secret > secret.txt; echo secret"), "artifacts": ["*.txt"]})
    assert run["status"] == "completed"
    remembered = ada.finished(
        {"steps": [{"id": "main", "tool": "memory.put", "with": {"key": "secret", "content": "a secret"}}]}
    )
    assert remembered["status"] == "completed", remembered
    ada.create(prompt="a secret prompt")
    return ada


def become(connection, role: str, person: str | None) -> None:
    claims = {"role": role} | ({"sub": person} if person else {})
    connection.execute(
        "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)", (role, json.dumps(claims))
    )


def tables(connection) -> list[tuple[str, str]]:
    """Every table, partition, view and sequence of ours."""
    return connection.execute(
        """select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname in ('public', 'simplon') order by 1, 2"""
    ).fetchall()


def test_the_login_that_serves_callers_has_no_rights_of_its_own(probe, database):
    row = probe.execute(
        """select rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcreatedb from pg_roles
        where rolname = current_user"""
    ).fetchone()
    assert row == (False, False, False, False, False)
    for schema, table in tables(database):
        for right in ("select", "insert", "update", "delete", "truncate", "references", "trigger"):
            question = "select has_table_privilege('simplon_api', %s, %s)"
            allowed = database.execute(question, (f'"{schema}"."{table}"', right)).fetchone()[0]
            assert not allowed, f"simplon_api may {right} {schema}.{table} without becoming anybody"


@pytest.mark.parametrize("role", ["postgres", "supabase_admin", "simplon_worker", "pg_read_all_data", "pg_monitor"])
def test_the_login_that_serves_callers_becomes_nobody_else(probe, role):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        probe.execute(sql.SQL("set role {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_no_row_of_somebody_else_can_be_read(probe, database, victim, role):
    found = tables(database)
    assert ("public", "agent_runs") in found and any(schema == "simplon" for schema, _ in found)
    for schema, table in found:
        columns = {
            row[0]
            for row in database.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                (schema, table),
            )
        }
        for person in (someone(), None):
            with probe.transaction(force_rollback=True):
                become(probe, role, person)
                query = sql.SQL("select * from {}").format(sql.Identifier(schema, table))
                try:
                    rows = probe.execute(query).fetchall()
                except REFUSALS:
                    continue
            assert role != "anon" or not rows, f"anon reads {schema}.{table}"
            owner = "user_id" in columns
            with probe.transaction(force_rollback=True):
                become(probe, role, person)
                if owner:
                    # What is nobody's is for all signed-in users to read, in these tables.
                    shared = table in ("agent_instances", "agent_metrics", "system_health")
                    query = sql.SQL(
                        "select count(*) from {} where user_id is distinct from %s and (user_id is not null or not %s)"
                    ).format(sql.Identifier(schema, table))
                    foreign = probe.execute(query, (person, shared)).fetchone()[0]
                    assert foreign == 0, f"{role} reads {foreign} foreign rows of {schema}.{table}"
                else:
                    assert not rows, f"{role} reads {schema}.{table}, whose rows belong to nobody"


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("who", ["its owner", "a stranger"])
def test_no_column_of_the_engine_can_be_written_not_even_of_one_s_own_run(probe, database, victim, role, who):
    person = victim.person if who == "its owner" else someone()
    for schema, table in tables(database):
        columns = [
            row[0]
            for row in database.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                (schema, table),
            )
        ]
        name = sql.Identifier(schema, table)
        attempts = [
            (f"update {column}", sql.SQL("update {} set {c} = {c}").format(name, c=sql.Identifier(column)))
            for column in columns
        ]
        attempts += [
            ("delete", sql.SQL("delete from {}").format(name)),
            ("truncate", sql.SQL("truncate {} cascade").format(name)),
            ("lock", sql.SQL("lock table {} in access exclusive mode").format(name)),
            ("insert", sql.SQL("insert into {} default values").format(name)),
        ]
        for what, statement in attempts:
            with pytest.raises(psycopg.Error) as raised, probe.transaction(force_rollback=True):
                become(probe, role, person)
                probe.execute("set local lock_timeout = '2s'")
                cursor = probe.execute(statement)
                pytest.fail(f"{role}, {who}: {what} on {schema}.{table} changed {cursor.rowcount} rows")
            allowed = (
                (*REFUSALS, psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)
                if what == "insert"
                else REFUSALS
            )
            assert isinstance(raised.value, allowed), f"{what} on {schema}.{table}: {raised.value!r}"


ENGINE = {
    "id": str(uuid.uuid4()),
    "user_id": str(uuid.uuid4()),
    "owner_claims": "{}",
    "status": "completed",
    "reason": "{}",
    "result": "{}",
    "error": "{}",
    "budget": "{}",
    "cost": "-1",
    "attempt": "9",
    "size": "0",
    "engine_version": "0",
    "idempotency_key": "x",
    "created_at": "2001-01-01",
    "started_at": "2001-01-01",
    "completed_at": "2001-01-01",
    "parent_id": str(uuid.uuid4()),
    "forked_from": str(uuid.uuid4()),
}


@pytest.mark.parametrize("column", ENGINE)
def test_a_caller_s_insert_cannot_fill_a_column_of_the_engine(probe, column):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), probe.transaction(force_rollback=True):
        become(probe, "authenticated", someone())
        probe.execute(
            sql.SQL("insert into public.agent_runs (prompt, {}) values ('x', %s)").format(sql.Identifier(column)),
            (ENGINE[column],),
        )


def test_a_caller_s_insert_is_queued_like_create_and_is_its_own(probe, ada, stack):
    with probe.transaction():
        become(probe, "authenticated", ada.person)
        run = probe.execute(
            "insert into public.agent_runs (plan) values (%s) returning id", (json.dumps(noop(1)),)
        ).fetchone()[0]
    assert ada.wait(str(run))["status"] == "completed"
    with pytest.raises(psycopg.Error), probe.transaction():
        become(probe, "anon", None)
        probe.execute("insert into public.agent_runs (prompt) values ('x')")
    with pytest.raises(psycopg.Error), probe.transaction():
        become(probe, "authenticated", None)
        probe.execute("insert into public.agent_runs (prompt) values ('x')")


def test_no_function_of_the_engine_can_be_called_by_a_caller_beyond_the_few_that_are_for_it(probe, database):
    """What `authenticated` may call in `simplon` takes the person from the claims and nothing else."""
    callable_ones = database.execute(
        """select p.proname, p.prosecdef, coalesce(array_to_string(p.proconfig, ','), '')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'simplon' and has_function_privilege('authenticated', p.oid, 'execute')"""
    ).fetchall()
    for name, definer, settings in callable_ones:
        assert not definer or "search_path=" in settings, (
            f"simplon.{name} runs as its owner with the caller's search path"
        )
    names = {name for name, _, _ in callable_ones}
    engine = {
        "claim_runs",
        "charge_use",
        "set_run_caps",
        "cap_reason",
        "watch_database",
        "append_lines",
        "settle_steps",
        "renew_leases",
        "recover_runs",
        "report_worker",
        "redeem_ticket",
        "sweep",
        "make_month_partitions",
        "drop_month_partitions",
        "roll_up_metrics",
        "archive_metrics",
        "find_agent",
        "lock_tree",
        "cancel_runs",
        "create_child",
        "wake_parents",
        "wake_waiting_parents",
        "audit",
        "next_cron",
        "next_due",
        "plan_schedule",
        "check_policies",
        "due_schedules",
        "fire_schedule",
        "fail_schedule",
        "resolve_workflow",
        "follow_workflow",
        "notify_webhooks",
        "take_deliveries",
        "settle_delivery",
        "sweep_deliveries",
        "hold_step",
        "take_memories",
        "store_embedding",
        "take_evaluations",
        "store_score",
        "add_vectors",
    }
    assert not names & engine, names & engine
    public = database.execute(
        """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'simplon' and has_function_privilege('anon', p.oid, 'execute')
          and has_schema_privilege('anon', n.oid, 'usage')"""
    ).fetchall()
    assert public == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nothing_can_be_made_in_our_schemas(probe, role):
    for statement in (
        "create table public.mine ()",
        "create table simplon.mine ()",
        "create function public.f() returns int language sql as 'select 1'",
        "create schema mine",
        "create role mine",
        "alter table public.agent_runs disable row level security",
        "drop table public.agent_runs cascade",
        "set session authorization postgres",
        "alter role simplon_api superuser",
    ):
        with pytest.raises(psycopg.Error) as raised, probe.transaction(force_rollback=True):
            become(probe, role, someone())
            probe.execute(statement)
            pytest.fail(f"{role}: {statement}")
        assert isinstance(raised.value, REFUSALS), f"{statement}: {raised.value!r}"


def test_every_table_that_callers_reach_has_forced_row_level_security(database):
    open_ones = database.execute(
        """select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname in ('public', 'simplon')
          and not (c.relrowsecurity and c.relforcerowsecurity)
          and exists (select from unnest('{anon, authenticated}'::text[]) as r (role)
            where has_any_column_privilege(role, c.oid, 'select, insert, update')
              or has_table_privilege(role, c.oid, 'delete, truncate'))"""
    ).fetchall()
    assert open_ones == []


def test_a_partition_read_directly_gives_nothing(probe, database, victim):
    partitions = database.execute(
        """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent in ('public.agent_task_logs'::regclass, 'public.agent_metrics'::regclass,
          'public.observability_events'::regclass)"""
    ).fetchall()
    assert len(partitions) >= 9
    for (name,) in partitions:
        for role in ("anon", "authenticated"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), probe.transaction(force_rollback=True):
                become(probe, role, victim.person)
                probe.execute(sql.SQL("select * from simplon.{}").format(sql.Identifier(name)))
