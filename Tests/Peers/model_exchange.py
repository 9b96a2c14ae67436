"""The answer of the model server to one request: its bytes, the fault in them, and what is written down about it."""

import dataclasses
import itertools
from types import ModuleType
from typing import Any

import model_anthropic
from model_connection import Connection, HungUp
from model_scripts import Answer, Fault, Refused, Reply, Usage, compact


class Exchange:
    """One request's answer in the making; `record` is what tests see of it."""

    def __init__(self, connection: Connection, dialect: ModuleType, number: str):
        self.connection, self.dialect, self.number = connection, dialect, number
        self.record: dict[str, Any] = {}

    def head(self, kind: str = "application/json") -> list[tuple[str, str]]:
        return [("content-type", kind), (self.dialect.REQUEST_ID, self.number)]

    async def refuse(self, refused: Refused, more: list[tuple[str, str]] | None = None, raw: str | None = None) -> None:
        """An error in the dialect's form, or the raw body that a proxy would send in its place."""
        self.record |= {"status": refused.status, "ended": "refused"}
        body = compact(self.dialect.error(refused, self.number)) if raw is None else raw
        kind = "text/html" if body.startswith("<") else "application/json"
        await self.connection.whole(refused.status, self.head(kind) + (more or []), body.encode())

    async def plain(self, body: dict) -> None:
        """The body of an answer that no script has written."""
        billed = body["usage"]["prompt_tokens"] if "usage" in body else None
        usage = billed and dataclasses.asdict(Usage(input=billed))
        self.record |= {"status": 200, "ended": "whole", "usage": usage}
        await self.connection.whole(200, self.head(), compact(body).encode())

    async def give(self, answer: Answer, attempt: int) -> None:
        """The reply, or this attempt's fault."""
        reply, stream = answer.reply, bool(answer.body.get("stream"))
        fault = reply.faults[attempt - 1] if attempt <= len(reply.faults) else None
        if fault and fault.kind == "status":
            return await self.refuse(*status_fault(fault, self.dialect))
        self.record["status"] = 200
        self.connection.split = reply.split
        try:
            await self.connection.pause(reply.delay_ms / 1000)
            blocks = self.stream(answer) if stream else [compact(self.dialect.message(answer)).encode()]
            await self.send(blocks, fault, reply, stream)
        except (HungUp, OSError):
            self.record["ended"] = "hung up"
            raise
        finally:
            self.connection.split = 0
        if self.record["ended"] == "whole":
            usage = self.dialect.sent(answer.usage, answer, stream)
            self.record["usage"] = usage and dataclasses.asdict(usage)

    async def send(self, blocks: list[bytes], fault: Fault | None, reply: Reply, stream: bool) -> None:
        """Sends the body with its fault; a block is one event of a stream, or the whole body without one."""
        connection, between = self.connection, reply.delay_between_ms / 1000
        head = self.head("text/event-stream; charset=utf-8" if stream else "application/json")
        head.append(("transfer-encoding", "chunked") if stream else ("content-length", str(sum(map(len, blocks)))))
        if fault and fault.kind in ("error_event", "garbage"):
            extra = self.extra(fault, reply, stream)
            kept = take_whole(blocks, fault.after) if stream else []
            blocks = [*kept, extra]
            head[-1] = head[-1] if stream else ("content-length", str(len(extra)))
        at = fault.after if fault and fault.kind in ("stall_s", "reset_after", "close_after") else None
        before, after = cut(blocks, at) if at is not None else (blocks, [])
        if at != 0:
            await connection.head(200, head)
            await connection.body(before, stream, between)
        match fault.kind if fault else None:
            case "reset_after":
                self.record["ended"] = "reset"
                await connection.reset()
            case "close_after":
                self.record["ended"] = "closed"
                connection.close()
            case "stall_s":
                await connection.pause(fault.value)
                if at == 0:
                    await connection.head(200, head)
                await connection.body(after, stream, between)
                await connection.finish(stream)
                self.record["ended"] = "whole"
            case kind:
                await connection.finish(stream)
                self.record["ended"] = kind or "whole"

    def stream(self, answer: Answer) -> list[bytes]:
        """The events as bytes, with what the script puts between them."""
        reply, blocks = answer.reply, []
        for name, data in self.dialect.events(answer):
            if reply.pings:
                blocks.append((self.dialect.ping(reply.newline) * reply.pings).encode())
            if reply.unknown_events:
                blocks.append(block(*self.dialect.unknown(answer), reply.newline))
                data = {**data, "novelty": {"of": ["a", "later", "version"]}} if isinstance(data, dict) else data
            more = f"novelty: field{reply.newline}" if reply.unknown_events else ""
            blocks.append(block(name, data, reply.newline, more))
        return blocks

    def extra(self, fault: Fault, reply: Reply, stream: bool) -> bytes:
        """What stands in the stream, or in the body's place, that does not belong there."""
        if fault.kind == "garbage":
            name = "content_block_delta" if self.dialect is model_anthropic else None
            return block(name, fault.value, reply.newline) if stream else fault.value.encode()
        refused = Refused(fault.more.get("message", "Overloaded"), fault.value, 200)
        name, data = self.dialect.error_event(refused, self.number)
        return block(name, data, reply.newline) if stream else compact(data).encode()


def block(name: str | None, data: Any, newline: str, more: str = "") -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else compact(data)
    return f"{f'event: {name}{newline}' if name else ''}{more}data: {text}{newline}{newline}".encode()


def cut(blocks: list[bytes], at: int) -> tuple[list[bytes], list[bytes]]:
    """The blocks before that byte and those from it on; one may be cut in two."""
    before: list[bytes] = []
    for number, one in enumerate(blocks):
        if at < len(one):
            return [*before, one[:at]] if at else before, [one[at:], *blocks[number + 1 :]]
        before.append(one)
        at -= len(one)
    return before, []


def take_whole(blocks: list[bytes], least: int) -> list[bytes]:
    """So many whole blocks that they have at least that many bytes."""
    sizes = itertools.accumulate(map(len, blocks), initial=0)
    return blocks[: next((number for number, size in enumerate(sizes) if size >= least), len(blocks))]


def refusal(dialect: ModuleType, status: int, message: str, **more: Any) -> Refused:
    """A refusal with the kind and the code that the dialect has for that status."""
    usual = {"kind": dialect.KINDS.get(status, dialect.OTHER_KIND), "code": dialect.CODES.get(status)}
    return Refused(message, status=status, **(usual | {key: value for key, value in more.items() if value}))


def status_fault(fault: Fault, dialect: ModuleType) -> tuple[Refused, list[tuple[str, str]], str | None]:
    """A refusal by the script: what it is, its headers, and its body where the script has one."""
    more = fault.more
    names = {"retry_after": "retry-after", "retry_after_ms": "retry-after-ms", "should_retry": "x-should-retry"}
    headers = [(header, str(more[key])) for key, header in names.items() if key in more]
    message = more.get("message", "scripted")
    refused = refusal(dialect, fault.value, message, kind=more.get("type"), code=more.get("error_code"))
    return refused, headers, more.get("body")
