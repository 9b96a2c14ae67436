"""What a person at a terminal sees, and what stays out of pipes: colours and progress."""

import json

import psycopg
import pytest
from stack import simplon
from terminal import COLOUR, at_a_terminal

NOBODY = "00000000-0000-7000-8000-000000000000"
GREEN, RED = "\x1b[32m✓\x1b[0m", "\x1b[31m"
PLAN = "artifacts: ['*.txt']\nsteps:\n  - { id: keep, tool: shell, with: { command: echo kept > kept.txt } }\n"


@pytest.fixture
def follow(stack, tmp_path) -> list[str]:
    """A run that is followed to its end."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return ["run", "--plan", str(path), "--follow", "--data", str(stack.data)]


@pytest.fixture
def demo(stack, tmp_path) -> list[str]:
    """A demo on the shared stack that saves one file."""
    (tmp_path / "plan.yaml").write_text(PLAN)
    return ["demo", "--example", str(tmp_path), "--output", str(tmp_path / "out"), "--data", str(stack.data)]


@pytest.fixture
def push(stack):
    """Migrations on an empty database."""
    with psycopg.connect(stack.login("supabase_admin"), autocommit=True) as admin:
        admin.execute("create database pushed owner postgres")
        yield ["db", "push", "--db-url", stack.login("postgres").rpartition("/")[0] + "/pushed"]
        admin.execute("drop database pushed with (force)")


def test_a_followed_run_is_coloured_at_a_terminal(follow):
    code, text = at_a_terminal(*follow)
    assert code == 0 and f"{GREEN} keep completed" in text and f"{GREEN} run completed" in text


def test_an_error_is_red_at_a_terminal(stack):
    code, text = at_a_terminal("runs", "show", NOBODY, "--data", str(stack.data))
    assert code == 1 and f"{RED}error:\x1b[0m" in text


def test_no_color_takes_every_colour_away(follow, stack):
    code, text = at_a_terminal(*follow, NO_COLOR="1")
    assert code == 0 and "✓ run completed" in text and not COLOUR.search(text)
    _, text = at_a_terminal("runs", "show", NOBODY, "--data", str(stack.data), NO_COLOR="1")
    assert "error:" in text and not COLOUR.search(text)
    assert COLOUR.search(at_a_terminal(*follow, NO_COLOR="")[1]), "set, but empty, it means nothing"


def test_saving_a_file_draws_a_bar_at_a_terminal_and_takes_it_away(demo, tmp_path):
    code, text = at_a_terminal(*demo)
    assert code == 0 and (tmp_path / "out/kept.txt").read_text() == "kept\n"
    assert f"\r\x1b[Kkept.txt {'█' * 20} 5 B of 5 B" in text
    assert "\r\x1b[Ksaved " in text


def test_migrating_draws_a_bar_at_a_terminal_and_takes_it_away(push):
    code, text = at_a_terminal(*push)
    assert code == 0 and "\r\x1b[Kapplying migrations █" in text
    assert f"\r\x1b[K{GREEN} " in text


def test_into_a_pipe_goes_neither_a_colour_nor_a_bar(follow, demo, push):
    for words in (follow, demo, push):
        found = simplon(*words)
        assert found.returncode == 0, found
        assert not set("\x1b\r█░") & set(found.stdout + found.stderr), found


def test_names_that_came_past_the_api_steer_no_terminal(stack):
    evil, developer = "\x1b[2J\x1b]0;gone\x07\r\x9b31m", "00000000-0000-4000-8000-000000000001"
    with psycopg.connect(stack.login("supabase_admin"), autocommit=True) as admin:
        plan = json.dumps({"steps": [{"id": evil, "tool": evil}]})
        (run,) = admin.execute(
            """insert into public.agent_runs (user_id, plan, agent, status, completed_at)
            values (%s, %s, %s, 'completed', now()) returning id""",
            (developer, plan, evil),
        ).fetchone()
    for words in (["runs", "show", str(run)], ["runs", "list"]):
        found = simplon(*words, "--data", str(stack.data))
        assert found.returncode == 0 and "[2J" in found.stdout and "gone" in found.stdout, found
        steering = {letter for letter in found.stdout if letter < " " or "\x7f" <= letter <= "\x9f"}
        assert steering <= {"\n", "\t"}, found


def test_with_json_a_terminal_shows_nothing_but_json(demo):
    code, text = at_a_terminal(*demo, "--json")
    values = [json.loads(line) for line in text.splitlines()]
    assert code == 0 and {"progress": "kept.txt", "done": 5, "total": 5, "unit": "bytes"} in values
