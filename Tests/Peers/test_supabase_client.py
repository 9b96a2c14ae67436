"""The official Python client, unmodified, calls the agent API as edge functions."""

import time

import pytest
from agent import noop, someone
from supabase import create_client
from supabase_functions.errors import FunctionsHttpError


@pytest.fixture
def client(stack):
    """A client as an app makes it, signed in as somebody."""
    client = create_client(stack.url, stack.ready["anon_key"])
    client.functions.set_auth(stack.token(someone()))
    return client


def invoke(client, name: str, **body) -> dict:
    answer = client.functions.invoke(name, invoke_options={"body": body, "responseType": "json"})
    assert isinstance(answer, dict), answer
    return answer


def test_a_run_from_create_to_its_log(client):
    run = invoke(client, "agent-execute", action="create", plan=noop(2))
    until = time.monotonic() + 60
    while (found := invoke(client, "agent-status", run_id=run["run_id"], include_steps=True))["status"] != "completed":
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert len(found["steps"]["items"]) == 2
    logs = invoke(client, "agent-logs", run_id=run["run_id"], mode="poll")["logs"]
    assert [row["seq"] for row in logs] == list(range(1, len(logs) + 1))
    assert logs[-1]["kind"] == "done"


def test_an_error_s_message_reaches_the_caller(client):
    with pytest.raises(FunctionsHttpError) as raised:
        invoke(client, "agent-execute", action="create", plan=noop(1), colour="red")
    assert "colour" in raised.value.message


def test_with_the_anonymous_key_alone_nobody_has_runs(stack):
    client = create_client(stack.url, stack.ready["anon_key"])
    with pytest.raises(FunctionsHttpError):
        invoke(client, "agent-execute", action="create", plan=noop(1))


@pytest.mark.parametrize("key", ["publishable_key", "anon_key"])
def test_a_person_s_token_beats_the_key(stack, key):
    client = create_client(stack.url, stack.ready[key])
    client.functions.set_auth(stack.token(someone()))
    assert invoke(client, "agent-status")["runs"] == []


@pytest.mark.parametrize("key", ["service_role_key", "secret_key"])
def test_the_service_sees_every_run(stack, client, key):
    run = invoke(client, "agent-execute", action="create", plan=noop(1))["run_id"]
    service = create_client(stack.url, stack.ready[key])
    assert invoke(service, "agent-status", run_id=run)["run_id"] == run
