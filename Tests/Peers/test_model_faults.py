"""The scripted model server goes wrong exactly as its script says."""

import json
import socket
import struct

import anthropic
import openai
import pytest
from model_clients import CLAUDE, GO, GPT, TEXT, WITH_USAGE, Wire, ask_claude, ask_gpt, said, streamed
from stack import wait_for

pytest_plugins = ["model_fixtures"]

# What goes wrong on purpose


def test_an_overloaded_model_is_asked_again_after_the_time_it_names(models, script, claude, gpt):
    name = script({"text": "there", "faults": [{"status": 529, "retry_after_ms": 20}]})
    assert ask_claude(claude(name, max_retries=2)).content[0].text == "there"
    assert said(ask_gpt(gpt(name, max_retries=2), {"role": "user", "content": "another"}))[0] == "there"
    found = [
        (one["headers"]["x-stainless-retry-count"], one["attempt"], one["status"]) for one in models.requests(name)
    ]
    assert found == [("0", 1, 529), ("1", 2, 200)] * 2


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [(429, "rate_limit_error", "RateLimitError"), (500, "api_error", "InternalServerError"),
     (529, "overloaded_error", "OverloadedError"), (402, "billing_error", "PaymentRequiredError")],
)  # fmt: skip
def test_a_status_has_the_vendor_s_kind_of_error(script, claude, gpt, status, kind, error):
    name = script({"faults": [{"status": status}] * 2})
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask_claude(claude(name))
    assert (type(raised.value).__name__, raised.value.type, raised.value.status_code) == (error, kind, status)
    with pytest.raises(openai.APIStatusError) as raised:
        ask_gpt(gpt(name))
    assert raised.value.status_code == status and raised.value.type


def test_a_spend_limit_has_its_code_and_no_time_to_come_back(script, claude, gpt):
    name = script({"faults": [{"status": 429, "error_code": "enforced_spend_limit_reached"}] * 2})
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask_claude(claude(name))
    assert raised.value.error_code == "enforced_spend_limit_reached"
    assert type(raised.value.details).__name__ == "EnforcedSpendLimitReachedErrorDetails"
    with pytest.raises(openai.RateLimitError) as raised:
        ask_gpt(gpt(name))
    assert raised.value.code == "enforced_spend_limit_reached"
    assert not {"retry-after", "retry-after-ms"} & raised.value.response.headers.keys()


def test_a_fault_s_headers_and_body_are_the_script_s(script, endpoint, ask):
    page = "<html>Bad Gateway</html>"
    fault = {"status": 502, "retry_after": "1", "retry_after_ms": "20", "should_retry": "true", "body": page}
    answer = ask(endpoint, script({"faults": [fault]}))
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (502, page, "text/html")
    sent = [answer.headers[name] for name in ("retry-after", "retry-after-ms", "x-should-retry")]
    assert sent == ["1", "20", "true"]


def test_an_error_after_http_200_is_raised_by_the_clients(models, script, claude, gpt):
    name = script({"text": TEXT, "faults": [{"error_event": "overloaded_error", "after_bytes": 700}] * 2})
    with claude(name).messages.stream(model="c", max_tokens=9, messages=[GO]) as stream:
        seen = ""
        with pytest.raises(anthropic.APIStatusError) as raised:
            for text in stream.text_stream:
                seen += text
    assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")
    assert seen and TEXT.startswith(seen) and seen != TEXT
    with pytest.raises(openai.APIError, match="Overloaded") as raised:
        ask_gpt(gpt(name))
    assert raised.value.type == "overloaded_error"
    assert [(one["usage"], one["ended"], one["status"]) for one in models.requests(name)] == [
        (None, "error_event", 200)
    ] * 2


def test_garbage_in_the_stream_is_no_json(models, script, endpoint, ask, claude, gpt):
    name = script({"text": TEXT, "faults": [{"garbage": '{"half":', "after_bytes": 1}] * 2})
    assert streamed(ask(endpoint, name, stream=True))[-1].data == '{"half":'
    with pytest.raises(json.JSONDecodeError):
        ask_claude(claude(name)) if endpoint == CLAUDE else ask_gpt(gpt(name))
    assert models.requests(name)[0]["usage"] is None


@pytest.mark.parametrize("kind", ["reset_after", "close_after"])
@pytest.mark.parametrize("count", [0, 1, 100, 101, 5000])
def test_a_connection_breaks_after_exactly_so_many_bytes(models, script, endpoint, ask, kind, count):
    name = script({"text": TEXT * 20, "faults": [{kind: count}]})
    wire = Wire(models, endpoint, name)
    if kind == "reset_after":
        with pytest.raises(ConnectionResetError):
            wire.read()
    else:
        wire.read()
    assert len(wire.body) == count and bool(wire.got) == bool(count)
    whole = ask(endpoint, name, stream=True, **(WITH_USAGE if endpoint == GPT else {})).content
    assert whole.startswith(wire.body.replace(b"}\n\n", b',"usage":null}\n\n') if endpoint == GPT else wire.body)
    cut, given = models.requests(name)
    assert (cut["usage"], cut["ended"]) == (None, "reset" if kind == "reset_after" else "closed")
    assert given["usage"] and given["ended"] == "whole"


def test_a_stall_holds_the_rest_back_until_the_client_gives_up(models, script, endpoint):
    name = script({"text": TEXT, "faults": [{"stall_s": 60, "after_bytes": 50}]})
    wire = Wire(models, endpoint, name)
    wire.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        wire.read()
    assert len(wire.body) == 50
    wire.socket.close()
    wait_for("the server to notice", lambda: models.requests(name)[0]["ended"] == "hung up", patience=10)
    assert models.requests(name)[0]["usage"] is None


def test_a_stall_that_ends_goes_on_where_it_was(models, script, endpoint, ask):
    name = script({"text": TEXT, "faults": [{"stall_s": 0.05, "after_bytes": 50}, {"stall_s": 0.05}]})
    late, silent, prompt = [ask(endpoint, name, stream=True) for _ in range(3)]
    assert late.content == silent.content == prompt.content
    assert min(late.elapsed.total_seconds(), silent.elapsed.total_seconds()) >= 0.05
    assert [one["ended"] for one in models.requests(name)] == ["whole"] * 3


def test_delays_come_before_the_first_byte_and_between_events(script, endpoint, ask):
    slow, between = script({"delay_ms": 100}), script({"text": ["a", "b", "c"], "delay_between_ms": 20})
    assert ask(endpoint, slow).elapsed.total_seconds() >= 0.1
    answer = ask(endpoint, between, stream=True)
    assert answer.elapsed.total_seconds() >= 0.02 * (len(streamed(answer)) - 1) >= 0.08


def test_split_bytes_arrive_in_segments_of_their_own(models, script, endpoint):
    wire = Wire(models, endpoint, script({"text": TEXT, "split": 1}))
    while not wire.got.endswith(b"0\r\n\r\n"):
        wire.got += wire.socket.recv(65536)
    # tcpi_data_segs_in of linux/tcp.h
    segments = struct.unpack_from("I", wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 156), 152)[0]
    assert segments >= len(wire.got)


@pytest.mark.parametrize(
    "fault", [{"reset_after": 20}, {"close_after": 20}, {"error_event": "api_error"}, {"garbage": "?"}]
)
def test_a_reply_without_a_stream_can_break_too(models, script, claude, fault):
    name = script({"text": TEXT, "faults": [fault]})
    with pytest.raises((anthropic.AnthropicError, json.JSONDecodeError)):
        claude(name).messages.create(model="c", max_tokens=9, messages=[GO])
    assert models.requests(name)[0]["usage"] is None
