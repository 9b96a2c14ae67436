"""`simplon db` on plain PostgreSQL, old and new, and on a stand-in of a Supabase project."""

import shutil

import psycopg
import pytest
from server import Server, programs
from stack import folder, simplon

TABLES = (
    "agent_runs agent_steps agent_messages agent_artifacts agent_run_connectors agent_task_queue agent_task_logs "
    "agent_instances agent_executions agent_metrics system_health observability_events execution_snapshots "
    "agent_model_calls workflows workflow_versions workflow_executions agent_schedules agent_webhooks "
    "agent_webhook_deliveries agent_memory tasks environments"
).split()
# What a Supabase project has before anybody does anything: its roles, its schema, its grants, and a `postgres` that is
# no superuser and may not touch schema `auth`.
SUPABASE = """
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
create role postgres login nosuperuser createrole createdb replication bypassrls password 'project-of-the-test';
grant anon, authenticated, service_role to postgres with admin option;
create schema auth authorization supabase_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role;
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid $$;
create function auth.role() returns text language sql stable as
  $$ select current_setting('request.jwt.claims', true)::jsonb ->> 'role' $$;
create function auth.jwt() returns jsonb language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
create schema extensions;
grant all on schema public to postgres;
grant create on database postgres to postgres;
alter default privileges for role postgres in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to anon, authenticated, service_role;
create schema supabase_migrations authorization postgres;
create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
alter table supabase_migrations.schema_migrations owner to postgres;
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
"""


@pytest.fixture(params=["Debian's", "18"], scope="module")
def server(request):
    """A plain server of each version."""
    home = folder()
    server = Server(home, programs=programs(request.param))
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database(server, request):
    """A new, empty database and how to reach it."""
    name = f"d{abs(hash(request.node.nodeid)):x}"
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(f"create database {name}")
    return server.url().rpartition("/")[0] + f"/{name}"


def db(*words: str, url: str, cwd: str | None = None):
    return simplon("db", *words, "--db-url", url, cwd=cwd)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        )
        return {name for (name,) in found}


def test_push_makes_every_table_and_pushing_again_does_nothing(database):
    assert db("push", url=database).returncode == 0
    assert set(TABLES) <= tables(database)
    again = db("push", url=database)
    assert again.returncode == 0, again
    assert db("verify", url=database).returncode == 0
    status = db("status", url=database)
    assert status.returncode == 0 and "20260113000001" in status.stdout


def test_rollback_undoes_everything_and_push_brings_it_back(database):
    assert db("push", url=database).returncode == 0
    for _ in range(40):
        if not tables(database) & set(TABLES):
            break
        undone = db("rollback", "--yes", url=database)
        assert undone.returncode == 0, undone
    assert not tables(database) & set(TABLES)
    assert db("push", url=database).returncode == 0
    assert set(TABLES) <= tables(database)


def test_a_changed_migration_is_found(database):
    assert db("push", url=database).returncode == 0
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("update simplon.schema_migrations set checksum = left(checksum::text, 5)::text || 'x'")
    found = db("verify", url=database)
    assert found.returncode == 1 and "migration.changed" in found.stdout + found.stderr, found


def test_a_schema_changed_by_hand_is_found(database):
    assert db("push", url=database).returncode == 0
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("drop policy agent_runs_read_own on public.agent_runs")
        owner.execute("grant select on public.agent_steps to anon")
    found = db("verify", "--json", url=database)
    assert found.returncode == 1 and "database.schema" in found.stderr, found
    for what in ("policy agent_runs_read_own of table", "right of anon to select table public.agent_steps"):
        assert what in found.stderr, found


def test_a_database_of_the_future_is_refused(database):
    assert db("push", url=database).returncode == 0
    with psycopg.connect(database, autocommit=True) as owner:
        columns = [
            name
            for (name,) in owner.execute(
                "select attname from pg_attribute where attrelid = 'simplon.schema_migrations'::regclass and attnum > 0"
            )
        ]
        kept = ", ".join(name for name in columns if name != "version")
        owner.execute(
            f"insert into simplon.schema_migrations (version, {kept}) select '29990101000000', {kept}"
            " from simplon.schema_migrations limit 1"
        )
    found = db("push", url=database)
    assert found.returncode == 1 and "migration.newer" in found.stdout + found.stderr, found


def test_an_agent_runs_of_somebody_else_stops_the_push(database):
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("create table public.agent_runs (id serial primary key, what text)")
    found = db("push", url=database)
    assert found.returncode == 1 and "migration.foreign" in found.stdout + found.stderr, found
    assert tables(database) == {"agent_runs"}, "nothing was changed"


def test_two_pushes_at_once_make_one_schema(database):
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: db("push", url=database), range(2)))
    assert [one.returncode for one in found] == [0, 0], found


def test_a_supabase_project_takes_them_from_a_postgres_that_is_no_superuser():
    home = folder()
    server = Server(home, superuser="supabase_admin")
    try:
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute(SUPABASE)
        url = server.url("postgres", "project-of-the-test")
        pushed = db("push", url=url)
        assert pushed.returncode == 0, pushed
        assert set(TABLES) <= tables(url)
        with psycopg.connect(server.url(), autocommit=True) as owner:
            history = owner.execute("select count(*) from supabase_migrations.schema_migrations").fetchone()[0]
            assert history > 0, "the supabase CLI sees what was applied"
            for table in TABLES:
                for role, right in (("anon", "select"), ("authenticated", "update"), ("authenticated", "delete")):
                    question = "select has_table_privilege(%s, %s, %s)"
                    assert not owner.execute(question, (role, f"public.{table}", right)).fetchone()[0], (
                        f"{role} may {right} {table}: the project's default grants are still there"
                    )
        assert db("verify", url=url).returncode == 0
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def test_new_writes_a_migration_and_its_undo():
    home = folder()
    try:
        found = simplon("db", "new", "add_colours", cwd=str(home))
        assert found.returncode == 0, found
        made = [path.name for path in home.rglob("*.sql")]
        assert len(made) == 2 and all("add_colours" in name for name in made), made
    finally:
        shutil.rmtree(home, ignore_errors=True)
