"""The dialect of OpenAI's chat completions, and of servers that are compatible with them, for the model server.

Field names were read in the package `openai` 3.52.0, the sentences of refusals in its users' reports.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any

from model_scripts import Answer, Call, Refused, Script, Usage, pieces

PREFIX = "call"
REQUEST_ID = "x-request-id"
CREATED = 1_790_000_000  # seconds since 1970; the same each time, as everything else in a reply
KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "requests",
}
OTHER_KIND, CODES = "server_error", {401: "invalid_api_key", 429: "rate_limit_exceeded"}
STOPS = {
    "ended": "stop", "calls": "tool_calls", "max_tokens": "length", "paused": "stop", "refused": "content_filter",
    "context_full": "length",
}  # fmt: skip
KEYS = {
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
    "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
}  # fmt: skip


# Replies


def message(answer: Answer) -> dict:
    """The whole completion, as it is sent without a stream."""
    said: dict[str, Any] = {"role": "assistant", "content": answer.reply.whole_text or None, "refusal": None}
    if calls := [_call(answer, identifier, call) for identifier, call in answer.calls(PREFIX)]:
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish(answer)}
    whole = {**_base(answer, "chat.completion"), "choices": [choice]}
    return whole if "no_usage" in answer.reply.variations else {**whole, "usage": _usage(answer.usage)}


def events(answer: Answer) -> Iterator[tuple[str | None, Any]]:
    """The stream: chunks, none of which has a name, and the mark at the end."""
    variations, with_usage = answer.reply.variations, _wants_usage(answer)
    deltas = [{"role": "assistant", "content": "" if answer.reply.whole_text else None, "refusal": None}]
    deltas += [{"content": piece} for piece in answer.reply.text_pieces]
    deltas += [{"tool_calls": [piece]} for piece in _call_pieces(answer)]
    if "empty_choices_first" in variations:
        yield _chunk(answer, [], 0, with_usage)
    for number, delta in enumerate([*deltas, {}]):
        finish = None if number < len(deltas) else _finish(answer)
        if "null_content" in variations and not delta.get("content"):
            delta = {**delta, "content": None}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield _chunk(answer, [choice], number / len(deltas), with_usage)
    if with_usage and "no_usage" not in variations:
        name, last = _chunk(answer, [], 1, with_usage)
        yield name, {**last, "usage": _usage(answer.usage)}
    if "no_done" not in variations:
        yield None, "[DONE]"


def sent(usage: Usage, answer: Answer, stream: bool) -> Usage | None:
    """The usage as a client can read it off the reply: this dialect does not tell five minutes from an hour."""
    shown = not stream or _wants_usage(answer) or "usage_in_every_chunk" in answer.reply.variations
    if not shown or "no_usage" in answer.reply.variations:
        return None
    return Usage(usage.input, usage.cache_read, usage.cache_write + usage.cache_write_hour, 0, usage.output)


def ping(newline: str) -> str:
    return f": still there{newline}{newline}"


def unknown(answer: Answer) -> tuple[str | None, Any]:
    """A chunk of a kind that this version of the API does not have."""
    return None, {**_base(answer, "chat.completion.novelty"), "choices": [], "novelty": "not for you"}


def error(refused: Refused, _request_id: str) -> dict:
    """The body of a refusal, and the data of an error in the stream."""
    inner = {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}
    return {"error": inner}


def error_event(refused: Refused, request_id: str) -> tuple[str | None, Any]:
    return None, error(refused, request_id)


def _base(answer: Answer, kind: str) -> dict:
    return {
        "id": f"chatcmpl-{answer.id}", "object": kind, "created": CREATED, "model": answer.body["model"],
        "service_tier": "default", "system_fingerprint": "fp_scripted",
    }  # fmt: skip


def _chunk(answer: Answer, choices: list[dict], progress: float, with_usage: bool) -> tuple[None, dict]:
    chunk = {**_base(answer, "chat.completion.chunk"), "choices": choices}
    if "usage_in_every_chunk" in answer.reply.variations:
        usage = answer.usage
        so_far = dataclasses.replace(usage, output=math.floor(usage.output * progress))
        return None, {**chunk, "usage": _usage(so_far)}
    return None, {**chunk, "usage": None} if with_usage and "no_usage" not in answer.reply.variations else chunk


def _call_pieces(answer: Answer) -> list[dict]:
    """The pieces of all calls, one call after the other or in turns."""
    variations = answer.reply.variations
    streams = []
    for index, (identifier, call) in enumerate(answer.calls(PREFIX)):
        whole = "whole_arguments" in variations
        head = _call(answer, identifier, call, call.arguments if whole else "")
        rest = [] if whole else pieces(call.arguments, 7)
        found = [{"index": index, **head}, *({"index": index, "function": {"arguments": one}} for one in rest)]
        if "no_index" in variations:
            found = [{key: value for key, value in piece.items() if key != "index"} for piece in found]
        streams.append(found)
    if not answer.reply.interleave:
        return [piece for stream in streams for piece in stream]
    longest = max(map(len, streams), default=0)
    return [stream[turn] for turn in range(longest) for stream in streams if turn < len(stream)]


def _call(answer: Answer, identifier: str, call: Call, arguments: str | None = None) -> dict:
    function = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    named = {} if "no_call_id" in answer.reply.variations else {"id": identifier}
    return {**named, "type": "function", "function": function}


def _finish(answer: Answer) -> str:
    with_calls = answer.reply.stop == "calls" and "stop_with_calls" in answer.reply.variations
    return "stop" if with_calls else STOPS[answer.reply.stop]


def _wants_usage(answer: Answer) -> bool:
    return bool((answer.body.get("stream_options") or {}).get("include_usage"))


def _usage(usage: Usage) -> dict:
    """`prompt_tokens` holds what was read from a cache and written to it."""
    return {
        "prompt_tokens": usage.all_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.all_input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_hour,
        },
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


# Requests


def check(body: dict, _headers: dict[str, str], _script: Script) -> None:
    """Refuses what the vendor would."""
    for key in body:
        _require(key in KEYS, f"Unknown parameter: '{key}'.", key, "unknown_parameter")
    for key in ("model", "messages"):
        _require(key in body, f"Missing required parameter: '{key}'.", key, "missing_required_parameter")
    _require(isinstance(body["model"], str) and body["model"], "you must provide a model parameter", "model")
    _require(isinstance(body["messages"], list) and body["messages"], "[] is too short - 'messages'", "messages")
    most = [body[key] for key in ("max_tokens", "max_completion_tokens") if body.get(key) is not None]
    _require(len(most) < 2, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    _require(all(type(one) is int and one >= 1 for one in most), "max_tokens is less than the minimum of 1")
    _require(
        body.get("stream") or body.get("stream_options") is None,
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        "stream_options",
    )
    _check_tools(body)
    _check_turns(body["messages"])


def _require(holds: object, otherwise: str, param: str | None = None, code: str | None = None) -> None:
    if not holds:
        raise Refused(otherwise, param=param, code=code)


def _check_tools(body: dict) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is None:
        for key in ("tool_choice", "parallel_tool_calls"):
            _require(key not in body, f"'{key}' is only allowed when 'tools' are specified.", key)
        return
    _require(tools, "[] is too short - 'tools'", "tools")
    for place, tool in enumerate(tools):
        _require(tool["type"] == "function", f"Invalid value: 'tools[{place}].type'.", "tools")
        _require(
            re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["function"]["name"]),
            f"Invalid 'tools[{place}].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
            f"tools[{place}].function.name",
            "invalid_value",
        )
    if isinstance(choice, dict):
        name = choice["function"]["name"]
        found = any(tool["function"]["name"] == name for tool in tools)
        _require(found, f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
    else:
        _require(choice in (None, "none", "auto", "required"), f"Invalid value: '{choice}'.", "tool_choice")


def _check_turns(messages: list[dict]) -> None:
    """Each call of a message is answered right after it, once, and nothing else is."""
    asked: list[str] = []
    for place, one in enumerate(messages):
        role, calls = one["role"], one.get("tool_calls")
        _require(role in ("developer", "system", "user", "assistant", "tool"), f"Invalid value: '{role}'.",
                 f"messages[{place}].role", "invalid_value")  # fmt: skip
        if role == "tool":
            _require(
                one["tool_call_id"] in asked,
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                "'tool_calls'.",
                f"messages[{place}].role",
            )
            asked.remove(one["tool_call_id"])
        else:
            _require(not asked, _unanswered(asked), f"messages[{place}].role")
        text = one.get("content")
        _require(
            isinstance(text, (str, list)) or role == "assistant" and text is None and calls,
            f"Invalid value for 'content': expected a string, got {'null' if text is None else type(text).__name__}.",
            f"messages[{place}].content",
        )
        if calls is not None:
            _require(calls and role == "assistant", f"Invalid 'messages[{place}].tool_calls'", "messages")
            for number, call in enumerate(calls):
                _check_call(f"messages[{place}].tool_calls[{number}]", call)
            asked = [call["id"] for call in calls]
    _require(not asked, _unanswered(asked), "messages")


def _check_call(path: str, call: dict) -> None:
    _require(call["type"] == "function", f"Invalid value: '{path}.type'.", path)
    _require(
        len(call["id"]) <= 40,
        f"Invalid '{path}.id': string too long. Expected a string with maximum length 40, but got a string with length "
        f"{len(call['id'])} instead.",
        f"{path}.id",
        "string_above_max_length",
    )
    given = call["function"]["arguments"]
    _require(
        isinstance(given, str),
        f"Invalid type for '{path}.function.arguments': expected a string, but got an {type(given).__name__} instead.",
        f"{path}.function.arguments",
        "invalid_type",
    )


def _unanswered(asked: list[str]) -> str:
    return (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(asked)}"
    )
