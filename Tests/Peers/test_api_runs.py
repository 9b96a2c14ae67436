"""A run from being asked for to its end, over HTTP on the real program."""

import concurrent.futures
import pathlib
import re
import time

from agent import noop, python, refused, shell
from stack import wait_for


def test_a_plan_runs_from_create_to_done(ada):
    answer = ada.execute(action="create", plan=noop(3), metadata={"origin": "test"})
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert set(receipt) == {"run_id", "status", "created_at"}
    assert receipt["status"] == "queued"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", receipt["run_id"])

    ada.wait(receipt["run_id"])
    run = ada.everything(receipt["run_id"])
    assert run["status"] == "completed"
    assert run["error"] is None and run["reason"] is None
    assert run["created_at"] <= run["started_at"] <= run["completed_at"]
    assert [step["status"] for step in run["steps"]["items"]] == ["completed"] * 3
    assert run["logs"]["items"][-1]["kind"] == "done"


def test_outputs_flow_into_later_steps_and_into_the_result(ada):
    plan = {
        "steps": [
            {"id": "stats", "tool": "python", "with": {"code": "print(6*7)"}},
            {
                "id": "check",
                "tool": "shell",
                "needs": ["stats"],
                "when": "${{ steps.stats.output.exit_code == 0 }}",
                "with": {"command": 'printf "got %s" "$GOT"', "env": {"GOT": "${{ steps.stats.output.stdout }}"}},
            },
            {
                "id": "never",
                "tool": "shell",
                "needs": ["stats"],
                "when": "${{ steps.stats.output.exit_code == 1 }}",
                "with": {"command": "exit 1"},
            },
            {"id": "after", "tool": "noop", "needs": ["never"]},
        ],
        "output": {"answer": "${{ steps.check.output.stdout }}", "code": "${{ steps.stats.output.exit_code }}"},
    }
    run = ada.finished(plan)
    assert run["status"] == "completed", run
    assert run["result"]["answer"].split() == ["got", "42"]
    assert run["result"]["code"] == 0
    statuses = {step["step_id"]: step["status"] for step in run["steps"]["items"]}
    assert statuses == {"stats": "completed", "check": "completed", "never": "skipped", "after": "skipped"}


def test_a_step_sees_the_files_of_the_steps_it_needs_and_no_others(ada):
    plan = {
        "steps": [
            {"id": "left", "tool": "shell", "with": {"command": "echo L > left.txt"}},
            {"id": "right", "tool": "shell", "with": {"command": "echo R > right.txt"}},
            {"id": "one", "tool": "shell", "needs": ["left"], "with": {"command": "ls"}},
            {"id": "both", "tool": "shell", "needs": ["left", "right"], "with": {"command": "cat left.txt right.txt"}},
        ]
    }
    run = ada.finished(plan)
    assert run["status"] == "completed", run
    assert ada.output(run, "one")["stdout"].split() == ["left.txt"]
    assert ada.output(run, "both")["stdout"].split() == ["L", "R"]


def test_two_parallel_steps_that_write_one_path_differently_are_a_conflict(ada):
    plan = {
        "steps": [
            {"id": "left", "tool": "shell", "with": {"command": "echo L > same.txt"}},
            {"id": "right", "tool": "shell", "with": {"command": "echo R > same.txt"}},
            {"id": "join", "tool": "shell", "needs": ["left", "right"], "with": {"command": "cat same.txt"}},
        ]
    }
    run = ada.finished(plan)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "run.artifact_conflict"
    assert "left" in run["error"]["message"] and "right" in run["error"]["message"]


def test_steps_with_no_path_between_them_run_at_the_same_time(ada):
    steps = [{"id": f"s{number}", "tool": "shell", "with": {"command": "sleep 1"}} for number in range(3)]
    run = ada.finished({"steps": steps})
    assert run["status"] == "completed"
    begun = max(step["started_at"] for step in run["steps"]["items"])
    ended = min(step["completed_at"] for step in run["steps"]["items"])
    assert begun < ended


def test_a_failed_step_fails_the_run_and_says_why(ada):
    run = ada.finished(shell("echo before; echo wrong >&2; exit 3"))
    assert run["status"] == "failed"
    assert run["error"]["code"] == "tool.failed"
    assert ada.output(run, "main")["exit_code"] == 3
    logged = [event for event in run["logs"]["items"] if event["kind"] == "log"]
    assert {event["level"] for event in logged} >= {"info", "warn"}


def test_a_step_past_its_time_limit_is_killed(ada):
    begun = time.monotonic()
    run = ada.finished(shell("sleep 60", timeout="1s"))
    assert run["status"] == "failed" and run["error"]["code"] == "tool.timeout"
    assert time.monotonic() - begun < 20


def test_a_failing_step_is_repeated_as_often_as_it_says(ada):
    run = ada.finished(shell("exit 1", retry={"max": 2, "backoff": "100ms"}))
    assert run["status"] == "failed"
    begun = [
        event
        for event in run["logs"]["items"]
        if event["kind"] == "step" and event["payload"].get("status") == "running"
    ]
    assert len(begun) == 3, begun


def test_continue_on_error_lets_the_next_step_see_the_failure(ada):
    plan = {
        "steps": [
            {"id": "bad", "tool": "shell", "continue_on_error": True, "with": {"command": "exit 7"}},
            {
                "id": "next",
                "tool": "shell",
                "needs": ["bad"],
                "with": {"command": 'echo "$CODE"', "env": {"CODE": "${{ steps.bad.output.stdout }}"}},
            },
        ],
        "output": "${{ steps.bad.output.exit_code }}",
    }
    run = ada.finished(plan)
    assert run["status"] == "completed" and run["result"] == 7


def test_a_run_made_with_start_false_waits_for_start(ada):
    run = ada.create(noop(1), start=False)
    assert ada.status(run)["status"] == "pending"
    assert ada.act("start", run).json() == {"run_id": run, "status": "queued"}
    assert ada.wait(run)["status"] == "completed"
    refused(ada.act("start", run), 409, "run.state")
    refused(ada.act("resume", run), 409, "run.state")


def test_stop_kills_the_whole_process_tree_within_two_seconds(ada):
    marker = f"marker{time.time_ns()}"
    fork = "import os\nfor _ in range(2):\n  if os.fork() == 0: os.setsid()\n"
    code = f"{fork}os.execv('/usr/bin/sleep', ['{marker}', '300'])"
    run = ada.create(python(code))

    def alive() -> bool:
        return any(marker.encode() in _read(path) for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"))

    wait_for("the sandbox to run", alive)
    answer = ada.act("stop", run)
    assert answer.status_code == 200 and answer.json()["status"] == "cancelled"
    wait_for("the sandbox to be gone", lambda: not alive(), patience=2)
    assert ada.wait(run)["status"] == "cancelled"
    assert ada.act("stop", run).json()["status"] == "cancelled", "stop on a finished run changes nothing"


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_resume_keeps_settled_steps_and_retry_keeps_nothing(ada):
    plan = {
        "steps": [
            {"id": "first", "tool": "shell", "with": {"command": "date +%s%N | tee stamp.txt"}},
            {"id": "second", "tool": "shell", "needs": ["first"], "with": {"command": "exit 1"}},
        ]
    }
    run = ada.finished(plan)
    stamp = ada.output(run, "first")["stdout"]
    last = run["logs"]["items"][-1]["seq"]

    assert ada.act("resume", run["run_id"]).json()["status"] == "queued"
    ada.wait(run["run_id"])
    resumed = ada.everything(run["run_id"])
    assert ada.output(resumed, "first")["stdout"] == stamp
    assert resumed["logs"]["items"][-1]["seq"] > last

    assert ada.act("retry", run["run_id"]).json()["status"] == "queued"
    ada.wait(run["run_id"])
    retried = ada.everything(run["run_id"])
    stamps = [step["output"]["stdout"] for step in retried["steps"]["items"] if step["step_id"] == "first"]
    assert any(one != stamp for one in stamps), "retry runs every step again"


def test_the_same_key_gives_the_same_run(ada, eve):
    key = {"Idempotency-Key": "order-1"}
    first = ada.execute(action="create", plan=noop(1), metadata={"a": 1, "b": 2}, headers=key)
    again = ada.execute(metadata={"b": 2, "a": 1}, plan=noop(1), action="create", headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["run_id"] == again.json()["run_id"]
    refused(ada.execute(action="create", plan=noop(2), headers=key), 422, "request.idempotency_mismatch")
    other = eve.execute(action="create", plan=noop(1), metadata={"a": 1, "b": 2}, headers=key)
    assert other.status_code == 201 and other.json()["run_id"] != first.json()["run_id"]
    refused(ada.execute(action="create", plan=noop(1), headers={"Idempotency-Key": "k" * 256}), 400, "request.invalid")


def test_many_callers_with_one_key_make_one_run(ada):
    key = {"Idempotency-Key": "at-once"}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ada.execute(action="create", plan=noop(1), headers=key), range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert len({answer.json()["run_id"] for answer in answers}) == 1


def test_the_list_of_runs_is_newest_first_and_stable_under_inserts(ada):
    made = [ada.create(noop(1)) for _ in range(7)]
    page = ada.http.get("/agent/status", params={"limit": 3}).json()
    ada.create(noop(1))
    seen = [run["run_id"] for run in page["runs"]]
    while page["next_cursor"]:
        page = ada.http.get("/agent/status", params={"limit": 3, "cursor": page["next_cursor"]}).json()
        seen += [run["run_id"] for run in page["runs"]]
    assert seen == made[::-1]


def test_a_prompt_without_a_model_waits_and_says_so(ada):
    run = ada.create(prompt="write me a poem")
    found = ada.wait(run, "waiting")
    assert found["reason"]["code"] == "model.not_configured"
    why = ada.why(run).json()
    assert why["code"] == "model.not_configured" and why["message"]
    assert ada.act("stop", run).json()["status"] == "cancelled"
