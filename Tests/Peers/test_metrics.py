"""`/metrics`, read by Prometheus's own Python parser, and by its rules for what a scrape may hold."""

import math
import re
import shutil
import signal

import psycopg
import pytest
from agent import Caller, noop, shell, someone, token
from prometheus_client.parser import text_string_to_metric_families
from server import SECRET, Server, prepare, serve
from stack import REPOSITORY, folder, free_port, wait_for


@pytest.fixture
def families(ada, nobody) -> dict:
    """Everything there is after a run, by name."""
    ada.finished(shell("echo counted"))
    answer = nobody.http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in found}) == len(found), "a family stands there once"
    return {family.name: family for family in found}


def test_every_sample_belongs_to_a_family_with_its_kind_and_its_help(families):
    assert families
    ends = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}
    for family in families.values():
        assert family.type in ends and family.documentation, family
        assert {sample.name.removeprefix(family.name) for sample in family.samples} <= ends[family.type], family


def test_no_series_stands_there_twice_and_no_value_is_missing(families):
    series = [(one.name, *sorted(one.labels.items())) for family in families.values() for one in family.samples]
    assert len(set(series)) == len(series)
    assert not any(math.isnan(one.value) for family in families.values() for one in family.samples)


def test_a_histogram_s_buckets_grow_and_end_with_the_count(families):
    histograms = [family for family in families.values() if family.type == "histogram"]
    assert histograms
    for family in histograms:
        counts, buckets = {}, {}
        for one in family.samples:
            labels = tuple(sorted((name, value) for name, value in one.labels.items() if name != "le"))
            if one.name.endswith("_bucket"):
                buckets.setdefault(labels, []).append((float(one.labels["le"]), one.value))
            elif one.name.endswith("_count"):
                counts[labels] = one.value
        assert buckets.keys() == counts.keys(), family.name
        for labels, found in buckets.items():
            assert found == sorted(found) and [count for _, count in found] == sorted(count for _, count in found)
            assert found[-1] == (math.inf, counts[labels]), family.name


def test_labels_never_hold_what_callers_choose(ada, nobody):
    """Else whoever asks for enough names fills the server's memory."""
    ada.http.get("/agent/nowhere-to-be-found")
    ada.http.get("/agent/status", params={"run_id": ada.person})
    text = nobody.http.get("/metrics").text
    assert "nowhere-to-be-found" not in text and ada.person not in text


# What the manual names, on two servers whose past is known

_, _, OPERATION = (REPOSITORY / "docs/api.md").read_text().partition("## Operation")
NAMED = {
    name: set(labels.split(",")) - {""}
    for name, labels in re.findall(r"`((?:http|simplon)_\w+)(?:{([\w,]+)})?`", OPERATION)
    # Nobody asks a model here; test_money.py does, and looks at these.
    if not name.startswith("simplon_model_")
}


class Scraped:
    """A server's samples: its own figures, as they are now."""

    def __init__(self, port: int, person: str):
        url = f"http://127.0.0.1:{port}"
        self.caller = Caller(url, token(SECRET, f"{url}/auth/v1", person), person)
        wait_for("the server", lambda: self.caller.http.get("/health").status_code == 200)

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of one sample, None where it is not there."""
        return next((one.value for one in self.all() if one.name == name and one.labels == labels), None)

    def all(self) -> list:
        text = self.caller.http.get("/metrics").text
        return [one for family in text_string_to_metric_families(text) for one in family.samples]


def is_busy(samples: list) -> bool:
    found = {one.name: one.value for one in samples}
    return (found["simplon_worker_running_runs"], found["simplon_queue_ready_runs"]) == (1, 1)


@pytest.fixture(scope="module")
def told():
    """What two servers with one place for a run each tell, which had everything happen to them that is counted.

    The first one finds a run past its retention, runs one to its end, kills the step of a second one, and is stopped
    while it has a third one. The other one takes that up, while a fourth one waits for its place.
    """
    home, ports, person, processes = folder(), (free_port(), free_port()), someone(), []
    server = Server(home)

    def start(port: int) -> Scraped:
        settings = {"SIMPLON_LEASE": "1s", "SIMPLON_RUN_RETENTION": "1d", "SIMPLON_SLOTS": "1"}
        processes.append(serve("api,worker", server, home, port, **settings))
        return Scraped(port, person)

    try:
        prepare(server, home)
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute(
                f"""insert into public.agent_webhooks (user_id, url, events)
                values ('{person}', 'http://127.0.0.1:1/', array['run.failed']);
                insert into simplon.webhook_secrets select id, 'whsec_AAAA' from public.agent_webhooks"""
            )
            owner.execute(
                """insert into public.agent_runs (user_id, plan, status, completed_at)
                values (gen_random_uuid(), '{}', 'completed', now() - interval '2 days');
                insert into public.agent_instances (agent_id, agent_type, status, last_activity)
                values ('silent', 'general', 'idle', now() - interval '1 day')"""
            )
        first = start(ports[0])
        assert first.caller.finished(shell("echo one; echo two >&2"))["status"] == "completed"
        assert first.caller.finished(shell("sleep 300", timeout="1s"))["status"] == "failed"
        wait_for("old runs to be deleted", lambda: first("simplon_runs_deleted_total"))
        wait_for("a webhook to be called", lambda: first("simplon_webhook_attempts_total", outcome="failed"))
        wait_for("the silent agent to be missed", lambda: first("simplon_agents_lost_total"))
        long = first.caller.create(shell("sleep 300"))
        first.caller.wait(long, "running")

        second = start(ports[1])
        processes[0].send(signal.SIGSTOP)
        wait_for("the other one to take it up", lambda: second("simplon_runs_recovered_total"))
        short = second.caller.create(noop(1))
        busy = wait_for("one run and one that waits for it", lambda: is_busy(found := second.all()) and found)
        second.caller.act("stop", long)
        second.caller.wait(short)
        processes[0].send(signal.SIGCONT)
        wait_for("the first one to see that it lost it", lambda: first("simplon_runs_executed_total") == 3)
        yield {"the first": first.all(), "the other, busy": busy, "the other": second.all()}
    finally:
        for process in processes:
            process.stop()
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_the_manual_names_is_there_with_its_labels(told, name):
    samples = [one for found in told.values() for one in found if one.name.removesuffix("_count") == name]
    assert samples and all(set(one.labels) == NAMED[name] for one in samples), samples


def test_nothing_is_there_that_the_manual_does_not_name(told):
    """So a figure that somebody adds is written down, or seen here."""
    names = {re.sub("(_bucket|_sum|_count)$", "", one.name) for found in told.values() for one in found}
    assert names == set(NAMED) and len(names) > 10


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("the first", "simplon_runs_executed_total", 3),
        ("the first", "simplon_runs_deleted_total", 1),
        ("the first", "simplon_agents_lost_total", 1),
        ("the first", "simplon_log_lines_stored_total", 2),
        ("the first", "simplon_leases_lost_total", 1),
        ("the first", "simplon_runs_recovered_total", None),
        ("the other, busy", "simplon_runs_recovered_total", 1),
        ("the other, busy", "simplon_sandbox_waiting_steps", 0),
        ("the other", "simplon_runs_executed_total", 2),
        ("the other", "simplon_leases_lost_total", None),
    ],
)
def test_a_figure_counts_what_happened(told, where, name, value):
    assert next((one.value for one in told[where] if one.name == name), None) == value


def test_the_queue_s_age_is_in_seconds(told):
    age = next(one.value for one in told["the other, busy"] if one.name == "simplon_queue_oldest_seconds")
    assert 0 < age < 60


def test_a_killed_sandbox_is_counted_by_its_reason(told):
    kills = {one.labels["reason"]: one.value for one in told["the first"] if one.name == "simplon_sandbox_kills_total"}
    assert kills["timeout"] == 1, kills
