"""The OpenAPI document is true: whatever is made out of it gets an answer that it describes, and never a 5xx.

Made-up ids find nothing, so half of the requests ask for a run, and a file, that are there: then the answers that hold
something are held against their schemas too.
"""

import os

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
    """Somebody's token, run and file."""
    caller = stack.caller()
    run = caller.finished({**shell("echo said; echo wrong >&2; echo kept > kept.txt"), "artifacts": ["*.txt"]})
    yield {
        "bearer": caller.http.headers["Authorization"],
        "run": run["run_id"],
        "artifact": run["artifacts"]["items"][0]["id"],
    }
    caller.http.close()


@pytest.fixture(scope="module")
def document(stack):
    return schemathesis.openapi.from_url(f"{stack.url}/openapi.json")


def point(case, owned: dict) -> None:
    """Makes a request ask for what is there."""
    if "id" in (case.path_parameters or {}):
        case.path_parameters["id"] = owned["artifact"]
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


def test_every_operation_answers_as_it_is_described_and_each_succeeds_for_what_is_there(document, owned):
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 10
    succeeded = set()
    for operation in operations:

        @hypothesis.given(case=operation.as_strategy(), there=strategies.booleans())
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        def check(case, there):
            case.headers = {**(case.headers or {}), "Authorization": owned["bearer"]}
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
