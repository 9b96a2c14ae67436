"""The live page at `/` in a real browser: what a person does there, by mouse and by keyboard."""

import json

from agent import noop, shell
from browser import Window, badge, bearer
from playwright.sync_api import expect

DIAMOND = {
    "name": "diamond",
    "steps": [
        {"id": "top", "tool": "noop"},
        {"id": "left", "tool": "noop", "needs": ["top"]},
        {"id": "right", "tool": "noop", "needs": ["top"]},
        {"id": "end", "tool": "noop", "needs": ["left", "right"]},
    ],
}


def shown(window: Window) -> list[str]:
    """The actions that the page offers."""
    return window.page.locator(".actions button:visible").all_inner_texts()


# Signing in


def test_a_wrong_token_is_refused_and_a_right_one_is_kept_in_this_tab_alone(window, ada):
    one = window()
    page = one.page
    field = page.get_by_label("Token or key")
    expect(field).to_be_focused()
    for wrong, says in (("", "Paste a token"), ("two words", "no spaces"), ("nonsense", "auth.invalid")):
        field.fill(wrong)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text(says)
        assert page.evaluate("sessionStorage.length") == 0
    one.sign_in(bearer(ada))
    expect(page.get_by_role("heading", name="Runs")).to_be_focused()
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    assert one.context.cookies() == []
    assert not any(bearer(ada) in url for url in one.asked)
    page.get_by_role("button", name="Sign out").click()
    expect(field).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    assert page.locator("table").count() == 0


def test_when_the_token_ends_the_page_asks_again_and_goes_on_where_it_was(window, ada):
    run = ada.finished(DIAMOND)["run_id"]
    one = window(f"#/runs/{run}", ada)
    expect(badge(one)).to_have_text("completed")
    ended = json.dumps({"code": "auth.expired", "message": "the token has ended", "details": None, "hint": None})
    one.page.route("**/agent/execute", lambda route: route.fulfill(status=401, body=ended))
    one.page.get_by_role("button", name="Retry").click()
    expect(one.page.get_by_role("alert")).to_contain_text("the token has ended")
    one.sign_in(bearer(ada))
    expect(one.page.get_by_role("heading", name="diamond")).to_be_visible()


# The list


def test_runs_are_listed_newest_first_a_page_at_a_time(window, ada):
    made = [ada.create(noop(1), start=False, metadata={"title": f"job {number}"}) for number in range(30)]
    one = window(caller=ada)
    rows = one.page.locator("tbody tr")
    ids = "rows => rows.map((row) => row.dataset.run)"
    expect(rows).to_have_count(25)
    assert rows.evaluate_all(ids) == made[:4:-1]
    expect(rows.first).to_contain_text("job 29")
    expect(rows.first).to_contain_text("pending")
    newer = one.page.get_by_role("button", name="Newer")
    expect(newer).to_be_disabled()
    one.page.get_by_role("button", name="Older").click()
    expect(rows).to_have_count(5)
    assert rows.evaluate_all(ids) == made[4::-1]
    expect(one.page.get_by_role("button", name="Older")).to_be_disabled()
    newer.click()
    expect(rows).to_have_count(25)
    # A run that comes meanwhile comes to the top by itself.
    ada.create(noop(1), start=False, metadata={"title": "the newest"})
    expect(rows.first).to_contain_text("the newest")


# One run


def test_a_run_is_shown_live_to_its_end(window, ada):
    command = "for n in 1 2 3 4 5 6; do echo line $n; sleep 0.4; done"
    slow = {"id": "slow", "tool": "shell", "with": {"command": command}}
    run = ada.create({"steps": [slow, {"id": "after", "tool": "noop", "needs": ["slow"]}], "output": {"answer": 42}})
    one = window(f"#/runs/{run}", ada)
    page = one.page
    expect(badge(one)).to_have_text("running")
    expect(page.locator(".why-not")).to_contain_text("running")
    expect(page.locator(".lines")).to_contain_text("line 1")
    assert "line 6" not in page.locator(".lines").inner_text(), "it came in one go"
    expect(page.locator(".stream")).to_have_text("Live")
    created = page.locator(".facts time").first.element_handle()
    expect(page.locator('[data-node="after"]')).to_have_attribute("data-status", "pending")
    expect(badge(one)).to_have_text("completed")
    expect(page.locator(".stream")).to_have_text("Complete")
    for step in ("slow", "after"):
        expect(page.locator(f'[data-node="{step}"]')).to_have_attribute("data-status", "completed")
        expect(page.locator(f'[data-step="{step}"] .badge')).to_have_text("completed")
    expect(page.get_by_role("status")).to_have_text("The run is completed")
    expect(page.locator(".ends-with")).to_contain_text("answer")
    expect(page.locator(".why-not")).to_be_hidden()
    assert created.evaluate("(it) => it.isConnected"), "what did not change was made anew, and a selection in it is lost"
    events = ada.all_logs(run)
    assert one.numbers() == [event["seq"] for event in events] == list(range(1, len(events) + 1))
    page.locator('[data-step="slow"] summary').click()
    expect(page.locator('[data-step="slow"] .body')).to_contain_text("line 6")
    expect(page.locator('[data-step="slow"] .body')).to_contain_text("exit_code")


def test_the_graph_puts_each_step_behind_what_it_needs(window, ada):
    one = window(f"#/runs/{ada.finished(DIAMOND)['run_id']}", ada)
    expect(one.page.locator(".node")).to_have_count(4)
    expect(one.page.locator(".edge.passed")).to_have_count(4)
    boxes = {name: one.page.locator(f'[data-node="{name}"]').bounding_box() for name in ("top", "left", "right", "end")}
    assert boxes["top"]["x"] < boxes["left"]["x"] == boxes["right"]["x"] < boxes["end"]["x"]
    assert abs(boxes["left"]["y"] - boxes["right"]["y"]) >= boxes["left"]["height"]
    name = "end, noop, completed, needs left, right"
    expect(one.page.get_by_role("button", name=name)).to_be_visible()
    # A status is not told by colour alone: it has a word and a shape.
    expect(one.page.locator('[data-node="end"] .state')).to_contain_text("completed")
    assert one.page.locator('[data-node="end"] .shape > *').count() > 0


def test_a_failed_run_says_why_and_where(window, ada):
    bad = {"id": "bad", "tool": "shell", "with": {"command": "echo wrong >&2; exit 3"}}
    plan = {"steps": [bad, {"id": "never", "tool": "noop", "needs": ["bad"]}]}
    one = window(f"#/runs/{ada.finished(plan)['run_id']}", ada)
    expect(badge(one)).to_have_text("failed")
    expect(one.page.locator(".fault").first).to_contain_text("tool.failed")
    expect(one.page.locator(".lines .warn")).to_contain_text("wrong")
    expect(one.page.locator('[data-node="bad"]')).to_have_attribute("data-status", "failed")


def test_it_says_why_a_run_waits(window, ada):
    run = ada.create(prompt="Write a poem\nabout tunnels")
    one = window(f"#/runs/{run}", ada)
    expect(badge(one)).to_have_text("waiting")
    expect(one.page.locator(".why-not")).to_contain_text("model.not_configured")
    expect(one.page.get_by_role("heading", name="Write a poem")).to_be_visible()
    expect(one.page.locator(".ends-with")).to_contain_text("about tunnels")


def test_another_s_run_is_as_if_it_did_not_exist(window, ada, eve):
    run = ada.finished(shell("echo secret"))["run_id"]
    one = window(f"#/runs/{run}", eve)
    expect(one.page.get_by_role("alert").first).to_contain_text("run.not_found")
    assert "secret" not in one.page.content()
    assert one.page.locator(".columns").is_hidden()
    one.page.get_by_role("link", name="Runs").click()
    expect(one.page.locator("table")).to_contain_text("No runs yet")


# Actions


def test_each_status_offers_its_actions_and_each_does_what_it_says(window, ada):
    run = ada.create(shell("echo begun; sleep 120"), start=False)
    one = window(f"#/runs/{run}", ada)
    expect(badge(one)).to_have_text("pending")
    assert shown(one) == ["Start", "Stop"]
    one.page.get_by_role("button", name="Start").click()
    expect(badge(one)).to_have_text("running")
    expect(one.page.locator(".lines")).to_contain_text("begun")
    assert shown(one) == ["Stop"]
    one.page.get_by_role("button", name="Stop").click()
    expect(badge(one)).to_have_text("cancelled")
    assert shown(one) == ["Resume", "Retry"]
    expect(one.page.get_by_role("button", name="Resume")).to_be_focused()
    one.page.get_by_role("button", name="Resume").click()
    expect(badge(one)).to_have_text("running")
    one.page.get_by_role("button", name="Stop").click()
    expect(badge(one)).to_have_text("cancelled")
    one.page.get_by_role("button", name="Retry").click()
    expect(badge(one)).to_have_text("running")
    expect(one.page.locator(".facts").first).to_contain_text("Attempt2")
    one.page.get_by_role("button", name="Stop").click()
    expect(badge(one)).to_have_text("cancelled")
    expect(one.page.locator(".stream")).to_have_text("Complete")
    events = ada.all_logs(run)
    assert one.numbers() == list(range(1, len(events) + 1)), "the log went on through every end"


def test_what_the_server_refuses_is_shown(window, ada):
    one = window(f"#/runs/{ada.finished(noop(1))['run_id']}", ada)
    answer = json.dumps({"code": "run.state", "message": "not now", "details": None, "hint": "later"})
    one.page.route("**/agent/execute", lambda route: route.fulfill(status=409, body=answer))
    one.page.get_by_role("button", name="Retry").click()
    expect(one.page.get_by_role("alert")).to_contain_text("run.state")
    expect(one.page.get_by_role("alert")).to_contain_text("later")
    expect(badge(one)).to_have_text("completed")


# A new run


def test_a_run_is_made_of_a_plan_or_a_prompt(window, ada, database):
    one = window("#/new", ada)
    page = one.page
    plan = page.get_by_label("Plan", exact=True)
    create = page.get_by_role("button", name="Create run")
    plan.fill('{"steps": [')
    create.click()
    expect(page.get_by_role("alert")).to_contain_text("This is no JSON")
    expect(plan).to_be_focused()
    plan.fill('{"steps": [{"id": "a", "tool": "dance"}]}')
    create.click()
    expect(page.get_by_role("alert").last).to_contain_text("plan.unknown_tool")
    plan.fill(json.dumps(DIAMOND))
    create.click()
    expect(badge(one)).to_have_text("completed")
    run = page.url.rpartition("/")[2]
    assert ada.status(run)["plan"]["name"] == "diamond"

    page.goto(f"{one.url}/#/new")
    page.get_by_label("A prompt").check()
    page.get_by_label("Prompt", exact=True).fill("Do something")
    page.get_by_label("Start it at once").uncheck()
    page.get_by_text("Limits", exact=True).click()
    cost = page.get_by_label("Most it may cost")
    cost.fill("much")
    create.click()
    expect(page.get_by_role("alert").last).to_contain_text("max_cost")
    page.get_by_label("Model", exact=True).fill("anthropic/some-model")
    page.get_by_label("Tools").fill("noop, http,")
    page.get_by_label("Connectors").fill("crm")
    cost.fill("0.5")
    create.click()
    expect(badge(one)).to_have_text("pending")
    made = ada.status(page.url.rpartition("/")[2])
    assert made["prompt"] == "Do something"
    columns = "select model, tools, connectors, budget from public.agent_runs where id = %s"
    assert database.execute(columns, (made["run_id"],)).fetchone() == ("anthropic/some-model", ["noop", "http"], ["crm"], {"max_cost": 0.5})
