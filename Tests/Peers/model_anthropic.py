"""Anthropic's dialect of the model server: what is refused, and how replies and errors look.

Field names and event order were read in the package `anthropic` 2.11.0, the sentences of refusals in reports.
"""

import re
from collections.abc import Iterator
from typing import Any

from model_scripts import Answer, Refused, Script, Usage, estimate, pieces

PREFIX = "toolu"
REQUEST_ID = "request-id"
VERSIONS = ("2023-06-01", "2026-10-21")
KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
OTHER_KIND, CODES = "api_error", {}
STOPS = {
    "ended": "end_turn", "calls": "tool_use", "max_tokens": "max_tokens", "paused": "pause_turn",
    "refused": "refusal", "context_full": "model_context_window_exceeded",
}  # fmt: skip
SAMPLING = {"temperature", "top_p", "top_k"}
COUNTED = {
    "cache_control", "messages", "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools",
    "user_profile_id", "workspace_id",
}  # fmt: skip
KEYS = COUNTED | {
    "container", "diagnostics", "inference_geo", "max_tokens", "metadata", "service_tier", "stop_sequences", "stream",
}  # fmt: skip
BLOCKS = {
    "user": {"text", "image", "document", "search_result", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
    "system": {"text"},
}


# Replies


def message(answer: Answer) -> dict:
    """The whole message, as it is sent without a stream."""
    return _message(answer, list(_blocks(answer)), STOPS[answer.reply.stop], _usage(answer.usage))


def events(answer: Answer) -> Iterator[tuple[str | None, Any]]:
    """The stream: each event's name and data."""
    yield _event("message_start", message=_message(answer, [], None, {**_usage(answer.usage), "output_tokens": 1}))
    texts = answer.reply.text_pieces
    arguments = [call.arguments for _, call in answer.calls(PREFIX)]
    for index, block in enumerate(_blocks(answer)):
        match block["type"]:
            case "thinking":
                empty = {**block, "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": one} for one in pieces(block["thinking"], 12)]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                empty = {**block, "text": ""}
                deltas = [{"type": "text_delta", "text": one} for one in texts]
            case _:
                empty = {**block, "input": {}}
                text = arguments.pop(0)
                # Every input begins with an empty piece, and an empty input is nothing but that.
                parts = ["", *pieces("" if text == "{}" else text, 7)]
                deltas = [{"type": "input_json_delta", "partial_json": one} for one in parts]
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    usage = {key: value for key, value in _usage(answer.usage).items() if key.endswith("_tokens")}
    delta = {"stop_reason": STOPS[answer.reply.stop], "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage=usage)
    yield _event("message_stop")


def sent(usage: Usage, _answer: Answer, _stream: bool) -> Usage:
    """The usage as a client can read it off the reply."""
    return usage


def ping(newline: str) -> str:
    return f'event: ping{newline}data: {{"type":"ping"}}{newline}{newline}'


def unknown(_answer: Answer) -> tuple[str | None, Any]:
    """An event that this version of the API does not have."""
    return _event("novelty_noted", novelty={"index": 0, "delta": {"type": "text_delta", "text": "not for you"}})


def error(refused: Refused, request_id: str) -> dict:
    """The body of a refusal, and the data of an error in the stream."""
    inner: dict[str, Any] = {"type": refused.kind, "message": refused.message}
    if refused.code:
        inner["details"] = {"error_code": refused.code}
    return {"type": "error", "error": inner, "request_id": request_id}


def error_event(refused: Refused, request_id: str) -> tuple[str | None, Any]:
    return "error", error(refused, request_id)


def count(body: dict) -> dict:
    return {"input_tokens": estimate(body)}


def _blocks(answer: Answer) -> Iterator[dict]:
    thinking = answer.script.thinking_at(answer.index)
    if thinking and _thinking(answer.body) != "disabled":
        yield thinking
    if answer.reply.whole_text:
        yield {"type": "text", "text": answer.reply.whole_text}
    for identifier, call in answer.calls(PREFIX):
        yield {"type": "tool_use", "id": identifier, "name": call.name, "input": call.input}


def _message(answer: Answer, content: list[dict], stop: str | None, usage: dict) -> dict:
    return {
        "id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": answer.body["model"],
        "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _usage(usage: Usage) -> dict:
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_hour,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_hour,
        },
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def _event(name: str, **data: Any) -> tuple[str, dict]:
    return name, {"type": name, **data}


# Requests


def check(body: dict, headers: dict[str, str], script: Script, counting: bool = False) -> None:
    """Refuses what the vendor would, and a `max_tokens` of 0, by which nobody here means to warm a cache."""
    version = headers.get("anthropic-version")
    if version not in VERSIONS:
        wrong = f"{version!r} is not a valid version" if version else "header is required"
        raise Refused(f"anthropic-version: {wrong}")
    allowed = COUNTED if counting else KEYS | (SAMPLING if version == VERSIONS[0] else set())
    for key in body:
        _require(key in allowed, f"{key}: Extra inputs are not permitted")
    for key in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        _require(key in body, f"{key}: Field required")
    _require(isinstance(body["model"], str) and body["model"], "model: Input should be a valid string")
    most = body.get("max_tokens", 1)
    _require(type(most) is int and most >= 1, "max_tokens: Input should be greater than or equal to 1")
    _require(isinstance(body["messages"], list) and body["messages"], "messages: at least one message is required")
    _check_tools(body)
    _check_marks(body)
    _check_thinking_settings(body)
    _check_turns(body, script)


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise Refused(otherwise)


def _check_tools(body: dict) -> None:
    tools, choice = body.get("tools", []), body.get("tool_choice")
    for place, tool in enumerate(tools):
        if tool.get("type", "custom") == "custom":
            _require(
                re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["name"]),
                f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'",
            )
            schema = tool.get("input_schema", {})
            _require(
                schema.get("type") == "object", f"tools.{place}.custom.input_schema.type: Input should be 'object'"
            )
    names = [tool["name"] for tool in tools]
    _require(len(set(names)) == len(names), "tools: Tool names must be unique.")
    if choice is not None:
        _require(choice["type"] in ("auto", "any", "tool", "none"), "tool_choice: unknown type")
        _require(tools, "tool_choice: may only be specified while providing `tools`.")
        _require(choice["type"] != "tool" or choice["name"] in names, "tool_choice: Tool not found in provided tools")


def _check_marks(body: dict) -> None:
    """At most four marks for the cache, and none for an hour behind one for five minutes."""
    marks = []
    blocks = [*body.get("tools", []), *_content(body.get("system", []))]
    for one in body["messages"]:
        for block in _content(one["content"]):
            inner = _content(block.get("content", [])) if block["type"] == "tool_result" else []
            blocks += [*inner, block]
    for holder in [*blocks, body]:
        if mark := holder.get("cache_control"):
            _require(mark["type"] == "ephemeral" and mark.get("ttl", "5m") in ("5m", "1h"), "cache_control: unknown")
            marks.append(mark.get("ttl", "5m"))
    _require(len(marks) <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    late = "5m" in marks and "1h" in marks[marks.index("5m") :]
    _require(not late, "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.")


def _check_thinking_settings(body: dict) -> None:
    kind = _thinking(body)
    if kind is None or kind == "disabled":
        return
    _require(kind in ("enabled", "adaptive", "between_tools"), f"thinking.type: unknown {kind!r}")
    if kind == "enabled":
        budget = body["thinking"]["budget_tokens"]
        _require(budget >= 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        _require(
            budget < body.get("max_tokens", budget + 1), "`max_tokens` must be greater than `thinking.budget_tokens`."
        )
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    _require(not forced, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_turns(body: dict, script: Script) -> None:
    """Roles alternate, each call is answered in the next message, and thinking comes back as it was.

    Stricter than the vendor, who joins neighbours of one role: a client that sends such has lost count.
    """
    before, asked, assistants = None, [], 0
    for place, one in enumerate(body["messages"]):
        role, blocks = one["role"], _content(one["content"])
        _require(role in BLOCKS, f"messages.{place}.role: Input should be 'user', 'assistant' or 'system'")
        _require(one.keys() == {"role", "content"}, f"messages.{place}: Extra inputs are not permitted")
        if role == "system":
            continue
        _require(before or role == "user", 'messages: first message must use the "user" role')
        paused = role == "assistant" and assistants and script.reply_at(assistants - 1).stop == "paused"
        _require(
            role != before or paused,
            f'messages: roles must alternate between "user" and "assistant", but found multiple "{role}" in a row',
        )
        _require(blocks, f"messages.{place}: all messages must have non-empty content")
        for number, block in enumerate(blocks):
            _check_block(f"messages.{place}.content.{number}", block, role)
        if role == "user":
            _check_results(place, blocks, asked)
        else:
            _check_thinking(place, blocks, body, script)
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        _require(len(set(asked)) == len(asked), f"messages.{place}: `tool_use` ids must be unique")
        assistants, before = assistants + (role == "assistant"), role
    _require(not asked, _unanswered(len(body["messages"]) - 1, asked))
    _require(
        before == "user" or script.reply_at(assistants - 1).stop == "paused",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    )


def _check_block(path: str, block: dict, role: str) -> None:
    kind = block["type"]
    _require(
        kind in BLOCKS[role], f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    )
    if kind == "text":
        _require(block["text"].strip(), "messages: text content blocks must contain non-whitespace text")
    if kind == "tool_use":
        _require(isinstance(block["input"], dict), f"{path}.tool_use.input: Input should be a valid dictionary")
        _require(
            re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]),
            f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        )


def _check_results(place: int, blocks: list[dict], asked: list[str]) -> None:
    """All results of the message before, once each, and before anything else."""
    first = [block["tool_use_id"] for block in blocks[: len(asked)] if block["type"] == "tool_result"]
    _require(set(first) == set(asked), _unanswered(place - 1, [one for one in asked if one not in first]))
    late = [block["tool_use_id"] for block in blocks[len(asked) :] if block["type"] == "tool_result"]
    _require(
        not late,
        f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(late)}. Each "
        "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
    )


def _unanswered(place: int, asked: list[str]) -> str:
    return (
        f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(asked)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_thinking(place: int, blocks: list[dict], body: dict, script: Script) -> None:
    for number, block in enumerate(blocks):
        if block["type"] == "thinking":
            given = script.thinking_signed(block["signature"])
            _require(given, f"messages.{place}.content.{number}: Invalid `signature` in `thinking` block")
            _require(
                block == given,
                f"messages.{place}.content.{number}: `thinking` or `redacted_thinking` blocks in the latest assistant "
                "message cannot be modified. These blocks must remain as they were in the original response.",
            )
    called = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if not called or _thinking(body) == "disabled":
        return
    index = script.index_of_call(PREFIX, called[0])
    if index is not None:
        given = script.thinking_at(index)
        holds = given is None or blocks[0] == given
    else:
        # What another model called has no thinking, so a turn that thinks cannot go on from there.
        later = any(one["role"] == "assistant" for one in body["messages"][place + 1 :])
        holds = later or _thinking(body) != "enabled" or blocks[0]["type"] == "thinking"
    _require(
        holds,
        f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        f"`{blocks[0]['type']}`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
        "block.",
    )


def _content(content: Any) -> list[dict]:
    """The blocks of a content; a bare text is one."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _thinking(body: dict) -> str | None:
    return (body.get("thinking") or {}).get("type")
