"""`simplon demo`: on a stack of its own, on one that runs, and stopped in the middle."""

import json
import shutil
import signal

import pytest
from stack import REPOSITORY, Process, Stack, clean_environment, folder, is_alive, simplon, wait_for

EXAMPLE = REPOSITORY / "examples/dataset-report"
RESULTS = {"report.md", "anomalies.svg", "statistics.json"}


@pytest.fixture
def home():
    stack = Stack()  # never started here: it removes whatever a demo leaves in its folder
    yield stack
    stack.remove()


def words(home: Stack, *more: str, example=EXAMPLE) -> list[str]:
    return ["demo", "--example", str(example), "--data", str(home.data), "--output", str(home.home / "out"), *more]


def test_it_runs_from_nothing_saves_the_results_and_leaves_no_process(home):
    found = simplon(*words(home), cwd=str(home.home))
    assert found.returncode == 0, found
    assert {path.name for path in (home.home / "out").rglob("*") if path.is_file()} == RESULTS
    assert "warm episodes" in found.stdout + found.stderr
    assert all(name in found.stdout + found.stderr for name in RESULTS), "it says where the results are"
    assert not list(home.data.rglob("postmaster.pid"))


def test_with_json_standard_output_is_one_value_a_line(home):
    found = simplon(*words(home, "--json"), cwd=str(home.home))
    assert found.returncode == 0, found
    values = [json.loads(line) for line in found.stdout.splitlines()]
    saved = {value["artifact"] for value in values if "saved" in value}
    assert saved == RESULTS, values


def test_beside_a_stack_on_the_same_folder_it_uses_that_one(home):
    home.start()
    found = simplon(*words(home), cwd=str(home.home))
    assert found.returncode == 0, found
    assert home.process.popen.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_it_in_the_middle_and_leaves_no_process(home, number):
    example = folder()
    (example / "plan.yaml").write_text("steps:\n  - { id: a, tool: shell, with: { command: echo begun; sleep 300 } }\n")
    try:
        process = Process(words(home, example=example), home.home / "demo.log", clean_environment(), home.home)
        log = home.home / "demo.log"

        def begun() -> bool:
            assert process.popen.poll() is None, process.tail()
            said = [process.lines.get_nowait() for _ in range(process.lines.qsize())]
            return "begun" in log.read_text() or any("begun" in line for line in said if line)

        wait_for("the step to begin", begun)
        postgres = home.postmaster()
        process.send(number)
        assert process.popen.wait(30) in (130, 128 + number)
        assert not is_alive(postgres)
    finally:
        shutil.rmtree(example)
