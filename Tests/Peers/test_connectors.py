"""What a model is told of connectors: those that serve its run, and no others."""

import json

import pytest
from agent import someone
from prompts import Question, Talk, plan, settings
from prompts import model  # a fixture
from stack import Stack

pytest_plugins = ["model_fixtures"]

OWNER = someone()
CONNECTORS = [
    {"name": "zoo", "kind": "http", "base_url": "https://zoo.example", "methods": ["GET", "POST"]},
    {"name": "crm", "kind": "http", "base_url": "https://crm.example", "users": [OWNER]},
    {"name": "warehouse", "kind": "postgres", "dsn": "host=127.0.0.1 port=1 user=x dbname=x", "users": [OWNER]},
]


@pytest.fixture(scope="module")
def house(models, model):
    """A stack with the model and the connectors."""
    stack = Stack(environment=settings(models, model) | {"SIMPLON_CONNECTORS": json.dumps(CONNECTORS)})
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def first(house, models, script):
    """Puts a prompt as somebody; gives the first question to the model."""

    def put(person: str, **more) -> Question:
        caller = house.caller(person)
        talk = Talk(caller, models, script(plan(answer="Done.")), **more).end()
        caller.http.close()
        (question,) = talk.questions
        return question

    return put


def tools(question: Question) -> dict[str, tuple[str, dict]]:
    """What the model reads of each tool: its description, and its fields."""
    schema = "input_schema" if question.is_anthropic else "parameters"
    listed = [tool if question.is_anthropic else tool["function"] for tool in question.body["tools"]]
    return {tool["name"]: (tool["description"], tool[schema].get("properties", {})) for tool in listed}


def test_a_model_is_told_the_connectors_that_serve_its_run(first):
    question = first(OWNER)
    told = tools(question)
    text, fields = told["http"]
    assert fields["connector"]["enum"] == ["crm", "zoo"]
    assert text.endswith(" Connectors: crm (read-only), zoo (may write).")
    text, fields = told["sql"]
    assert fields["connector"]["enum"] == ["warehouse"]
    assert text.endswith(" Connectors: warehouse (read-only).")
    assert json.dumps(first(OWNER).body["tools"]) == json.dumps(question.body["tools"]), "the same each time"


def test_a_model_is_told_of_no_connector_that_is_for_others(first):
    question = first(someone())
    told = tools(question)
    assert told["http"][1]["connector"]["enum"] == ["zoo"]
    assert "sql" not in told and "sql" not in told["plan"][1]["steps"]["items"]["properties"]["tool"]["enum"]
    assert "crm" not in question.raw and "warehouse" not in question.raw


def test_a_model_is_told_of_no_connector_that_its_run_may_not_use(first):
    told = tools(first(OWNER, connectors=["warehouse", "unknown"]))
    assert told["sql"][1]["connector"]["enum"] == ["warehouse"]
    text, fields = told["http"]
    assert "connector" not in fields and "path" not in fields and "onnector" not in text + fields["url"]["description"]
