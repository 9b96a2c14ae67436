"""The judges of recorded requests and events find what they are there for."""

import copy

import pydantic
import pytest
from anthropic.types import ToolChoiceToolParam, ToolParam
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from model_clients import GO, RICH, ask_claude, ask_gpt, said
from model_judges import (
    adapter,
    check_anthropic_event,
    check_anthropic_request,
    check_openai_chunk,
    check_openai_request,
    problems,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from prompts import questions_of

pytest_plugins = ["model_fixtures"]

WRONG = (AssertionError, pydantic.ValidationError)


@pytest.fixture
def asked(models, script, claude, gpt) -> tuple[dict, dict]:
    """A request of each official client with all that ours will send."""
    name = script(RICH, {"text": "done"})
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    content = [block.to_dict() for block in ask_claude(claude(name)).content]
    results = [
        {"type": "tool_result", "tool_use_id": content[2]["id"], "content": "ok", "is_error": True},
        {"type": "tool_result", "tool_use_id": content[3]["id"], "content": [{"type": "text", "text": "ok"}]},
    ]
    turns = {"role": "assistant", "content": content}, {"role": "user", "content": results}
    ask_claude(claude(name), GO, *turns, thinking=thinking, system=[marked], tool_choice={"type": "auto"})
    text, calls, _, _ = said(ask_gpt(gpt(name)))
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": given}} for id, name, given in calls
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]
    ask_gpt(gpt(name), GO, {"role": "assistant", "content": text, "tool_calls": calls}, *results, max_tokens=9)
    return models.requests(name)[1]["body"], models.requests(name)[3]["body"]


def test_the_judges_pass_what_the_official_clients_send(asked):
    for_claude, for_gpt = asked
    check_anthropic_request(for_claude)
    check_openai_request(for_gpt)


def test_pydantic_alone_lets_a_wizard_and_an_unknown_key_pass(asked):
    """Both traps; when it no longer does, the judges can be simpler."""
    for body, annotation in zip(asked, (MessageCreateParamsStreaming, CompletionCreateParamsStreaming), strict=True):
        body["messages"][0]["role"], body["temperatur"] = "wizard", 1
        assert "temperatur" not in adapter(annotation).validate_python(body)


@pytest.mark.parametrize(
    ("where", "change", "sentence"),
    [
        (lambda body: body["messages"][0], {"role": "wizard"}, "wizard"),
        (lambda body: body["messages"][-1], {"role": "wizard"}, "wizard"),
        (lambda body: body, {"temperatur": 1}, "body.temperatur is unknown"),
        (lambda body: body["tools"][1], {"temperatur": 1}, r"body.tools\[1\].temperatur is unknown"),
        (lambda body: body["messages"][1], {"temperatur": 1}, r"body.messages\[1\].temperatur is unknown"),
        (lambda body: body, {"stream": False}, "stream"),
        (lambda body: body, {"max_tokens": "9"}, "max_tokens is '9'"),
        (lambda body: body, {"max_tokens": True}, "max_tokens is True"),
    ],
)
def test_the_judges_find_what_pydantic_alone_lets_pass(asked, where, change, sentence):
    for body, check in zip(asked, (check_anthropic_request, check_openai_request), strict=True):
        where(body).update(change)
        with pytest.raises(WRONG, match=sentence):
            check(body)


def test_the_judges_look_into_every_block(asked):
    for_claude, for_gpt = asked
    for turn, block in ((1, 0), (1, 1), (1, 2), (2, 0)):
        body = copy.deepcopy(for_claude)
        body["messages"][turn]["content"][block]["wrong"] = 1
        with pytest.raises(WRONG, match="wrong"):
            check_anthropic_request(body)
    # Only pydantic knows what may stand here, and only once it has been iterated to.
    source = {"type": "base64", "media_type": "image/png", "data": 5}
    body = copy.deepcopy(for_claude)
    body["messages"][2]["content"].append({"type": "image", "source": source})
    with pytest.raises(pydantic.ValidationError, match="Base64ImageSourceParam.data"):
        check_anthropic_request(body)
    del for_claude["messages"][1]["content"][2]["id"]
    with pytest.raises(WRONG, match="id"):
        check_anthropic_request(for_claude)
    for_gpt["messages"][1]["tool_calls"][1]["function"]["wrong"] = 1
    with pytest.raises(WRONG, match="wrong"):
        check_openai_request(for_gpt)


def test_the_annotations_alone_show_what_is_missing_and_what_is_of_another_kind():
    """Which member of a union is meant follows from that."""
    assert list(problems(ToolParam, {"name": "x", "type": None}, "tool")) == [
        "tool.input_schema is missing in ToolParam"
    ]
    assert list(problems(ToolChoiceToolParam, {"type": "any", "name": "x"}, "choice")) == [
        "choice.type is 'any', not one of ('tool',)"
    ]


@pytest.mark.parametrize(
    "data", [{"type": "message_stop", "novelty": 1}, {"type": "novelty"}, {"type": "content_block_stop"}]
)
def test_the_judges_find_an_event_that_does_not_exist(data):
    with pytest.raises(WRONG):
        check_anthropic_event(data)
    with pytest.raises(WRONG):
        check_openai_chunk(data)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"temperatur": 1}, "body.temperatur is unknown"),
        ({"messages": [GO, {"role": "wizard", "content": "x"}]}, "wizard"),
    ],
)
def test_no_question_is_read_that_its_vendor_s_package_would_not_send(models, script, ask, endpoint, wrong, sentence):
    name = script({"text": "Done."})
    ask(endpoint, name, stream=True)
    assert len(questions_of(models, name)) == 1
    ask(endpoint, name, stream=True, **wrong)
    for _ in range(2):
        with pytest.raises(WRONG, match=sentence):
            questions_of(models, name)
