"""The scripted model server behaves as the vendors' own clients expect, and gives the reply that its script says."""

import json
import urllib.error

import anthropic
import openai
import pytest
from model_clients import (
    CLAUDE,
    FUNCTIONS,
    GO,
    GPT,
    INPUT,
    RICH,
    TEXT,
    TOOLS,
    VERSION,
    WITH_USAGE,
    Wire,
    ask_claude,
    ask_gpt,
    said,
    streamed,
)
from model_judges import check_anthropic_event, check_embeddings_request, check_openai_chunk
from model_server import model_server
from stack import wait_for

pytest_plugins = ["model_fixtures"]

# What the vendors' clients read


@pytest.mark.parametrize("stop", [None, "ended", "calls", "max_tokens", "paused", "refused", "context_full"])
@pytest.mark.parametrize("reply", [RICH, {"text": ["one", " piece", ""]}, {"calls": [{"name": "noop"}]}, {}])
def test_every_streamed_event_is_one_that_the_vendor_s_package_knows(script, endpoint, ask, reply, stop):
    name = script({**reply, **({"stop": stop} if stop else {})})
    found = streamed(ask(endpoint, name, stream=True, **({} if endpoint == CLAUDE else WITH_USAGE)))
    if endpoint == CLAUDE:
        assert [event.json["type"] for event in found] == [event.kind for event in found]
        assert found[0].kind == "message_start" and found[-1].kind == "message_stop"
    else:
        assert found.pop().data == "[DONE]"
    for event in found:
        (check_anthropic_event if endpoint == CLAUDE else check_openai_chunk)(event.json)


def test_each_block_of_anthropic_s_stream_begins_and_ends_before_the_next(script, ask):
    found = [event.json for event in streamed(ask(CLAUDE, script(RICH), stream=True))]
    order = [(one["type"], one["index"]) for one in found if one["type"].startswith("content_block_")]
    steps = ("content_block_start", "content_block_delta", "content_block_stop")
    assert list(dict.fromkeys(order)) == [(step, index) for index in range(4) for step in steps]


def test_anthropic_s_client_reads_the_same_message_from_a_stream_and_without(script, claude):
    client = claude(script(RICH))
    pieced = ask_claude(client)
    whole = client.messages.create(model="claude", max_tokens=4096, tools=TOOLS, messages=[GO])
    assert pieced.to_dict(exclude_none=True) == whole.to_dict(exclude_none=True)
    thinking, text, shell, noop = whole.content
    assert (thinking.thinking, text.text, whole.stop_reason) == (RICH["thinking"], TEXT, "tool_use")
    assert (shell.name, shell.input) == ("shell", INPUT) and (noop.name, noop.input) == ("noop", {})
    assert shell.id != noop.id and shell.id.startswith("toolu_") and len(shell.id) == 30


def test_openai_s_client_reads_the_same_completion_from_a_stream_and_without(script, gpt):
    client = gpt(script(RICH))
    pieced, whole = ask_gpt(client), client.chat.completions.create(model="gpt", tools=FUNCTIONS, messages=[GO])
    assert said(pieced) == said(whole)
    text, (shell, noop), finish, _ = said(whole)
    assert (text, finish) == (TEXT, "tool_calls")
    assert (shell[1], json.loads(shell[2])) == ("shell", INPUT) and noop[1:] == ("noop", "{}")
    assert shell[0] != noop[0] and shell[0].startswith("call_") and len(shell[0]) == 29


@pytest.mark.parametrize(
    ("stop", "reason", "finish"),
    [
        ("ended", "end_turn", "stop"),
        ("calls", "tool_use", "tool_calls"),
        ("max_tokens", "max_tokens", "length"),
        ("paused", "pause_turn", "stop"),
        ("refused", "refusal", "content_filter"),
        ("context_full", "model_context_window_exceeded", "length"),
    ],
)
def test_each_vendor_has_its_word_for_why_it_stopped(script, claude, gpt, stop, reason, finish):
    name = script({"text": "x", "stop": stop})
    assert ask_claude(claude(name)).stop_reason == reason
    # The one that gathers a stream raises on some of them.
    chunks = list(gpt(name).chat.completions.create(model="gpt", messages=[GO], stream=True))
    assert chunks[-1].choices[0].finish_reason == finish


def test_broken_input_of_a_tool_comes_as_it_is_scripted(script, ask, gpt):
    broken = '{"command": "ls'
    name = script({"calls": [{"name": "shell", "input": broken, "id": "call_mine"}]})
    assert said(ask_gpt(gpt(name)))[1] == [("call_mine", "shell", broken)]
    deltas = [event.json.get("delta", {}) for event in streamed(ask(CLAUDE, name, stream=True))]
    assert "".join(delta.get("partial_json", "") for delta in deltas) == broken


def test_cached_tokens_are_counted_each_in_its_vendor_s_way(models, script, claude, gpt):
    name = script(RICH)
    usage = ask_claude(claude(name)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (100, 2000, 34)
    assert usage.cache_creation.to_dict() == {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 4}
    assert usage.output_tokens == 57
    usage = ask_gpt(gpt(name)).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (2134, 57, 2191)
    assert (usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens) == (2000, 34)
    assert ask_gpt(gpt(name), stream_options=openai.omit).usage is None
    first, second, third = [request["usage"] for request in models.requests(name)]
    assert first == RICH["usage"] and third is None
    assert second == {**RICH["usage"], "cache_write": 34, "cache_write_hour": 0}


def test_thinking_comes_back_as_it_was_or_is_refused(script, claude):
    client = claude(script(RICH, {"text": "done"}))
    given = ask_claude(client)
    results = [
        {"type": "tool_result", "tool_use_id": c.id, "content": "ok"} for c in given.content if c.type == "tool_use"
    ]

    def go_on(blocks: list[dict], **more) -> str:
        turns = {"role": "assistant", "content": blocks}, {"role": "user", "content": results}
        return ask_claude(client, GO, *turns, **more).content[0].text

    thinking, *rest = [block.to_dict() for block in given.content]
    assert go_on([thinking, *rest]) == "done"
    other = thinking["signature"][:-8] + "AAAAAA=="
    for wrong in (
        [{**thinking, "thinking": thinking["thinking"] + " "}, *rest],
        [{**thinking, "signature": other}, *rest],
        [*rest[:1], thinking, *rest[1:]],
        rest,
    ):
        with pytest.raises(anthropic.BadRequestError, match="thinking"):
            go_on(wrong)
    assert go_on(rest, thinking={"type": "disabled"}) == "done", "then it may be left out"
    unthinking = ask_claude(client, thinking={"type": "disabled"})
    assert [block.type for block in unthinking.content] == ["text", "tool_use", "tool_use"]


def test_thinking_that_led_to_no_call_may_be_left_out_but_not_changed(script, claude):
    client = claude(script({"text": "one", "thinking": "hm"}, {"text": "two"}))
    thinking, text = [block.to_dict() for block in ask_claude(client).content]
    for content in ([thinking, text], [text]):
        assert ask_claude(client, GO, {"role": "assistant", "content": content}, GO).content[0].text == "two"
    with pytest.raises(anthropic.BadRequestError, match="cannot be modified"):
        ask_claude(client, GO, {"role": "assistant", "content": [{**thinking, "thinking": "hmm"}, text]}, GO)


@pytest.mark.parametrize(
    "variation",
    ["whole_arguments", "stop_with_calls", "no_usage", "null_content", "usage_in_every_chunk", "empty_choices_first",
     "no_done", "interleave", "no_call_id"],
)  # fmt: skip
def test_openai_s_client_reads_what_compatible_servers_send(script, gpt, variation):
    plain, more = said(ask_gpt(gpt(script(RICH)))), {"variations": [variation]}
    varied = said(ask_gpt(gpt(script({**RICH, **({"interleave": True} if variation == "interleave" else more)}))))
    # Ids are made from the script's name too.
    assert varied[0] == plain[0] and [call[1:] for call in varied[1]] == [call[1:] for call in plain[1]]
    assert varied[2] == ("stop" if variation == "stop_with_calls" else "tool_calls")
    assert varied[3] == (None if variation == "no_usage" else plain[3])
    assert all(bool(call[0]) == (variation != "no_call_id") for call in varied[1])


def test_each_variation_shows_on_the_wire(script, ask):
    def chunks(*variations: str) -> list[dict]:
        answer = ask(GPT, script({**RICH, "variations": variations}), stream=True, **WITH_USAGE)
        return [event.json for event in streamed(answer) if event.data != "[DONE]"]

    plain, without_done = [ask(GPT, script({"variations": ones}), stream=True).text for ones in ([], ["no_done"])]
    assert plain.endswith("data: [DONE]\n\n") and "[DONE]" not in without_done
    assert not chunks("empty_choices_first")[0]["choices"] and chunks()[0]["choices"]
    assert all("content" in one["choices"][0]["delta"] for one in chunks("null_content")[:-1])
    calls = [one["choices"][0]["delta"].get("tool_calls") for one in chunks("whole_arguments")[:-1]]
    assert [json.loads(one[0]["function"]["arguments"]) for one in calls if one] == [INPUT, {}]
    counts = [one["usage"]["completion_tokens"] for one in chunks("usage_in_every_chunk")]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == RICH["usage"]["output"]


def test_calls_without_an_index_are_more_than_openai_s_client_can_read(script, ask, gpt):
    name = script({**RICH, "variations": ["no_index"]})
    for strict in (True, False):
        with pytest.raises((openai.APIResponseValidationError, TypeError)):
            ask_gpt(gpt(name, strict))
    answer = ask(GPT, name, stream=True)
    calls = [
        call for event in streamed(answer)[:-1] for call in event.json["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert calls and not any("index" in call for call in calls)


def test_pieces_of_two_calls_can_come_in_turns(script, ask):
    calls = [{"name": "shell", "input": {"n": "a" * 20}}, {"name": "shell", "input": {"n": "b" * 20}}]
    answer = ask(GPT, script({"calls": calls, "interleave": True}), stream=True)
    deltas = [event.json["choices"][0]["delta"] for event in streamed(answer)[:-1]]
    order = [call["index"] for delta in deltas for call in delta.get("tool_calls", ())]
    assert len(order) > 6 and order == [0, 1] * (len(order) // 2)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_clients_read_a_stream_of_single_bytes_and_pings(script, ask, claude, gpt, newline):
    name = script({**RICH, "split": 1, "newline": newline, "pings": 2})
    for endpoint, ping in ((CLAUDE, "event: ping"), (GPT, ": still there")):
        text = ask(endpoint, name, stream=True).text.replace(TEXT, "")
        assert text.count(ping) == 2 * text.count(newline * 2) / 3 > 20, "two before each event"
        assert not set(text.replace(newline, "")) & {"\r", "\n"}
    message, (text, calls, _, _) = ask_claude(claude(name)), said(ask_gpt(gpt(name)))
    assert message.content[1].text == TEXT == text
    assert message.content[2].input == INPUT == json.loads(calls[0][2])


def test_the_clients_pass_over_what_a_later_version_sends(script, endpoint, ask, claude, gpt):
    name = script({**RICH, "unknown_events": True})
    answer = ask(endpoint, name, stream=True)
    assert "event: novelty_noted" in answer.text or "chat.completion.novelty" in answer.text
    assert answer.text.count("\nnovelty: field\n") + answer.text.startswith("novelty") >= len(streamed(answer)) // 2
    assert ask_claude(claude(name, strict=False)).content[2].input == INPUT
    assert said(ask_gpt(gpt(name, strict=False)))[0] == TEXT
    with pytest.raises((anthropic.APIResponseValidationError, openai.APIResponseValidationError)):
        ask_claude(claude(name)) if endpoint == CLAUDE else ask_gpt(gpt(name))


def test_vectors_are_the_same_for_the_same_text_and_as_long_as_asked(models, script, gpt):
    name = script({})
    # The client asks for base64 unless told otherwise, and validates before it decodes; so that one cannot be strict.
    packed = gpt(name, strict=False).embeddings.create(model="e", input=["a", "b"]).data
    floats = gpt(name).embeddings.create(model="e", input=["a", "b"], encoding_format="float").data
    assert [len(one.embedding) for one in floats] == [1536, 1536] and floats[0].embedding != floats[1].embedding
    assert [one.embedding for one in packed] == [one.embedding for one in floats]
    short = gpt(name).embeddings.create(model="e", input="a", dimensions=8, encoding_format="float").data[0].embedding
    assert len(short) == 8 and sum(one * one for one in short) == pytest.approx(1)
    for request in models.requests(name):
        check_embeddings_request(request["body"])
        assert request["usage"]["input"] > 0 and request["index"] is None


def test_tokens_are_counted_without_a_reply(script, claude):
    client = claude(script({}))
    few, many = [
        client.messages.count_tokens(model="c", messages=[{"role": "user", "content": text}]).input_tokens
        for text in ("a", "a" * 400)
    ]
    assert few > 0 and 95 <= many - few <= 105


# Which reply


def test_the_reply_follows_from_the_transcript_alone(models, script, endpoint, ask):
    name = script({"text": "first"}, {"text": "second"}, {"text": "last"})
    turn = [{"role": "assistant", "content": "said"}, {"role": "user", "content": "and then?"}]
    for turns, text in ((0, "first"), (1, "second"), (1, "second"), (0, "first"), (2, "last"), (7, "last")):
        answer = ask(endpoint, name, messages=[GO] + turn * turns)
        assert text in answer.text and answer.status_code == 200, answer.text
    assert [(one["index"], one["attempt"]) for one in models.requests(name)] == [
        (0, 1), (1, 1), (1, 2), (0, 2), (2, 1), (7, 1),
    ]  # fmt: skip


def test_a_repeated_request_gets_the_same_bytes(script, endpoint, ask):
    name = script(RICH)
    first, second = [ask(endpoint, name, stream=True).content for _ in range(2)]
    assert first == second


def test_faults_are_used_up_by_each_run_of_its_own(script, endpoint, ask):
    name = script({"text": "fine", "faults": [{"status": 500}, {"status": 529}]})
    for opening in ("one", "two"):
        messages = [{"role": "user", "content": [{"type": "text", "text": opening}]}]
        assert [ask(endpoint, name, messages=messages).status_code for _ in range(4)] == [500, 529, 200, 200]


def test_a_script_named_in_the_first_message_beats_the_key(models, script, endpoint, ask):
    tagged, keyed = script({"text": "tagged"}), script({"text": "keyed"})
    first = {"role": "user", "content": f"Do it. [script:{tagged}] [script:{keyed}]"}
    assert "tagged" in ask(endpoint, keyed, messages=[first]).text
    assert "keyed" in ask(endpoint, "unknown", headers={"x-api-key": keyed, **VERSION}).text
    assert [len(models.requests(name)) for name in (tagged, keyed)] == [1, 1]


def test_a_key_without_a_script_is_refused_in_the_vendor_s_form(claude, gpt):
    with pytest.raises(anthropic.AuthenticationError) as refused:
        ask_claude(claude("nobody"))
    assert refused.value.type == "authentication_error" and refused.value.request_id.startswith("req_")
    with pytest.raises(openai.AuthenticationError) as refused:
        ask_gpt(gpt("nobody"))
    assert refused.value.code == "invalid_api_key"


def test_a_deleted_script_is_gone(models, ask):
    models.put("deleted", {})
    assert ask(CLAUDE, "deleted").status_code == 200
    models.delete("deleted")
    assert ask(CLAUDE, "deleted").status_code == 401
    with pytest.raises(urllib.error.HTTPError, match="404"):
        models.requests("deleted")


@pytest.mark.parametrize(
    "reply",
    [{"texts": "x"}, {"text": 5}, {"faults": [{"stall": 1}]}, {"faults": [{"status": 500, "after_bytes": 1}]},
     {"faults": [{"status": "500"}]}, {"variations": ["no_idea"]}, {"stop": "tool_use"}, {"usage": {"inputs": 1}},
     {"calls": [{"input": {}}]}],
)  # fmt: skip
def test_a_misspelt_script_is_refused(models, reply):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        models.put("misspelt", reply)


# HTTP


def test_one_connection_serves_many_requests_with_and_without_a_length(models, script, plain):
    name, addresses = script({"text": "ok"}), set()
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [GO], "stream": True}).encode()
    for content in (body, iter([body[:5], body[5:]]), body):
        headers = {"x-api-key": name, **VERSION}
        with plain.stream("POST", models.url + CLAUDE, content=content, headers=headers) as answer:
            addresses.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert "message_stop" in answer.read().decode()
    assert len(addresses) == 1
    assert [one["headers"].get("transfer-encoding") for one in models.requests(name)] == [None, "chunked", None]
    assert all(one["raw"] == body.decode() and one["body"] == json.loads(body) for one in models.requests(name))
    assert models.requests(name, "index", "ended") == [{"index": 0, "ended": "whole"}] * 3


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_end_at_sixteen_mebibytes(models, script, plain, chunked):
    name = script({"text": "ok"})
    frame = len(json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": ""}]}))
    for more, status in ((0, 200), (1, 413)):
        content = "a" * ((16 << 20) - frame + more)
        body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}).encode()
        parts = (body[at : at + 65536] for at in range(0, len(body), 65536)) if chunked else body
        answer = plain.post(models.url + CLAUDE, content=parts, headers={"x-api-key": name, **VERSION})
        assert answer.status_code == status, answer.text[:200]


def test_slow_replies_do_not_hold_one_another_up(models, script, ask):
    slow, quick = script({"delay_ms": 60_000}), script({"text": "quick"})
    wires = [Wire(models, CLAUDE, slow) for _ in range(200)]
    wait_for("all of them to be asked", lambda: len(models.requests(slow)) == 200, patience=30)
    assert "quick" in ask(CLAUDE, quick).text
    for wire in wires:
        wire.socket.close()
    wait_for("all of them to have gone", lambda: {one["ended"] for one in models.requests(slow)} == {"hung up"})


def test_the_server_ends_with_its_standard_input():
    with model_server() as own:
        own.put("stuck", {"delay_ms": 60_000})
        wire = Wire(own, CLAUDE, "stuck")
        wait_for("the request", lambda: own.requests("stuck"), patience=10)
    assert wire.read() == b""
    with pytest.raises(ConnectionRefusedError):
        Wire(own, CLAUDE, "stuck")
