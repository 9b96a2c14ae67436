"""Scripts of the model server: what one may hold, which reply a request gets, and what was asked.

A script says, in no vendor's dialect, what a model answers and what goes wrong on the way. Only the standard library.

    {"replies": [REPLY, …]}   REPLY number n answers the transcript with n assistant messages; beyond the end, the last
    REPLY   text (string, or its pieces), thinking, calls, stop, usage, faults; every key may be left out
            bytes: delay_ms, delay_between_ms, split (bytes of one segment), newline ("\\n", "\\r\\n", "\\r"), pings
            (so many before each event), unknown_events; for OpenAI's dialect interleave, and variations, a list out
            of VARIATIONS
    calls   [{"name", "input" (an object, or its text, which may be broken), "id"?}, …]
    stop    one of STOPS; without it "calls" or "ended"
    usage   {"input", "cache_read", "cache_write", "cache_write_hour", "output"}
    faults  used up by the successive attempts at the reply, each run (first user message) for itself; one of
            {"status": 429, "type"?, "message"?, "error_code"?, "retry_after"?, "retry_after_ms"?, "should_retry"?,
            "body"?}
            {"error_event": "overloaded_error", "after_bytes"?, "message"?}   {"garbage": "…", "after_bytes"?}
            {"stall_s": 60, "after_bytes"?}   {"reset_after": bytes}   {"close_after": bytes}
            Bytes are those of the body. Stalls, resets and ends come after exactly so many, at 0 before the head; an
            error or garbage comes at the next end of an event and ends the stream. After a stall the reply goes on.
"""

import base64
import collections
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

STOPS = ("ended", "calls", "max_tokens", "paused", "refused", "context_full")
VARIATIONS = (
    "no_index", "whole_arguments", "stop_with_calls", "no_usage", "null_content", "usage_in_every_chunk",
    "empty_choices_first", "no_done", "no_call_id",
)  # fmt: skip
# What a fault is called by, and what else may stand beside that key.
FAULTS: dict[str, set[str]] = {
    "status": {"type", "message", "retry_after", "retry_after_ms", "should_retry", "error_code", "body"},
    "error_event": {"after_bytes", "message"},
    "stall_s": {"after_bytes"},
    "reset_after": set(),
    "close_after": set(),
    "garbage": {"after_bytes"},
}


class Refused(Exception):
    """A request that the vendor refuses; the dialect makes its answer out of it."""

    def __init__(
        self, message: str, kind: str = "invalid_request_error", status: int = 400, param: str | None = None,
        code: str | None = None,
    ):  # fmt: skip
        super().__init__(message)
        self.message, self.kind, self.status, self.param, self.code = message, kind, status, param, code


@dataclasses.dataclass(frozen=True)
class Usage:
    """Tokens as they are billed; no token counts twice."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0
    output: int = 0

    @property
    def all_input(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.cache_write_hour


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a tool; `arguments` is the text of its input, broken or not."""

    name: str
    arguments: str
    id: str | None = None

    @property
    def input(self) -> Any:
        """The input as JSON; the bare text where it is none."""
        try:
            return json.loads(self.arguments)
        except ValueError:
            return self.arguments


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that goes wrong instead of, or in the middle of, a reply."""

    kind: str
    value: Any
    more: dict[str, Any]

    @property
    def after(self) -> int:
        """The bytes of the body that are sent before it happens."""
        return self.value if self.kind in ("reset_after", "close_after") else self.more.get("after_bytes", 0)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the model says at one place of a transcript, and how its bytes come."""

    text: str | list[str] = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = "ended"
    usage: dict[str, int] = dataclasses.field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    variations: frozenset[str] = frozenset()
    delay_ms: int = 0
    delay_between_ms: int = 0
    split: int = 0
    newline: str = "\n"
    pings: int = 0
    unknown_events: bool = False
    interleave: bool = False

    @property
    def whole_text(self) -> str:
        return self.text if isinstance(self.text, str) else "".join(self.text)

    @property
    def text_pieces(self) -> list[str]:
        """The text as it is streamed: as the script cut it, else every twelve characters."""
        return pieces(self.text, 12) if isinstance(self.text, str) else self.text

    def usage_for(self, body: dict) -> Usage:
        """What the reply to that request is billed; where the script says nothing, a quarter of the letters."""
        said = self.whole_text + self.thinking + "".join(call.name + call.arguments for call in self.calls)
        given = {"output": max(1, len(said) // 4), **self.usage}
        return Usage(**given) if "input" in given else Usage(input=estimate(body), **given)


@dataclasses.dataclass(frozen=True)
class Answer:
    """A reply to one request, ready to be put into a dialect."""

    script: "Script"
    index: int
    body: dict
    usage: Usage

    @property
    def reply(self) -> Reply:
        return self.script.reply_at(self.index)

    @property
    def id(self) -> str:
        return digest(self.script.name, self.index)[:24]

    def calls(self, prefix: str) -> Iterator[tuple[str, Call]]:
        """Each call with its id."""
        for position, call in enumerate(self.reply.calls):
            yield call.id or call_id(prefix, self.script.name, self.index, position), call


class Script:
    """A script under its name, with what was asked of it so far."""

    def __init__(self, name: str, replies: list[Reply]):
        self.name, self.replies = name, replies
        self.requests: list[dict[str, Any]] = []
        self.attempts: collections.Counter[tuple[int, str]] = collections.Counter()

    def reply_at(self, index: int) -> Reply:
        """The reply after that many turns of the assistant; beyond the end the last one."""
        return self.replies[min(index, len(self.replies) - 1)]

    def attempt(self, index: int, opening: str) -> int:
        """Counts one more attempt at a reply in the run that begins with that user message; the first is 1."""
        self.attempts[index, opening] += 1
        return self.attempts[index, opening]

    def thinking_at(self, index: int) -> dict[str, str] | None:
        """The signed block of that reply's thinking, the same each time."""
        place = min(index, len(self.replies) - 1)
        if not (thinking := self.replies[place].thinking):
            return None
        signature = base64.b64encode(hashlib.shake_256(f"{self.name}/{place}/{thinking}".encode()).digest(190))
        return {"type": "thinking", "thinking": thinking, "signature": signature.decode()}

    def thinking_signed(self, signature: str) -> dict[str, str] | None:
        """The block of this script with that signature."""
        blocks = (self.thinking_at(index) for index in range(len(self.replies)))
        return next((block for block in blocks if block and block["signature"] == signature), None)

    def index_of_call(self, prefix: str, identifier: str) -> int | None:
        """Which reply made the call with that id; None when it is not of this script and dialect."""
        if found := re.match(rf"{prefix}_(\d{{4}})(\d\d)", identifier):
            index, position = int(found[1]), int(found[2])
            if identifier == call_id(prefix, self.name, index, position):
                return index
        explicit = (index for index, reply in enumerate(self.replies) if any(c.id == identifier for c in reply.calls))
        return next(explicit, None)


def digest(*parts: object) -> str:
    """64 letters that look random and are the same for the same parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def call_id(prefix: str, script: str, index: int, position: int) -> str:
    return f"{prefix}_{index:04}{position:02}{digest(script, index, position)[:18]}"


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def estimate(body: dict) -> int:
    """The tokens of a request: a quarter of its letters."""
    counted = {key: body[key] for key in ("system", "tools", "messages", "input") if key in body}
    return max(1, len(json.dumps(counted, ensure_ascii=False)) // 4)


def opening(body: dict) -> str:
    """The text of a request's first user message; of its first input where vectors are asked for."""
    content = body.get("input")
    if isinstance(messages := body.get("messages"), list):
        users = (one for one in messages if isinstance(one, dict) and one.get("role") == "user")
        content = next(users, {}).get("content")
    parts = content if isinstance(content, list) else [content]
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))


# Reading a script. A misspelt key is an error: a fault that is not understood would be a test that tests nothing.

USAGE = {field.name for field in dataclasses.fields(Usage)}
REPLY: dict[str, type | tuple[type, ...]] = {
    "text": (str, list), "thinking": str, "calls": list, "stop": str, "usage": dict, "faults": list,
    "variations": list, "delay_ms": int, "delay_between_ms": int, "split": int, "newline": str, "pings": int,
    "unknown_events": bool, "interleave": bool,
}  # fmt: skip


def parse(name: str, script: Any) -> Script:
    """The script out of its JSON; a ValueError says what is wrong with it."""
    known(script, {"replies"}, "a script")
    replies = [parse_reply(reply) for reply in script.get("replies", ())]
    if not replies:
        raise ValueError("a script has one reply or more in `replies`")
    return Script(name, replies)


def parse_reply(reply: Any) -> Reply:
    known(reply, set(REPLY), "a reply")
    for key, value in reply.items():
        if not isinstance(value, REPLY[key]):
            raise ValueError(f"`{key}` cannot be {value!r}")
    known(reply.get("usage", {}), USAGE, "a usage")
    calls = tuple(map(parse_call, reply.get("calls", ())))
    stop, newline = reply.get("stop", "calls" if calls else "ended"), reply.get("newline", "\n")
    variations = frozenset(reply.get("variations", ()))
    if stop not in STOPS or newline not in ("\n", "\r\n", "\r") or not variations <= set(VARIATIONS):
        raise ValueError(f"unknown `stop` {stop!r}, `newline` {newline!r} or one of `variations` {sorted(variations)}")
    faults = tuple(map(parse_fault, reply.get("faults", ())))
    return Reply(**{**reply, "calls": calls, "stop": stop, "variations": variations, "faults": faults})


def parse_call(call: Any) -> Call:
    known(call, {"name", "input", "id"}, "a call")
    given = call.get("input", {})
    return Call(call["name"], given if isinstance(given, str) else compact(given), call.get("id"))


def parse_fault(fault: Any) -> Fault:
    kinds = [kind for kind in FAULTS if kind in fault]
    if len(kinds) != 1:
        raise ValueError(f"a fault has exactly one of {', '.join(FAULTS)}, not {fault!r}")
    kind = kinds[0]
    known(fault, {kind} | FAULTS[kind], "a fault")
    if not isinstance(fault[kind], str if kind in ("error_event", "garbage") else (int, float)):
        raise ValueError(f"`{kind}` cannot be {fault[kind]!r}")
    return Fault(kind, fault[kind], {key: value for key, value in fault.items() if key != kind})


def known(value: Any, keys: set[str], what: str) -> None:
    if not isinstance(value, dict) or value.keys() - keys:
        raise ValueError(f"{what} is an object with {', '.join(sorted(keys))}, not {value!r}")


def compact(value: Any) -> str:
    """JSON as the vendors send it: no blanks, and letters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
