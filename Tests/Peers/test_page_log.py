"""The log in the live page: whatever happens to the stream, each line stands there once; and a long one stays quick."""

import re

from agent import shell
from browser import Wire, badge
from playwright.sync_api import expect
from stack import Stack, free_port, wait_for


def test_a_stream_that_is_cut_goes_on_without_a_gap_and_without_a_repeat(window, ada, stack):
    wire = Wire(stack.url)
    try:
        run = ada.create(shell("for n in $(seq 300); do echo line $n; [ $((n % 10)) -ne 0 ] || sleep 0.2; done"))
        one = window(f"#/runs/{run}", ada, url=wire.url)
        expect(one.page.locator(".lines li").first).to_be_visible()
        state = one.page.locator(".stream")
        cuts = 0
        while state.inner_text() != "Complete" and cuts < 5:
            before = len(one.numbers())
            wire.cut()
            cuts += 1
            wait_for(
                "more lines after the cut, or the end",
                lambda seen=before: len(one.numbers()) > seen or state.inner_text() == "Complete",
                pause=0.05,
            )
        assert cuts > 1, "the run was over too soon"
        expect(state).to_have_text("Complete")
        expect(badge(one)).to_have_text("completed")
        assert one.numbers() == list(range(1, len(ada.all_logs(run)) + 1))
    finally:
        wire.close()


def test_the_page_outlives_a_restart_of_the_server(window):
    own = Stack(arguments=["--port", str(free_port())])
    try:
        own.start()
        caller = own.caller()
        run = caller.create(shell("echo begun; sleep 3; echo over"))
        one = window(f"#/runs/{run}", caller, url=own.url)
        expect(one.page.locator(".lines")).to_contain_text("begun")
        assert own.process.stop() == 0
        expect(one.page.locator(".stream")).to_contain_text("Connection lost")
        own.start()
        expect(badge(one)).to_have_text("completed")
        expect(one.page.locator(".stream")).to_have_text("Complete")
        assert one.numbers() == list(range(1, len(caller.all_logs(run)) + 1))
    finally:
        own.remove()


def test_a_very_long_log_is_shown_in_part_and_read_when_asked_for(window, ada):
    run = ada.finished(shell("seq -f 'line %g' 6000"))
    last = ada.all_logs(run["run_id"])[-1]["seq"]
    one = window(f"#/runs/{run['run_id']}", ada)
    page = one.page
    expect(page.locator(".stream")).to_have_text("Complete")
    numbers = one.numbers()
    assert numbers == list(range(last - len(numbers) + 1, last + 1)), "it opens at the end"
    assert 100 < len(numbers) <= 1000
    page.locator(".log").scroll_into_view_if_needed()
    expect(page.get_by_text("line 6000", exact=True)).to_be_in_viewport()
    for _ in range(3):
        first = one.numbers()[0]
        page.get_by_role("button", name="Show earlier lines").click()
        wait_for("earlier lines", lambda before=first: one.numbers()[0] == before - 500)
        numbers = one.numbers()
        assert len(numbers) <= 1000 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    page.get_by_role("button", name=re.compile("Show later lines")).click()
    wait_for("later lines", lambda: one.numbers()[-1] > numbers[-1])
    page.get_by_role("button", name="Go to the end").click()
    expect(page.locator(f'.lines li[data-seq="{last}"]')).to_be_in_viewport()
    assert len(one.numbers()) <= 1000


def test_when_its_ticket_is_no_longer_good_the_page_gets_another(window, ada, stack, database):
    wire = Wire(stack.url)
    try:
        run = ada.create(shell("for n in $(seq 40); do echo line $n; sleep 0.1; done"))
        one = window(f"#/runs/{run}", ada, url=wire.url)
        expect(one.page.locator(".lines")).to_contain_text("line 1")
        database.execute("delete from simplon.tickets where run_id = %s", (run,))
        wire.cut()
        expect(one.page.locator(".stream")).to_contain_text("Connection lost")
        expect(one.page.locator(".stream")).to_have_text("Complete")
        assert one.numbers() == list(range(1, len(ada.all_logs(run)) + 1))
        assert sum(url.endswith("/agent/logs/ticket") for url in one.asked) == 2
    finally:
        wire.close()
