"""`simplon dev` and its private PostgreSQL: killed, doubled, in the way of others."""

import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from agent import noop, shell
from stack import (
    PATIENCE,
    PROGRAM,
    Stack,
    clean_environment,
    end,
    free_port,
    is_alive,
    simplon,
    wait_for,
)


@pytest.fixture
def own():
    """A stack that this test may break."""
    stack = Stack()
    yield stack
    stack.remove()


def test_it_stops_cleanly_and_leaves_no_process(own):
    own.start()
    postgres = own.postmaster()
    assert is_alive(postgres)
    begun = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - begun < 15
    assert not is_alive(postgres)


def test_strangers_that_only_connect_take_no_files_from_the_work(own, monkeypatch):
    few = own.home / "few"
    few.write_text(f'#!/bin/sh\nulimit -n 256\nexec "{PROGRAM}" "$@"\n')
    few.chmod(0o755)
    monkeypatch.setattr("stack.PROGRAM", str(few))
    own.start()
    ada = own.caller()
    run = ada.create(shell("sleep 4"))
    port = int(own.url.rpartition(":")[2])
    with contextlib.ExitStack() as strangers:
        for _ in range(300):
            strangers.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        assert ada.wait(run)["status"] == "completed"
    log = own.process.log.read_text()
    assert "ended by itself" not in log and "waits for" not in log
    assert own.stop() == 0


def test_ctrl_c_is_as_good_as_sigterm(own):
    own.start()
    own.process.send(signal.SIGINT)
    assert own.process.popen.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("moment", ["its folder is there", "initdb is at work", "PostgreSQL is there"])
def test_a_signal_while_it_starts_leaves_no_postgresql(own, number, moment):
    begun = {
        "its folder is there": lambda: own.data.exists(),
        "initdb is at work": lambda: list(own.data.rglob("postmaster.pid")),
        "PostgreSQL is there": lambda: [path for path in own.data.rglob(".s.PGSQL.*") if path.is_socket()],
    }[moment]
    process = own.launch()
    wait_for(f"the moment when {moment}", begun, pause=0.001)
    process.send(number)
    process.popen.wait(30)
    wait_for("the last process to end", lambda: f"{own.data}/" not in command_lines(), patience=10)
    own.start()
    assert own.caller().finished(noop(1))["status"] == "completed", "what was half made does no harm"


def test_it_keeps_data_keys_and_people_over_a_restart(own):
    own.start()
    ada = own.caller()
    run = ada.finished(noop(1))["run_id"]
    before = own.ready
    own.stop()
    own.start()
    assert own.ready["jwt_secret"] == before["jwt_secret"] and own.ready["anon_key"] == before["anon_key"]
    again = own.caller(ada.person)
    assert again.status(run)["status"] == "completed"


def test_after_kill_9_the_next_start_adopts_its_postgresql(own):
    own.start()
    ada = own.caller()
    run = ada.finished(noop(1))["run_id"]
    postgres = own.postmaster()
    own.process.kill()
    assert is_alive(postgres), "PostgreSQL outlives a killed Simplon"
    own.start()
    again = own.caller(ada.person)
    assert again.status(run)["status"] == "completed"
    assert own.stop() == 0
    assert not is_alive(postgres)


def test_a_postgresql_that_was_killed_too_is_started_again(own):
    own.start()
    ada = own.caller()
    run = ada.finished(noop(1))["run_id"]
    postgres = own.postmaster()
    own.process.kill()
    end(postgres)
    own.start()
    again = own.caller(ada.person)
    assert again.status(run)["status"] == "completed"


def test_a_postgresql_that_is_killed_alone_is_started_again_and_nothing_is_lost(own):
    own.start()
    ada = own.caller()
    before = ada.finished(noop(1))["run_id"]
    within = ada.create(shell("sleep 2; echo done"))
    ada.wait(within, "running")
    postgres = own.postmaster()
    end(postgres)
    answers = []

    def answered() -> bool:
        answers.append(ada.execute(action="create", plan=noop(1)))
        return answers[-1].status_code == 201

    wait_for("PostgreSQL to be back", answered)
    assert {answer.status_code for answer in answers[:-1]} <= {503}, "until then it says that it cannot"
    after = answers[-1].json()["run_id"]
    assert ada.wait(within)["status"] == ada.wait(after)["status"] == ada.status(before)["status"] == "completed"
    assert own.process.popen.poll() is None and own.postmaster() != postgres
    assert own.stop() == 0
    assert not list(own.data.rglob("postmaster.pid")), "the new one was stopped with it"


def test_a_second_one_on_the_same_folder_is_refused(own):
    own.start()
    second = simplon("dev", "--data", str(own.data), "--port", "0", "--db-port", "0", "--json", timeout=30)
    assert second.returncode == 1 and "dev.locked" in second.stderr + second.stdout, second
    assert own.caller().finished(noop(1))["status"] == "completed", "the first one does not mind"


def test_two_on_two_folders_live_side_by_side(own):
    other = Stack()
    try:
        own.start()
        other.start()
        assert own.caller().finished(noop(1))["status"] == other.caller().finished(noop(1))["status"] == "completed"
        assert own.ready["jwt_secret"] != other.ready["jwt_secret"]
    finally:
        other.remove()


@pytest.mark.parametrize("option", ["--port", "--db-port"])
def test_a_taken_port_is_named(own, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        other = "--db-port" if option == "--port" else "--port"
        found = simplon("dev", "--data", str(own.data), option, port, other, "0", timeout=60)
    assert found.returncode == 1, found
    said = found.stderr + found.stdout
    assert "dev.port_taken" in said and port in said, said


def test_no_postgresql_says_how_to_install_one(own, tmp_path):
    found = simplon(
        "dev", "--data", str(own.data), "--postgres-bin", str(tmp_path), "--port", "0", "--db-port", "0", timeout=30
    )
    assert found.returncode in (1, 3)
    said = found.stderr + found.stdout
    assert "dev.postgres_missing" in said and ("apt-get install" in said or "apt install" in said), said


def test_the_default_ports_are_those_of_supabase_start():
    text = simplon("dev", "--help").stdout
    assert "54321" in text and "54322" in text


def command_lines() -> str:
    """What anybody on this machine may read of every process."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


def test_the_folder_s_secrets_are_for_its_owner_alone(own):
    own.start()
    assert (own.data / "state.json").stat().st_mode & 0o077 == 0
    socket_folders = [path.parent for path in own.data.rglob(".s.PGSQL.*") if path.is_socket()]
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in socket_folders)
    shown = command_lines()
    state = (own.data / "state.json").read_text()
    assert str(own.data) in shown, "the command lines were read"
    secrets = [own.ready["jwt_secret"], own.ready["secret_key"], *json.loads(state)["passwords"].values()]
    assert all(secret in state and secret not in shown for secret in secrets)


def test_status_tells_what_the_ready_line_told(own):
    own.start()
    found = simplon("status", "--json", "--data", str(own.data))
    assert found.returncode == 0, found
    status = json.loads(found.stdout)
    assert status == own.ready
    keys = "anon_key service_role_key publishable_key secret_key jwt_secret".split()
    assert set(status) == {"api_url", "db_url", "data", *keys} and all(status.values())


def test_it_is_ready_within_a_few_seconds_on_an_empty_folder(own):
    begun = time.monotonic()
    own.start()
    assert time.monotonic() - begun < 30, "the figure itself is in docs/performance.md; this only catches a hang"


def test_without_a_terminal_it_writes_no_colours(own):
    process = subprocess.Popen(
        [PROGRAM, "dev", "--data", str(own.data), "--port", str(free_port()), "--db-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        wait_for("its data", lambda: list(pathlib.Path(own.data).rglob("postmaster.pid")))
        time.sleep(1)
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert b"\x1b[" not in said


def test_no_log_line_holds_a_secret_however_much_is_logged(own):
    own.environment["LOG_LEVEL"] = "trace"
    own.start()
    caller = own.caller()
    caller.wait(caller.create(noop()), patience=30)
    assert own.stop() == 0
    state = json.loads((own.data / "state.json").read_text())
    secrets = [*state["passwords"].values(), own.ready["jwt_secret"], own.ready["secret_key"], own.ready["service_role_key"]]
    log = (own.home / "simplon.log").read_text()
    assert "PostgreSQL started" in log
    assert [secret for secret in secrets if secret in log] == []
