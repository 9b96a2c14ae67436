"""Questions and approvals in the live page: a person answers them there."""

import json

import pytest
from agent import refused
from browser import badge
from playwright.sync_api import expect

ORDER = {"id": "order", "tool": "noop", "with": {"item": "<b>lamp</b>"}, "approval": True}


def ask(**given) -> dict:
    return {"id": "who", "tool": "ask", "with": {"question": "Who is <i>it</i>?", **given}}


def question(one, step: str):
    return one.page.locator(f'[data-question="{step}"]')


def test_a_call_is_approved_in_the_page(window, ada):
    run = ada.create({"steps": [ORDER]})
    one = window(f"#/runs/{run}", ada)
    form = question(one, "order")
    expect(form).to_contain_text("Approve the call of noop by step order?")
    expect(form).to_contain_text("<b>lamp</b>")
    expect(form).to_contain_text("There is time until")
    form.get_by_role("button", name="Approve").click()
    expect(badge(one)).to_have_text("completed")
    expect(form).to_have_count(0)


def test_a_call_is_denied_with_a_message_by_keyboard(window, ada):
    run = ada.create({"steps": [ORDER]})
    one = window(f"#/runs/{run}", ada)
    form = question(one, "order")
    form.get_by_label("Message").fill("too dear")
    form.get_by_label("Message").press("Tab")
    expect(form.get_by_role("button", name="Approve")).to_be_focused()
    form.get_by_role("button", name="Approve").press("Tab")
    form.get_by_role("button", name="Deny").press("Enter")
    expect(badge(one)).to_have_text("failed")
    expect(one.page.locator(".ends-with")).to_contain_text("too dear")


def test_a_choice_has_to_be_made(window, ada):
    run = ada.create({"steps": [ask(choices=["Ada", "Eve"])]})
    one = window(f"#/runs/{run}", ada)
    form = question(one, "who")
    expect(form).to_contain_text("Who is <i>it</i>?")
    form.get_by_role("button", name="Send answer").click()
    expect(form.get_by_role("alert")).to_have_text("Choose one.")
    form.get_by_label("Eve").check()
    form.get_by_role("button", name="Send answer").click()
    expect(badge(one)).to_have_text("completed")
    answer = ada.everything(run)["steps"]["items"][0]["output"]["answer"]
    assert answer == "Eve"


def test_an_answer_in_json_is_checked_here_and_there(window, ada):
    run = ada.create({"steps": [ask(schema={"type": "integer"})]})
    one = window(f"#/runs/{run}", ada)
    form = question(one, "who")
    field, send = form.get_by_label("Answer in JSON"), form.get_by_role("button", name="Send answer")
    field.fill("{")
    send.click()
    expect(form.locator(".wrong")).to_contain_text("This is no JSON")
    field.fill('"x"')
    send.click()
    expect(form).to_contain_text("request.invalid")
    field.fill("42")
    send.click()
    expect(badge(one)).to_have_text("completed")


def test_what_is_being_written_stays_while_the_run_goes_on(window, ada):
    run = ada.create({"steps": [ask(), ORDER]})
    one = window(f"#/runs/{run}", ada)
    field = question(one, "who").get_by_label("Answer", exact=True)
    field.fill("half a")
    question(one, "order").get_by_role("button", name="Approve").click()
    expect(question(one, "order")).to_have_count(0)
    expect(field).to_have_value("half a")
    field.fill("a whole answer")
    question(one, "who").get_by_role("button", name="Send answer").click()
    expect(badge(one)).to_have_text("completed")


def test_a_response_that_came_first_is_told(window, ada):
    run = ada.create({"steps": [ORDER]})
    one = window(f"#/runs/{run}", ada)
    form = question(one, "order")
    expect(form).to_be_visible()
    said = {"code": "run.state", "message": "somebody has responded already", "details": None, "hint": None}
    one.page.route("**/agent/execute", lambda route: route.fulfill(status=409, body=json.dumps(said)))
    form.get_by_role("button", name="Deny").click()
    expect(form.get_by_role("alert")).to_contain_text("somebody has responded already")
    ada.execute(action="respond", run_id=run, step_id="order", decision="approve")
    expect(badge(one)).to_have_text("completed")
    refused(ada.execute(action="respond", run_id=run, step_id="order", decision="deny"), 409, "run.state")


@pytest.mark.parametrize(("button", "given"), [("It happened", None), ("Do it again", {"item": "<b>lamp</b>"})])
def test_whoever_has_looked_says_what_became_of_a_call(button, given, window, ada, database):
    run = ada.create({"steps": [ORDER]})
    ada.wait(run, "waiting")
    # As a call stands of which nobody knows whether it happened.
    database.execute("update agent_steps set effect = 'unknown', retry_at = null where run_id = %s", (run,))
    one = window(f"#/runs/{run}", ada)
    form = question(one, "order")
    expect(form).to_contain_text("Did the call of noop by step order happen?")
    expect(form).to_contain_text("<b>lamp</b>")
    form.get_by_role("button", name=button).click()
    expect(badge(one)).to_have_text("completed")
    expect(form).to_have_count(0)
    assert ada.everything(run)["steps"]["items"][0]["output"] == given
