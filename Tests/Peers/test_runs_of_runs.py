"""Runs that come from runs, on the real program: a step that makes one, a tree that stops together, and forks."""

import json

import pytest
from agent import noop, refused, shell
from playwright.sync_api import expect
from prompts import WORK
from prompts import pair  # fixture
from stack import clean_environment, simplon

pytest_plugins = ["model_fixtures"]

TWICE = {
    "steps": [
        {"id": "a", "tool": "noop", "with": {"n": 1}},
        {"id": "b", "tool": "shell", "needs": ["a"], "with": {"command": 'printf "%s" "$N"', "env": {"N": "n${{ steps.a.output.n }}"}}},
    ],
    "output": {"answer": "${{ steps.b.output.stdout }}"},
}  # fmt: skip


def run_step(plan: dict, **more) -> dict:
    return {"id": "made", "tool": "run", "with": {"plan": plan, **more}}


def test_a_step_gives_what_came_of_its_run_and_the_files_that_it_kept(ada):
    below = {
        "steps": [{"id": "w", "tool": "shell", "with": {"command": "mkdir out; echo $((6*7)) > out/n.txt"}}],
        "artifacts": ["out/*"],
        "output": {"code": "${{ steps.w.output.exit_code }}"},
    }
    read = {"id": "read", "tool": "shell", "needs": ["made"], "with": {"command": "cat out/n.txt"}}
    run = ada.finished({"steps": [run_step(below, files=True), read]})
    assert run["status"] == "completed", run
    made = ada.output(run, "made")
    assert made["status"] == "completed" and made["result"] == {"code": 0}
    assert ada.output(run, "read")["stdout"].strip() == "42"
    assert ada.status(made["run_id"])["parent_id"] == run["run_id"]


def test_a_tree_stops_together_and_its_parent_says_what_it_waits_for(ada, eve):
    run = ada.create({"steps": [run_step({"steps": [run_step(shell("sleep 120"))]})]})
    found = ada.wait(run, "waiting")
    assert found["reason"]["code"] == "child_run", found
    assert ada.why(run).json()["code"] == "child_run"
    child = found["reason"]["details"]["children"][0]["run_id"]
    grandchild = ada.wait(child, "waiting")["reason"]["details"]["children"][0]["run_id"]
    ada.wait(grandchild, "running")
    refused(eve.act("stop", child), 404, "run.not_found")
    assert ada.act("stop", run).json()["status"] == "cancelled"
    for each in (run, child, grandchild):
        assert ada.status(each)["status"] == "cancelled"


def test_a_fork_takes_over_what_was_settled_before_it(ada, eve):
    run = ada.finished(TWICE)
    assert run["result"] == {"answer": "n1"}
    answer = ada.execute(action="fork", run_id=run["run_id"], step_id="a", output={"n": 2})
    assert answer.status_code == 200, answer.text
    fork = answer.json()["run_id"]
    ada.wait(fork)
    forked = ada.everything(fork)
    assert forked["result"] == {"answer": "n2"} and forked["forked_from"] == run["run_id"]
    assert ada.status(run["run_id"])["result"] == {"answer": "n1"}
    began = [event["payload"]["step_id"] for event in ada.all_logs(fork) if event["kind"] == "step"]
    assert set(began) == {"b"}
    snapshots = ada.status(run["run_id"], include_snapshots=True)["snapshots"]["items"]
    assert [(one["step_id"], one["fork_id"]) for one in snapshots] == [("a", fork)]

    refused(eve.execute(action="fork", run_id=run["run_id"]), 404, "run.not_found")
    refused(eve.execute(action="snapshot", run_id=run["run_id"]), 404, "run.not_found")
    refused(ada.execute(action="fork", run_id=run["run_id"], step_id="z"), 400, "request.invalid")
    refused(ada.execute(action="fork", run_id=run["run_id"], message="x"), 400, "request.invalid")
    taken = ada.execute(action="snapshot", run_id=run["run_id"])
    assert taken.status_code == 200 and set(taken.json()) == {"run_id", "status", "snapshot_id"}


def test_a_fork_with_another_model_goes_on_with_what_the_first_one_has_said_and_done(pair):
    first, second = pair.names
    planned = {"text": "A plan.", "thinking": "Hm.", **WORK}
    talk, one, two = pair.talk([planned, {"text": "The first."}], [{"text": "Not I."}, {"text": "The second."}])
    assert (talk.answer, len(one), two) == ("The first.", 2, [])
    fork = talk.fork(pair.keys[1], step_id="model.2", model=second).end()
    assert fork.answer == "The second." and fork.found["model"] == second
    assert fork.found["forked_from"] == talk.run
    assert [fork.steps[id]["output"]["model"] for id in ("model.1", "model.2")] == [first, second]
    assert fork.roles == ["user", "assistant", "tool", "assistant"] and fork.turns[0] == talk.turns[0]
    assert (fork.count("work", "running"), fork.count("model.1", "running")) == (0, 0)
    # The second one was asked once, in its own dialect, and took what the first one had said.
    (question,) = fork.questions
    assert (question.index, question.status) == (1, 200) and question.is_anthropic != one[0].is_anthropic
    ((result,),) = question.results
    assert not result.failed and "A plan." in question.transcript[-2]
    assert len(talk.questions) == 2


def test_a_fork_with_another_prompt_keeps_nothing(pair):
    talk, one, _ = pair.talk([WORK, {"text": "Done."}], [{"text": "Not I."}])
    fork = talk.fork(prompt="Another job.").end()
    assert fork.answer == "Done." and fork.found["forked_from"] == talk.run
    assert fork.messages[0]["content"]["text"] == "Another job." and list(fork.steps) == list(talk.steps)
    assert [fork.count(id, "running") for id in fork.steps] == [1] * len(fork.steps), "each was done anew"
    question = fork.questions[len(one)]
    assert question.index == 0 and question.results == [] and len(question.transcript) == len(one[0].transcript)
    assert "Another job." in question.transcript[-1] and talk.prompt not in question.raw


def test_the_command_line_forks(stack):
    caller = stack.caller()
    bearer = caller.http.headers["Authorization"].removeprefix("Bearer ")
    environment = clean_environment(SIMPLON_URL=stack.url, SIMPLON_TOKEN=bearer)
    run = caller.finished(noop(2))["run_id"]
    found = simplon("runs", "fork", run, "--at", "s0", "--output", '{"n": 1}', "--json", env=environment)
    assert found.returncode == 0, found
    fork = json.loads(found.stdout)["run_id"]
    assert caller.wait(fork)["forked_from"] == run
    for wrong in (["--output", "1"], ["--at", "s0", "--output", "{"], ["--at", "s0", "--at-message", "1"]):
        assert simplon("runs", "fork", run, *wrong, env=environment).returncode == 2
    caller.http.close()


@pytest.mark.parametrize("text, says", [("{", "This is no JSON"), ('{"n": 3}', None)])
def test_the_page_forks(window, ada, text, says):
    run = ada.finished(TWICE)["run_id"]
    one = window(f"#/runs/{run}", ada)
    one.page.locator("details.fork > summary").click()
    one.page.get_by_label("Begin at").select_option("a")
    one.page.get_by_label("Output of the step").fill(text)
    one.page.locator("[data-action=fork]").click()
    if says:
        expect(one.page.locator("#fork-wrong")).to_contain_text(says)
        return
    expect(one.page.locator(".facts").first).to_contain_text(f"Forked from{run}")
    fork = one.page.url.rpartition("/")[2]
    assert ada.wait(fork)["result"] == {"answer": "n3"}
