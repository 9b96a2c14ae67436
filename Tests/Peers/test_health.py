"""`/ready` and its neighbours: what a probe and a person want to know of a server that serves and works."""

import psycopg
import pytest
from stack import wait_for

LEVELS = ("cgroup2", "cgroup1", "rlimits")  # unsandboxed and none are no levels to test anything else on


def details(caller) -> dict:
    answer = caller.http.get("/ready")
    assert answer.status_code == 200 and answer.json()["ready"] is True, answer.text
    assert set(answer.json()) == {"ready", "details"}
    return answer.json()["details"]


def test_it_says_how_well_programs_are_confined_and_why_no_better(nobody):
    sandbox = details(nobody)["sandbox"]
    assert set(sandbox) == {"level", "reason"} and sandbox["level"] in LEVELS
    assert (sandbox["reason"] is None) == (sandbox["level"] == LEVELS[0]), sandbox


def test_it_says_that_the_database_is_there_with_its_tables_and_its_queue(nobody):
    found = details(nobody)
    assert found["database"] == "ok" and found["events_have_a_place"] is True and found["realtime_enabled"] is False
    assert found["tables_accessible"] and all(found["tables_accessible"].values())
    assert set(found["queue"]) == {"ready", "oldest_seconds"} and found["queue"]["ready"] >= 0


@pytest.mark.parametrize("login", ["simplon_api", "simplon_worker"])
def test_it_says_how_long_a_transaction_of_ours_has_been_open(nobody, stack, login):
    """One that is forgotten keeps PostgreSQL from cleaning up, so its age shows, while it is there and no longer."""

    def age() -> float:
        return details(nobody)["oldest_transaction_seconds"] or 0.0

    with psycopg.connect(stack.login(login)) as forgotten:
        forgotten.execute("select 1")
        wait_for("an age that no request of a server at work has", lambda: age() > 1, patience=10)
        forgotten.rollback()
        wait_for("it to be gone", lambda: age() < 1, patience=10)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/api/v1/health/supabase"])
def test_probes_need_no_token(nobody, path):
    assert nobody.http.get(path).status_code == 200


def test_toolchains_around_supabase_get_their_answer(nobody):
    found = nobody.http.get("/api/v1/health/supabase").json()
    assert set(found) == {"status", "response_time_ms", "tables_accessible", "realtime_enabled"}
    assert found["status"] == "healthy" and found["response_time_ms"] > 0 and all(found["tables_accessible"].values())
