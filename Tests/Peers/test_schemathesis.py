"""The OpenAPI document is true: whatever is made out of it gets an answer that it describes, and never a 5xx.

Made-up ids find nothing, so half of the requests ask for a run, and a file, that are there: then the answers that hold
something are held against their schemas too.
"""

import datetime
import os
import uuid

import hypothesis
import pytest
import schemathesis
from agent import shell
from hypothesis import strategies
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

EXAMPLES = 400 if os.environ.get("SIMPLON_LONG_TESTS") else 40




@pytest.fixture(scope="module")
def owned(stack):
    """Somebody's token, run, file and agent, and the service's key."""
    caller, service = stack.caller(), stack.service()
    agent = service.http.post("/api/v1/agents", json={"agent_id": f"agent-{caller.person}"}).json()["agent_id"]
    run = caller.finished({**shell("echo said; echo wrong >&2; echo kept > kept.txt"), "artifacts": ["*.txt"]})
    yield {
        "bearer": caller.http.headers["Authorization"],
        "run": run["run_id"],
        "artifact": run["artifacts"]["items"][0]["id"],
        "service": service.http.headers["Authorization"],
        "agent": agent,
        "wake": lambda: service.http.patch(f"/api/v1/agents/{agent}", json={"status": "idle"}),
        "report": lambda: service.http.post("/api/v1/executions", json=report(agent)).json()["task_id"],
        "saved": lambda kind: saved(service, kind),
        "told": lambda: told(service),
    }
    caller.http.close()
    service.http.close()


@pytest.fixture(scope="module")
def document(stack):
    return schemathesis.openapi.from_url(f"{stack.url}/openapi.json")


def report(agent: str) -> dict:
    return {"agent_id": agent, "task_id": f"task-{uuid.uuid4()}", "task_type": "t"}


SAVED = {
    "workflows": {"plan": {"steps": [{"id": "only", "tool": "noop"}]}},
    "schedules": {"every": "365d", "run": {"prompt": "x"}},
}
WEBHOOK = {"url": "http://webhook.invalid/", "events": ["run.cancelled"]}


def saved(service, kind: str) -> str:
    """The name of a workflow or schedule that is there; what others left is deleted, as one may have so many only."""
    for one in service.http.get(f"/api/v1/{kind}").json()[kind]:
        service.http.delete(f"/api/v1/{kind}/{one['name']}")
    made = service.http.post(f"/api/v1/{kind}", json=SAVED[kind] | {"name": f"n-{uuid.uuid4()}"})
    assert made.status_code == 201, made.text
    return made.json()["name"]


def told(service) -> tuple[str, str]:
    """A webhook that is there, and a delivery of it."""
    for one in service.http.get("/api/v1/webhooks").json()["webhooks"]:
        service.http.delete(f"/api/v1/webhooks/{one['webhook_id']}")
    made = service.http.post("/api/v1/webhooks", json=WEBHOOK)
    assert made.status_code == 201, made.text
    webhook = made.json()["webhook_id"]
    service.act("stop", service.create(prompt="x", start=False))
    deliveries = service.http.get(f"/api/v1/webhooks/{webhook}/deliveries").json()["deliveries"]
    return webhook, deliveries[0]["delivery_id"]


def point_saved(case, owned: dict) -> None:
    """Makes a request ask for a workflow, a schedule or a webhook that is there, or make one."""
    places, kind = case.path_parameters or {}, case.path.split("/")[3]
    if "webhook_id" in places:
        places["webhook_id"], delivery = owned["told"]()
        if case.method == "POST":
            case.body = {"delivery_id": delivery}
    elif kind == "webhooks" and case.method == "POST":
        owned["told"]()  # leaves room for more
        case.body = dict(WEBHOOK)
    elif kind in SAVED:
        name = owned["saved"](kind)
        if "name" in places:
            places["name"] = name
        elif case.method == "POST":
            case.body = SAVED[kind] | {"name": f"n-{uuid.uuid4()}"}
    if case.method == "PATCH":
        case.body = {"description": "changed"} if kind != "schedules" else {"missed": "once"}
    if isinstance(case.query, dict):
        case.query.pop("cursor", None)
        case.query.pop("version", None)


def point(case, owned: dict) -> None:
    """Makes a request ask for what is there."""
    if case.path.startswith(("/api/v1/workflows", "/api/v1/schedules", "/api/v1/webhooks")):
        return point_saved(case, owned)
    places = case.path_parameters or {}
    if "id" in places:
        places["id"] = owned["artifact"]
    if "agent_id" in places:
        places["agent_id"] = owned["agent"]
    if "task_id" in places:
        places["task_id"] = owned["report"]()
    if case.method == "POST" and case.path.startswith("/api/v1") and isinstance(case.body, dict):
        point_registry(case.path, case.body, owned)
    for part in (case.query, case.body):
        if isinstance(part, dict):
            if "run_id" in part:
                part["run_id"] = owned["run"]
            if "id" in part:
                part["id"] = owned["artifact"]
            for made_up in ("cursor", "ticket"):
                part.pop(made_up, None)
            if "action" in part:
                # What goes with one action is refused with the other.
                action = part["action"]
                part.clear()
                part.update({"action": action} | ({"prompt": "x"} if action == "create" else {"run_id": owned["run"]}))


def point_registry(path: str, body: dict, owned: dict) -> None:
    """Makes a request to write what can be written."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    if path.endswith("/tasks"):
        owned["wake"]()  # a change before may have put it into maintenance
        body.clear()
        body.update({"task_type": "t", "prompt": "x"})
    elif path.endswith("/executions"):
        body.clear()
        body.update(report(owned["agent"]))
    elif path.endswith("/metrics"):
        body.update({"agent_id": owned["agent"], "period_start": now.isoformat()})
        body["period_end"] = (now + datetime.timedelta(hours=1)).isoformat()


def test_every_operation_answers_as_it_is_described_and_each_succeeds_for_what_is_there(document, owned):
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 10
    succeeded = set()
    for operation in operations:

        @hypothesis.given(case=operation.as_strategy(), there=strategies.booleans())
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        def check(case, there):
            bearer = owned["service" if "/api/v1/" in operation.path else "bearer"]
            case.headers = {**(case.headers or {}), "Authorization": bearer}
            if there:
                point(case, owned)
            answer = case.call_and_validate(
                timeout=30,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                    response_headers_conformance,
                    unsupported_method,
                ],
            )
            if answer.status_code < 300:
                succeeded.add(operation.label)

        check()
    assert {operation.label for operation in operations} == succeeded
