"""A prompt in the live page, from the form to the answer, in both dialects."""

import pytest
from browser import Window, badge, bearer
from playwright.sync_api import expect
from prompts import call, plan, questions_of, step
from prompts import clever, model  # fixtures

pytest_plugins = ["model_fixtures"]


@pytest.fixture
def stack(clever):
    """The page's fixtures ask for a stack of this name."""
    return clever


def test_a_prompt_is_sent_followed_and_answered(window, clever, models, script):
    failing = plan(step("look", "shell", command="exit 3"))
    again = {"text": "Once more.", **plan(step("look", "shell", command="echo found"))}
    name = script(failing, again, {"calls": [call("noop", x=1), call("nothing")]}, {"text": "It is <b>found</b>."})
    person = clever.caller()
    one: Window = window("#/new", person)
    one.page.get_by_label("A prompt").check()
    one.page.get_by_label("Prompt", exact=True).fill(f"[script:{name}] Find it.")
    one.page.get_by_role("button", name="Create run").click()
    expect(badge(one)).to_have_text("completed")
    expect(one.page.get_by_role("region", name="Result")).to_contain_text("It is <b>found</b>.")
    messages = one.page.locator(".messages > li")
    expect(messages).to_have_count(8)
    expect(messages.nth(1)).to_contain_text("plan → look")
    expect(messages.nth(3)).to_contain_text("Once more.")
    expect(messages.nth(5)).to_contain_text("nothing was refused")
    steps = one.page.locator(".steps > li")
    assert steps.evaluate_all("rows => rows.map((row) => row.dataset.step)") == [
        "model.1", "look", "model.2", "look@2", "model.3", "call.3.1", "model.4",
    ]  # fmt: skip
    assert one.page.locator("svg .node").count() == 1
    one.page.get_by_role("button", name="Retry").click()
    expect(one.page.locator(".facts").first).to_contain_text("Attempt2")
    expect(messages).to_have_count(8)
    assert len(questions_of(models, name)) >= 4
    assert bearer(person) not in "".join(one.asked)
