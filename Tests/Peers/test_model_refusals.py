"""The scripted model server refuses what the vendors refuse, in their form."""

import itertools
import re

import pytest
from model_clients import CLAUDE, FUNCTIONS, GO, GPT, TOOLS

pytest_plugins = ["model_fixtures"]


def call_of(name: str, identifier: str = "toolu_1", given: object = None) -> dict:
    return {"type": "tool_use", "id": identifier, "name": name, "input": {} if given is None else given}


def result_of(identifier: str = "toolu_1") -> dict:
    return {"type": "tool_result", "tool_use_id": identifier, "content": "ok"}


def turns(*contents: str | list) -> list[dict]:
    return [
        {"role": role, "content": content} for role, content in zip(itertools.cycle(("user", "assistant")), contents)
    ]


MARK = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
HOUR = {**MARK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
TEXTS = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperatur": 1}, "temperatur: Extra inputs are not permitted"),
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"model": 5}, "model: Input should be a valid string"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{**GO, "name": "ada"}]}, "messages.0: Extra inputs"),
        ({"messages": turns([call_of("f")])}, "Input tag 'tool_use'"),
        ({"messages": [{"role": "user"}]}, "right form"),
        ({"messages": turns("a", "b")}, "prefill"),
        ({"messages": [GO, GO]}, "roles must alternate"),
        ({"messages": turns("a", "b", "c")[1:]}, "first message"),
        ({"messages": turns("a", [call_of("f")], "c")}, "without `tool_result` blocks"),
        ({"messages": turns("a", [call_of("f")])}, "without `tool_result` blocks"),
        ({"messages": turns("a", [call_of("f")], [TEXTS, result_of()])}, "without `tool_result` blocks"),
        ({"messages": turns("a", [call_of("f"), call_of("g", "t2")], [result_of()])}, "after: t2"),
        ({"messages": turns("a", [call_of("f")], [result_of(), result_of("t3")])}, "unexpected `tool_use_id`.*t3"),
        ({"messages": turns("a", [call_of("f"), call_of("g")], [result_of()])}, "must be unique"),
        ({"messages": turns("a", [call_of("f", given="x")], [result_of()])}, "valid dictionary"),
        ({"messages": turns("a", [call_of("f", "a b")], [result_of("a b")])}, "tool_use.id"),
        ({"messages": turns([TEXTS, {"type": "text", "text": ""}])}, "non-whitespace"),
        ({"messages": turns([])}, "non-empty content"),
        ({"messages": turns([MARK] * 5)}, "Found 5"),
        ({"messages": turns([MARK, HOUR])}, "must not come after"),
        ({"messages": turns([{**TEXTS, "cache_control": {"type": "ephemeral", "ttl": "2h"}}])}, "cache_control"),
        ({"tools": [{**TOOLS[0], "name": "a b"}]}, "tools.0.custom.name"),
        ({"tools": [{**TOOLS[0], "input_schema": {}}]}, "input_schema.type"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "unique"),
        ({"tools": TOOLS, "tool_choice": {"type": "required"}}, "unknown type"),
        ({"tool_choice": {"type": "any"}}, "while providing"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
        ({**ENABLED, "tools": TOOLS, "tool_choice": {"type": "tool", "name": "shell"}}, "forces tool use"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": 99}}, "equal to 1024"),
        ({**ENABLED, "max_tokens": 1024}, "greater than `thinking.budget_tokens`"),
        ({**ENABLED, "messages": turns("a", [call_of("f")], [result_of()])}, "Expected `thinking`"),
        (
            {"messages": turns("a", [{"type": "thinking", "thinking": "x", "signature": "y"}], "b")},
            "Invalid `signature`",
        ),
    ],
)
def test_what_anthropic_refuses_is_refused(models, script, ask, change, sentence):
    name = script({"faults": [{"status": 500}]})
    answer = ask(CLAUDE, name, **change)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert re.search(sentence, error["message"]), error
    request = models.requests(name)[0]
    assert (request["status"], request["index"], request["attempt"]) == (400, None, None), "it used no fault up"


def test_the_older_version_takes_sampling_and_a_missing_one_is_refused(script, ask):
    name = script({"text": "ok"})
    old = {"anthropic-version": "2023-06-01"}
    assert ask(CLAUDE, name, old, temperature=1, top_p=1, top_k=5).status_code == 200
    for headers in ({"accept": "*/*"}, {"anthropic-version": "2024-01-01"}):
        assert "anthropic-version" in ask(CLAUDE, name, headers).json()["error"]["message"]


def test_a_paused_turn_goes_back_as_it_is(script, ask):
    name = script({"text": "wait", "stop": "paused"}, {"text": "go on"}, {"text": "the end"})
    assert "go on" in ask(CLAUDE, name, messages=turns("a", "wait")).text
    three = [*turns("a", "wait"), {"role": "assistant", "content": "go on"}, GO]
    assert "the end" in ask(CLAUDE, name, messages=three).text


def test_a_turn_that_thinks_can_stand_behind_calls_of_another_model(script, ask):
    """Only the last turn of the assistant has to begin with thinking."""
    messages = turns("a", [call_of("f")], [result_of()], "done", "b")
    assert ask(CLAUDE, script({"text": "ok"}), messages=messages, **ENABLED).status_code == 200


def gpt_call(identifier: str = "c1", arguments: object = "{}") -> dict:
    return {"id": identifier, "type": "function", "function": {"name": "f", "arguments": arguments}}


def gpt_turns(*calls: dict, answered: tuple[str, ...] = ()) -> dict:
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    return {"messages": [GO, said, *map(gpt_result, answered)]}


def gpt_result(identifier: str) -> dict:
    return {"role": "tool", "tool_call_id": identifier, "content": "ok"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperatur": 1}, "Unknown parameter: 'temperatur'"),
        ({"max_tokens": 0}, "minimum of 1"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "same time"),
        ({"stream_options": {}}, "only allowed when 'stream'"),
        ({"messages": []}, "too short - 'messages'"),
        ({"messages": ...}, "Missing required parameter: 'messages'"),
        ({"model": 5}, "must provide a model"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "wizard"),
        ({"messages": [{**GO, "tool_calls": [gpt_call()]}]}, "Invalid 'messages[0].tool_calls'"),
        (gpt_turns(gpt_call()), "did not have response messages: c1"),
        ({"messages": [*gpt_turns(gpt_call())["messages"], GO, gpt_result("c1")]}, "not have response messages: c1"),
        (gpt_turns({**gpt_call(), "type": "tool"}, answered=("c1",)), "tool_calls[0].type"),
        ({"messages": [{"role": "assistant", "content": None}]}, "expected a string, got null"),
        ({"messages": [GO, {"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "must be a response"),
        (gpt_turns(gpt_call(), gpt_call("c2"), answered=("c1",)), "did not have response messages: c2"),
        (gpt_turns(gpt_call(), answered=("c1", "c1")), "must be a response"),
        (gpt_turns(gpt_call(arguments={}), answered=("c1",)), "expected a string, but got an dict"),
        (gpt_turns(gpt_call("c" * 41), answered=("c" * 41,)), "maximum length 40"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "does not match pattern"),
        ({"tools": [{**FUNCTIONS[0], "type": "tool"}]}, "tools[0].type"),
        ({"tools": FUNCTIONS, "tool_choice": "any"}, "Invalid value: 'any'"),
        ({"tools": []}, "too short - 'tools'"),
        ({"tool_choice": "auto"}, "only allowed when 'tools'"),
        ({"tools": FUNCTIONS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, "not found"),
    ],
)
def test_what_openai_refuses_is_refused(script, ask, change, sentence):
    answer = ask(GPT, script({}), **change)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    assert sentence in error["message"], error
