"""The private PostgreSQL itself: what it promises to keep, and whom it lets in."""

import pathlib
import socket
import stat
import sys

import psycopg
import pytest


@pytest.fixture
def admin(stack):
    """The cluster as its superuser, who sees every setting."""
    with psycopg.connect(stack.login("supabase_admin"), autocommit=True) as connection:
        yield connection


def shown(admin: psycopg.Connection, setting: str) -> str:
    return admin.execute(f"show {setting}").fetchone()[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("wal_level", "logical"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_permissions", "0700"),
    ],
)
def test_it_is_set_to_keep_what_it_takes_and_to_itself(admin, setting, value):
    assert shown(admin, setting) == value


def test_nobody_turns_the_promise_of_a_commit_off_for_our_logins(admin):
    """A setting of a role or a database beats the server's."""
    kept = "wal_level fsync synchronous_commit full_page_writes password_encryption".split()
    for (settings,) in admin.execute("select setconfig from pg_db_role_setting").fetchall():
        assert not [setting for setting in settings if setting.partition("=")[0] in kept]


def test_it_takes_connections_from_this_machine_alone(admin):
    """As the kernel sees it: one address in /proc/net, the bytes of 127.0.0.1 in this machine's order."""
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    listening = [fields[1].split(":") for fields in lines if fields[3] == "0A"]
    addresses = [int(address, 16) for address, port in listening if int(port, 16) == admin.info.port]
    assert addresses == [int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder)]


@pytest.mark.parametrize("login", ["supabase_admin", "postgres", "simplon_api", "simplon_worker"])
@pytest.mark.parametrize("way", ["TCP", "the Unix socket"])
def test_it_refuses_a_wrong_password_over(stack, admin, login, way):
    host = "127.0.0.1" if way == "TCP" else shown(admin, "unix_socket_directories").strip('"')
    psycopg.connect(stack.login(login), host=host).close()
    for password in ("wrong", login):
        for replication in ("false", "true"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(stack.login(login), host=host, password=password, replication=replication)


def test_the_folder_of_its_socket_is_for_its_user_alone(admin):
    folder = pathlib.Path(shown(admin, "unix_socket_directories").strip('"'))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and list(folder.glob(".s.PGSQL.*"))
