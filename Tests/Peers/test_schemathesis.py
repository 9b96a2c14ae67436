"""The OpenAPI document is true: whatever is made out of it gets an answer that it describes, and never a 5xx."""

import os

import hypothesis
import pytest
import schemathesis
from agent import noop
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
def bearer(stack):
    """Somebody with a run."""
    caller = stack.caller()
    caller.finished(noop(1))
    yield caller.http.headers["Authorization"]
    caller.http.close()


@pytest.fixture(scope="module")
def document(stack):
    return schemathesis.openapi.from_url(f"{stack.url}/openapi.json")


def test_every_operation_answers_as_it_is_described(document, bearer):
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:

        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        def check(case):
            case.headers = {**(case.headers or {}), "Authorization": bearer}
            case.call_and_validate(
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

        check()
