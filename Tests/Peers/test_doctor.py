"""`simplon doctor` and the database: one thing is broken, and the check for it says so and how to mend it."""

import re

import pytest
from doctor import DATABASE
from stack import free_port, simplon
from test_pooler import Pooler

pytest_plugins = ["doctor_fixtures"]


def test_a_good_installation_has_no_problem(installation):
    found = installation.doctor()
    assert found.code == 0 and not found.having("problem") | found.having("warning"), found.findings
    assert found.having("ok") == DATABASE | {"configuration", "pooler", "keys", "sandbox", "disk"}
    assert found["model"]["code"] == "model.not_configured"
    assert not (installation.home / "data").exists(), "it changes nothing"


def test_a_person_reads_one_line_a_check_and_what_to_do_under_it(installation):
    environment = installation.environment({"SIMPLON_WORKER_PASSWORD": None, "SIMPLON_ROLES": "worker"})
    found = simplon("doctor", env=environment, cwd=str(installation.home))
    assert found.returncode == 1 and found.stderr == "", found
    lines = found.stdout.splitlines()
    assert lines[0].split()[:3] == ["✗", "configuration", "problem"] and lines[0].endswith("[config.missing]")
    assert lines[1].startswith(" " * 24) and "simplon db push" in lines[1]
    assert any(line.split()[:3] == ["✓", "disk", "ok"] for line in lines)
    assert installation.server.password not in found.stdout


@pytest.mark.parametrize("words", [["--colour", "red"], ["--token", ""], ["--token", "a b"], ["more"]], ids=" ".join)
def test_wrong_usage_ends_with_2(words):
    found = simplon("doctor", *words)
    assert found.returncode == 2 and found.stderr, found


def test_a_wrong_setting_is_named_and_nothing_else_is_looked_at(installation):
    found = installation.doctor(SUPABASE_RETRY_DELAY="soon")
    found.says("configuration", "problem", "config.invalid", "", "SUPABASE_RETRY_DELAY")
    assert found.having("skipped") >= DATABASE


# The database


def test_no_postgresql(installation):
    found = installation.doctor(DATABASE_URL=installation.through(free_port()))
    found.says("database", "problem", "database.unavailable", "check host and port", "no PostgreSQL listens")
    assert found.having("skipped") >= DATABASE - {"database"}


def test_a_password_that_is_refused_leaves_the_other_logins_checks(installation):
    found = installation.doctor(SIMPLON_WORKER_PASSWORD="wrong-password-of-the-test")
    found.says("database", "problem", "database.unavailable", "SIMPLON_WORKER_PASSWORD", "simplon_worker")
    assert {"login", "migrations"} <= found.having("ok")


def test_an_old_server(installation):
    def older(data: bytes) -> bytes:
        return re.sub(rb"(\0\0\0\x06)1[5-9](\d{4})", rb"\g<1>14\g<2>", data)

    with installation.relayed(older) as url:
        found = installation.doctor(DATABASE_URL=url)
    found.says("version", "problem", "database.version", "pg_upgrade", "PostgreSQL 14")


def test_a_clock_that_is_ahead(installation):
    def later(data: bytes) -> bytes:
        def add(found: re.Match) -> bytes:
            return found[1] + str(int(found[2]) + 600).encode() + found[3]

        return re.sub(rb"(\0\0\0\x11)(\d{10})(\.\d{6})", add, data)

    with installation.relayed(later) as url:
        found = installation.doctor(DATABASE_URL=url)
    found.says("clock", "warning", "database.clock", "timedatectl", "ahead")


def test_a_slot_that_holds_the_log(installation, owner):
    def more(data: bytes) -> bytes:
        held = (3 << 30).to_bytes(8, "big")
        return re.sub(
            rb"(holder\0\0\0\x01.\0\0\0\x08).{8}", lambda found: found[1] + held, data, flags=re.DOTALL
        )

    owner.execute("select pg_create_physical_replication_slot('holder', true)")
    try:
        assert installation.doctor()["slots"]["status"] == "ok"
        with installation.relayed(more) as url:
            found = installation.doctor(DATABASE_URL=url)
    finally:
        owner.execute("select pg_drop_replication_slot('holder')")
    found.says("slots", "problem", "database.wal_held", "select pg_drop_replication_slot('holder');", "holds 3 GB")


def test_a_transaction_that_is_open_for_long(installation, owner):
    name = "simplon.oldest_transaction_seconds()"
    (before,) = owner.execute(f"select pg_get_functiondef('{name}'::regprocedure)").fetchone()
    owner.execute(f"create or replace function {name} returns numeric language sql as 'select 7200.5'")
    try:
        found = installation.doctor()
    finally:
        owner.execute(before)
    found.says("transactions", "warning", "database.long_transaction", "pg_terminate_backend", "120 minutes")


# Its logins and its schema


def test_a_superuser_that_serves_callers(installation):
    installation.doctor(SIMPLON_API_PASSWORD=None).says(
        "login", "problem", "database.role", "Set SIMPLON_API_PASSWORD", "superuser"
    )


@pytest.mark.parametrize(
    ("broken", "mended", "what"),
    [
        ("alter role simplon_api bypassrls", "alter role simplon_api nobypassrls", "BYPASSRLS"),
        (
            "create table public.theirs (); alter table public.theirs owner to simplon_api",
            "drop table public.theirs",
            "the owner of, the table theirs",
        ),
    ],
    ids=["BYPASSRLS", "owner"],
)
def test_a_login_that_row_level_security_does_not_bind(installation, owner, broken, mended, what):
    owner.execute(broken)
    try:
        found = installation.doctor()
    finally:
        owner.execute(mended)
    found.says("login", "problem", "database.role", "alter role simplon_api nosuperuser nobypassrls", what)


def test_a_missing_migration(installation):
    words = ("--db-url", installation.server.url())
    undone = simplon("db", "rollback", "--yes", *words)
    assert undone.returncode == 0, undone
    try:
        found = installation.doctor()
    finally:
        assert simplon("db", "push", *words).returncode == 0
    found.says("migrations", "problem", "database.schema", "simplon db push", "1 of ")
    assert found["tables"]["status"] == "skipped"


def test_a_database_of_the_future(installation, owner):
    owner.execute(
        "insert into simplon.schema_migrations (version, name, checksum, agent_schema)"
        " values ('29990101000000', 'later', 'x', 'public')"
    )
    try:
        found = installation.doctor()
    finally:
        owner.execute("delete from simplon.schema_migrations where version = '29990101000000'")
    found.says("migrations", "problem", "migration.newer", "Use the newer simplon", "29990101000000")


def test_a_login_that_may_not_look_at_the_migrations(installation):
    url = installation.server.url("simplon_api")
    found = installation.doctor(DATABASE_URL=url)
    assert found.code == 0 and found["migrations"]["status"] == "skipped"
    assert "simplon db status --db-url" in found["migrations"]["hint"]


def test_a_table_that_the_engine_cannot_read(installation, owner):
    owner.execute("revoke select on public.agent_steps from service_role")
    try:
        found = installation.doctor()
    finally:
        owner.execute("grant select on public.agent_steps to service_role")
    found.says("tables", "problem", "database.schema", "simplon db verify", "agent_steps")


# A pooler


@pytest.fixture(scope="module")
def pooler(installation):
    pooler = Pooler(installation.server)
    yield pooler
    pooler.stop()


def test_a_pooler_that_nobody_told_of(installation, pooler):
    found = installation.doctor(DATABASE_URL=pooler.url("simplon_api"))
    found.says("pooler", "problem", "config.invalid", "Set SIMPLON_POOLER=true, and DATABASE_DIRECT_URL", "one session")


def test_a_pooler_without_a_direct_way(installation, pooler):
    found = installation.doctor(DATABASE_URL=pooler.url("simplon_api"), SIMPLON_POOLER="true")
    found.says("pooler", "warning", "config.missing", "DATABASE_DIRECT_URL", "poll")


def test_a_direct_way_that_is_none(installation, pooler):
    url = pooler.url("simplon_api")
    found = installation.doctor(DATABASE_URL=url, DATABASE_DIRECT_URL=url, SIMPLON_POOLER="true")
    found.says("pooler", "problem", "config.invalid", "DATABASE_DIRECT_URL", "goes through a pooler")


def test_a_pooler_with_a_direct_way_is_good(installation, pooler):
    direct = installation.server.url()
    found = installation.doctor(
        DATABASE_URL=pooler.url("simplon_api"), DATABASE_DIRECT_URL=direct, SIMPLON_POOLER="true"
    )
    assert found.code == 0 and {"pooler", "migrations"} <= found.having("ok"), found.findings


def test_the_port_of_supabase_s_pooler(installation):
    found = installation.doctor(DATABASE_URL=installation.through(6543))
    assert (found["pooler"]["status"], found["pooler"]["code"]) == ("problem", "config.invalid")
    assert "6543" in found["pooler"]["message"] and "SIMPLON_POOLER=true" in found["pooler"]["hint"]
