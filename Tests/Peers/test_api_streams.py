"""The stream is the log: every event once, in order, from any place, for whoever may see it."""

import threading
import time

import httpx
import pytest
from agent import Caller, noop, refused, shell
from stack import Stack, wait_for


def the_same(event, row: dict) -> None:
    """A streamed event says what the stored row says."""
    assert (event.id, event.kind) == (row["seq"], row["kind"])
    assert event.json == row


@pytest.fixture
def talker(ada):
    """A finished run with a few dozen events."""
    return ada.finished(
        {
            "steps": [
                {
                    "id": "speak",
                    "tool": "shell",
                    "with": {"command": "for n in 1 2 3 4 5 6 7 8; do echo line $n; done"},
                },
                {"id": "again", "tool": "shell", "needs": ["speak"], "with": {"command": "echo more; echo wrong >&2"}},
            ]
        }
    )


def test_the_stream_equals_the_table(ada, talker, database):
    streamed = ada.stream(talker["run_id"])
    rows = database.execute(
        "select seq, kind, payload from public.agent_task_logs where run_id = %s order by seq", (talker["run_id"],)
    ).fetchall()
    assert [(event.id, event.kind) for event in streamed] == [(seq, kind) for seq, kind, _ in rows]
    assert [event.id for event in streamed] == list(range(1, len(rows) + 1))
    assert streamed[-1].kind == "done"
    polled = ada.all_logs(talker["run_id"], page=3)
    assert len(polled) == len(rows)
    for event, row, (_, _, payload) in zip(streamed, polled, rows, strict=True):
        the_same(event, row)
        assert row["payload"] == payload


def test_a_stream_resumes_after_every_event(ada, talker):
    run, everything = talker["run_id"], ada.stream(talker["run_id"])
    for number in range(len(everything)):
        assert ada.stream(run, last_event_id=number) == everything[number:]
        assert ada.stream(run, after=number) == everything[number:]
    assert ada.stream(run, after=0, last_event_id=2) == everything[2:], "what the browser saw last beats the address"


def test_a_finished_stream_reopened_at_its_end_answers_204(ada, talker):
    last = talker["logs"]["items"][-1]["seq"]
    headers = {"Last-Event-ID": str(last)}
    answer = ada.http.get("/agent/logs", params={"run_id": talker["run_id"], "mode": "stream"}, headers=headers)
    assert answer.status_code == 204 and answer.content == b"", f"{headers}: {answer.text}"


def test_events_arrive_while_the_run_runs(ada):
    run = ada.create(shell("for n in 1 2 3 4 5; do echo line $n; sleep 0.3; done"))
    arrivals = [(time.monotonic(), event) for event in ada.follow(run)]
    assert [event.id for _, event in arrivals] == list(range(1, len(arrivals) + 1))
    assert arrivals[-1][1].kind == "done"
    lines = [at for at, event in arrivals if event.kind == "log"]
    assert lines[-1] - lines[0] > 0.6, "the lines came in one go"


def test_a_reader_that_is_cut_off_again_and_again_misses_nothing(ada):
    run = ada.create(shell("for n in $(seq 200); do echo line $n; [ $((n % 20)) -ne 0 ] || sleep 0.05; done"))
    seen = []
    for _ in range(500):
        for event in ada.follow(run, last_event_id=seen[-1].id if seen else None):
            seen.append(event)
            if len(seen) % 17 == 0:
                break
        if seen and seen[-1].kind == "done":
            break
    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert seen == ada.stream(run)


def test_many_readers_of_one_run_see_the_same(ada):
    run = ada.create(shell("for n in $(seq 50); do echo line $n; sleep 0.01; done"))
    found: list = [None] * 20

    def read(place: int) -> None:
        found[place] = ada.stream(run)

    readers = [threading.Thread(target=read, args=(place,)) for place in range(len(found))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert all(one == found[0] for one in found) and found[0][-1].kind == "done"


def test_the_level_is_the_least_that_a_page_shows(ada, talker):
    warned = ada.logs(talker["run_id"], level="warn")["logs"]
    assert warned and all(row["level"] in ("warn", "error") for row in warned)


def test_bad_bytes_from_a_tool_are_shown_and_marked(ada):
    run = ada.finished(shell(r"printf 'a\000b\377c\n'"))
    assert run["status"] == "completed", run["error"]
    assert ada.output(run, "main")["stdout"].rstrip("\n") == "a\ufffdb\ufffdc"
    assert any("a\ufffdb\ufffdc" in str(event["payload"]) for event in run["logs"]["items"] if event["kind"] == "log")


def test_more_output_than_the_cap_is_cut_and_says_so(ada):
    run = ada.finished(shell("yes 0123456789 | head -c 60000000"))
    assert run["status"] in ("completed", "failed")
    assert ada.output(run, "main")["truncated"] is True
    assert len(ada.output(run, "main")["stdout"]) < 60_000_000


# Tickets


def ticket_of(caller: Caller, run: str) -> str:
    answer = caller.http.post("/agent/logs/ticket", json={"run_id": run})
    assert answer.status_code in (200, 201), answer.text
    assert set(answer.json()) == {"ticket", "expires_at"}
    return answer.json()["ticket"]


def test_a_ticket_opens_its_run_s_stream_without_a_token(ada, nobody, talker):
    ticket = ticket_of(ada, talker["run_id"])
    whole = ada.stream(talker["run_id"])
    assert nobody.stream(talker["run_id"], ticket=ticket) == whole
    assert nobody.stream(talker["run_id"], last_event_id=2, ticket=ticket) == whole[2:], "EventSource reopens by itself"


def test_a_ticket_opens_nothing_else(ada, eve, nobody, talker, database):
    run, ticket = talker["run_id"], ticket_of(ada, talker["run_id"])
    other = ada.create(noop(1))
    theirs = eve.create(noop(1))
    for strange in (other, theirs):
        refused(
            nobody.http.get("/agent/logs", params={"run_id": strange, "mode": "stream", "ticket": ticket}),
            401,
            "auth.ticket",
        )
    for wrong in (ticket[:-1], ticket + "x", "", "null", "a" * 5000):
        answer = nobody.http.get("/agent/logs", params={"run_id": run, "mode": "stream", "ticket": wrong})
        assert answer.status_code in (400, 401, 413, 414, 431), answer.text
    assert nobody.http.get("/agent/status", params={"run_id": run, "ticket": ticket}).status_code in (400, 401)
    assert (
        nobody.http.get(
            "/agent/status", params={"run_id": run}, headers={"Authorization": f"Bearer {ticket}"}
        ).status_code
        == 401
    )
    columns = database.execute("select string_agg(t::text, ' ') from simplon.tickets t").fetchone()[0]
    assert ticket not in columns, "the table holds a hash, never the ticket"


def test_a_ticket_is_in_no_log(ada, nobody, stack, talker):
    ticket = ticket_of(ada, talker["run_id"])
    nobody.stream(talker["run_id"], ticket=ticket)
    log = stack.home / "simplon.log"
    wait_for("the request's line", lambda: "ticket=[redacted]" in log.read_text(), patience=10)
    assert ticket not in log.read_text()


def test_streams_end_with_a_hint_when_the_server_stops():
    own = Stack()
    try:
        own.start()
        caller = own.caller()
        run = caller.create(shell("echo ready; sleep 30"))
        seen, begun = [], threading.Event()

        def read() -> None:
            try:
                with caller.http.stream("GET", "/agent/logs", params={"run_id": run, "mode": "stream"}) as answer:
                    for line in answer.iter_lines():
                        seen.append(line)
                        begun.set()
            except httpx.HTTPError as error:
                seen.append(f"broken: {error!r}")

        reader = threading.Thread(target=read)
        reader.start()
        assert begun.wait(30)
        assert own.stop() == 0
        reader.join(30)
        assert not any(line.startswith("broken") for line in seen), seen
        assert any(line.startswith("event: reconnect") for line in seen), seen
    finally:
        own.remove()
