"""The command line: exit codes, JSON, help, completions."""

import json
import pathlib
import subprocess

import pytest
from agent import noop, someone
from stack import PROGRAM, REPOSITORY, clean_environment, folder, free_port, simplon


@pytest.fixture
def run_here(stack):
    """Runs a command against the shared stack, as one person."""
    person = someone()
    made = simplon("token", "--sub", person, "--data", str(stack.data))
    assert made.returncode == 0, made
    environment = clean_environment(SIMPLON_URL=stack.url, SIMPLON_TOKEN=made.stdout.strip())

    def run(*arguments: str, **more):
        return simplon(*arguments, env=environment, **more)

    return run


@pytest.fixture
def plan(tmp_path) -> str:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(noop(2)))
    return str(path)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def test_a_token_is_printed_and_nothing_else(stack):
    found = simplon("token", "--sub", someone(), "--data", str(stack.data))
    assert found.returncode == 0 and found.stderr == ""
    assert found.stdout.count("\n") == 1 and found.stdout.count(".") == 2


def test_a_plan_runs_and_is_followed_to_its_end(run_here, plan):
    found = run_here("run", "--plan", plan, "--follow")
    assert found.returncode == 0, found
    assert "completed" in found.stdout + found.stderr


def test_json_is_one_value_a_line(run_here, plan):
    found = run_here("run", "--plan", plan, "--follow", "--json")
    assert found.returncode == 0, found
    assert lines(found.stdout)


def test_a_failed_run_ends_with_1(run_here, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("steps:\n  - id: a\n    tool: shell\n    with: { command: exit 1 }\n")
    found = run_here("run", "--plan", str(path), "--follow")
    assert found.returncode == 1, found
    assert "failed" in found.stdout + found.stderr


def test_the_example_runs_from_its_folder(run_here):
    example = REPOSITORY / "examples/dataset-report"
    found = run_here("run", "--plan", str(example / "plan.yaml"), "--attach", str(example / "elnino.csv"), "--follow")
    assert found.returncode == 0, found
    assert "warm episodes" in found.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["rocket"],
        ["run", "--colour", "red"],
        ["dev", "--port", "x"],
        ["dev", "--port", "70000"],
        ["token"],
        ["token", "--sub", "x"],
        ["run"],
        ["token", "--sub", someone(), "--ttl", "soon"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments):
    found = simplon(*arguments)
    assert found.returncode == 2, found
    assert found.stderr


def test_a_server_that_is_not_there_ends_with_3(plan):
    environment = clean_environment(SIMPLON_URL=f"http://127.0.0.1:{free_port()}", SIMPLON_TOKEN="x")
    found = simplon("run", "--plan", plan, env=environment)
    assert found.returncode == 3, found
    assert "server.unreachable" in found.stderr + found.stdout


def test_a_database_that_is_not_there_ends_with_3():
    found = simplon("db", "status", "--db-url", f"postgresql://a:b@127.0.0.1:{free_port()}/x")
    assert found.returncode == 3, found
    assert "database.unavailable" in found.stderr + found.stdout


def test_status_without_a_stack_ends_with_3():
    empty = folder()
    found = simplon("status", "--data", str(empty))
    assert found.returncode == 3, found
    pathlib.Path(empty).rmdir()


def test_runs_are_listed_shown_explained_and_stopped(run_here, plan):
    made = run_here("run", "--plan", plan, "--follow", "--json")
    assert made.returncode == 0, made
    listed = run_here("runs", "list", "--json")
    assert listed.returncode == 0, listed
    run = json.dumps(lines(listed.stdout))
    run = run.partition('"run_id": "')[2][:36]
    assert len(run) == 36
    for words in (["show"], ["logs"], ["why"], ["stop"]):
        found = run_here("runs", *words, run)
        assert found.returncode == 0, found
    found = run_here("runs", "resume", run)
    assert found.returncode == 1 and "run.state" in found.stderr + found.stdout
    found = run_here("runs", "show", someone())
    assert found.returncode == 1 and "run.not_found" in found.stderr + found.stdout


def test_a_reader_that_leaves_ends_the_command(stack, tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text("steps:\n  - id: a\n    tool: shell\n    with: { command: 'while sleep 0.2; do echo x; done' }\n")
    words = [PROGRAM, "run", "--plan", str(path), "--follow", "--data", str(stack.data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as command:
        assert command.stdout.readline()
        command.stdout.close()
        run = command.stderr.read().decode().split()[1]
        assert command.wait(30) == 141
    assert simplon("runs", "stop", run, "--data", str(stack.data)).returncode == 0


def test_output_that_cannot_be_written_is_an_error(stack):
    with open("/dev/full", "w") as full:
        words = [PROGRAM, "runs", "list", "--json", "--data", str(stack.data)]
        found = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=clean_environment(), timeout=60, check=False)
    assert found.returncode == 1 and b"storage.full" in found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_there(shell):
    found = simplon("--generate-completion-script", shell)
    assert found.returncode == 0 and "simplon" in found.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=found.stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_ENABLE_RLS", "false"),
        ("DATABASE_URL", "not a url"),
        ("LOG_LEVEL", "loud"),
        ("SUPABASE_JWT_SECRET", "short"),
        ("SUPABASE_CONNECTION_TIMEOUT", "soon"),
        ("SUPABASE_MAX_RETRIES", "-1"),
        ("SUPABASE_RETRY_DELAY", "x"),
        ("SIMPLON_ISSUERS", "{"),
        ("SUPABASE_AGENT_SCHEMA", 'x"; drop table y; --'),
    ],
)
def test_a_wrong_configuration_value_names_its_key_and_stops_the_start(name, value):
    good = {
        "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x",
        "SUPABASE_JWT_SECRET": "s" * 40,
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SIMPLON_WORKER_PASSWORD": "w" * 20,
    }
    found = simplon("serve", env=clean_environment(**(good | {name: value})), timeout=30)
    assert found.returncode == 2, found
    said = found.stdout + found.stderr
    assert name in said and "config." in said, said
    assert "s" * 40 not in said and ":b@" not in said, "a secret is never printed"


def test_serve_without_a_database_says_that_a_url_and_a_key_are_not_enough():
    environment = clean_environment(
        SUPABASE_URL="http://127.0.0.1:1", SUPABASE_SERVICE_ROLE_KEY="k", SUPABASE_JWT_SECRET="s" * 40
    )
    found = simplon("serve", env=environment, timeout=30)
    assert found.returncode == 2, found
    assert "config.missing" in found.stdout + found.stderr and "DATABASE_URL" in found.stdout + found.stderr
