"""`simplon db diff` on two databases of one server, judged by psycopg."""

import json
import shutil
import uuid

import psycopg
import pytest
from server import Server, programs
from stack import clean_environment, folder, simplon

WANTED = """
create type public.mood as enum ('sad', 'ok', 'happy');
create table public.people (
  id bigint generated always as identity primary key, name text not null, mood public.mood default 'happy');
create table public.pets (id int primary key, owner bigint references public.people (id) on delete cascade);
create index pets_owner on public.pets (owner);
create view public.names with (security_invoker) as select name from public.people;
alter table public.people enable row level security;
create policy own on public.people for select using (name = current_user);
create function public.twice(n int) returns int language sql immutable as 'select n * 2';
comment on table public.people is 'who is here';
"""
FOUND = """
create type public.mood as enum ('sad', 'ok');
create table public.people (id bigint generated always as identity primary key, name varchar(20), old int);
insert into public.people (name, old) values ('Ada', 1);
create view public.names as select name from public.people;
"""


@pytest.fixture(params=["Debian's", "18"], scope="module")
def server(request):
    home = folder()
    server = Server(home, programs=programs(request.param))
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def make(server):
    """Makes a database with this content, and gives its URL."""

    def make(sql: str = "") -> str:
        name = f"d{uuid.uuid4().hex}"
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute(f"create database {name}")
        url = server.url().rpartition("/")[0] + f"/{name}"
        run(url, sql)
        return url

    return make


def run(url: str, sql: str) -> None:
    if sql:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(sql)


def ask(url: str, question: str):
    with psycopg.connect(url) as owner:
        return owner.execute(question).fetchone()[0]


def diff(*words: str):
    return simplon("db", "diff", *words)


def test_equal_databases_end_with_0(make):
    found = diff(make(WANTED), make(WANTED))
    assert found.returncode == 0 and "nothing differs" in found.stdout, found


def test_a_dry_run_prints_sql_that_psycopg_can_run_and_changes_nothing(make):
    wanted, database = make(WANTED), make("create table public.people (old int)")
    found = diff(wanted, database, "--json")
    assert found.returncode == 1, found
    plan = json.loads(found.stdout)
    assert not plan["equal"] and not plan["applied"] and plan["not_compared"], plan
    assert ask(database, "select to_regclass('public.pets')") is None, "nothing was done"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("set search_path = ''")
        for statement in plan["statements"]:
            owner.execute(statement["sql"])
    again = diff(wanted, database)
    assert again.returncode == 0, again


def test_what_would_be_lost_is_shown_and_refused(make):
    wanted, database = make(WANTED), make(FOUND)
    shown = diff(wanted, database)
    assert shown.returncode == 1 and "-- LOSES DATA: all values of old of public.people" in shown.stdout, shown
    refused = diff(wanted, database, "--apply", "--json")
    assert refused.returncode == 1, refused
    error = json.loads(refused.stderr.splitlines()[-1])
    assert error["code"] == "schema.loss", error
    assert error["details"]["items"] == ["column old of public.people"], error
    assert ask(database, "select old from public.people") == 1, "nothing was done"


def test_apply_makes_them_equal_and_keeps_the_rows(make):
    wanted, database = make(WANTED), make(FOUND)
    plan = json.loads(diff(wanted, database, "--json").stdout)["plan"]
    applied = diff(wanted, database, "--apply", "--allow-loss", "--plan", plan)
    assert applied.returncode == 0 and "nothing differs" in applied.stdout, applied
    assert diff(wanted, database).returncode == 0
    # A new column's default is the old rows' value too.
    assert ask(database, "select name || ' ' || mood from public.people") == "Ada happy"
    with psycopg.connect(database, autocommit=True) as owner:
        assert owner.execute("insert into public.people (name) values ('Eve') returning mood").fetchone()[0] == "happy"
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            owner.execute("insert into public.pets values (1, 999)")


def test_a_refused_statement_undoes_all_of_them(make):
    database = make("create table public.t (n int); insert into public.t values (null)")
    wanted = make("create table public.a (n int); create table public.t (n int not null)")
    found = diff(wanted, database, "--apply", "--allow-loss", "--json")
    assert found.returncode == 1, found
    assert json.loads(found.stderr.splitlines()[-1])["code"] == "schema.failed", found
    assert ask(database, "select to_regclass('public.a')") is None, "all of it was undone"


def test_another_plan_than_the_one_that_was_read_is_refused(make):
    wanted, database = make(WANTED), make()
    plan = json.loads(diff(wanted, database, "--json").stdout)["plan"]
    run(wanted, "create table public.more (n int)")
    found = diff(wanted, database, "--apply", "--plan", plan, "--json")
    assert found.returncode == 1, found
    assert json.loads(found.stderr.splitlines()[-1])["code"] == "schema.changed", found
    assert ask(database, "select to_regclass('public.people')") is None


def test_one_schema_alone_and_the_excluded_ones(make):
    wanted = make("create schema auth; create table auth.t (n int); create schema app; create table app.t (n int)")
    database = make()
    shown = json.loads(diff(wanted, database, "--json").stdout)
    assert [step["item"] for step in shown["statements"]] == ["schema app", "table app.t"], shown
    named = json.loads(diff(wanted, database, "--schema", "auth", "--json").stdout)
    assert [step["item"] for step in named["statements"]] == ["schema auth", "table auth.t"], named
    nowhere = diff(wanted, database, "--schema", "nowhere")
    assert nowhere.returncode == 1 and "nowhere" in nowhere.stderr, nowhere


def test_databases_have_names_too(make):
    wanted, database = make("create table public.t (n int)"), make()
    environment = clean_environment(DATABASE_URL=database)
    found = simplon("db", "diff", wanted, "here", "--apply", env=environment)
    assert found.returncode == 0, found
    assert ask(database, "select to_regclass('public.t')::text") == "t"
    wrong = diff(wanted, "nobody")
    assert wrong.returncode == 2 and "connection string" in wrong.stderr, wrong
    gone = diff("postgresql://127.0.0.1:1/none?connect_timeout=2", database)
    assert gone.returncode == 3, gone


def test_the_schema_of_the_agents_becomes_equal_too(make):
    wanted, database = make(), make()
    assert simplon("db", "push", "--db-url", wanted).returncode == 0
    assert simplon("db", "push", "--db-url", database).returncode == 0
    assert diff(wanted, database).returncode == 0
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("drop policy agent_runs_read_own on public.agent_runs")
        owner.execute("grant select on public.agent_steps to anon")
    shown = diff(wanted, database, "--apply", "--json")
    assert shown.returncode == 0, shown
    items = {step["item"] for step in json.loads(shown.stdout)["statements"]}
    policy, rights = "policy agent_runs_read_own on public.agent_runs", "rights of anon on table public.agent_steps"
    assert items == {policy, rights}, shown
    assert simplon("db", "verify", "--db-url", database).returncode == 0
