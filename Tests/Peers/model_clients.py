"""How tests ask the model server: what they say, and what they read of the answer."""

import json
import socket
from urllib.parse import urlsplit

import anthropic
import httpx
import openai
from agent import Event, events
from model_server import ModelServer

CLAUDE, GPT = "/v1/messages", "/v1/chat/completions"
TEXT = "Grüße 🦜, \u2028 vier\u00a0Vögel: 鳥鳥鳥鳥.\r\n\tEnde"
INPUT = {"command": 'echo "äöü" \\ 🦜', "lines": [1, 2.5, None, True]}
RICH = {
    "text": TEXT,
    "thinking": "Erst überlegen…",
    "calls": [{"name": "shell", "input": INPUT}, {"name": "noop"}],
    "usage": {"input": 100, "cache_read": 2000, "cache_write": 30, "cache_write_hour": 4, "output": 57},
}
TOOLS = [{"name": name, "description": name, "input_schema": {"type": "object"}} for name in ("shell", "noop")]
FUNCTIONS = [
    {"type": "function", "function": {"name": tool["name"], "parameters": tool["input_schema"]}} for tool in TOOLS
]
GO = {"role": "user", "content": "Go."}
VERSION = {"anthropic-version": "2026-10-21"}
WITH_USAGE = {"stream_options": {"include_usage": True}}


def ask_claude(client: anthropic.Anthropic, *messages: dict, **more) -> anthropic.types.Message:
    """The final message of a stream."""
    body = {"model": "claude", "max_tokens": 4096, "tools": TOOLS, "messages": messages or [GO], **more}
    with client.messages.stream(**body) as stream:
        return stream.get_final_message()


def ask_gpt(client: openai.OpenAI, *messages: dict, **more) -> openai.types.chat.ChatCompletion:
    """The final completion of a stream."""
    body = {"model": "gpt", "tools": FUNCTIONS, "messages": messages or [GO], **WITH_USAGE, **more}
    with client.chat.completions.stream(**body) as stream:
        return stream.get_final_completion()


def said(completion: openai.types.chat.ChatCompletion) -> tuple:
    """What there is to compare of a completion: its text, calls, finish reason and usage."""
    choice = completion.choices[0]
    calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return choice.message.content, calls, choice.finish_reason, completion.usage


def streamed(answer: httpx.Response) -> list[Event]:
    """The events of an answer."""
    return list(events(iter(answer.text.replace("\r\n", "\n").split("\n"))))


class Wire:
    """A streaming request by hand, to see each byte of the answer and how the connection ends."""

    def __init__(self, models: ModelServer, endpoint: str, name: str):
        where = urlsplit(models.url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=30)
        body = json.dumps({"model": "m", "max_tokens": 9, "messages": [GO], "stream": True}).encode()
        head = f"POST {endpoint} HTTP/1.1\r\nx-api-key: {name}\r\nanthropic-version: 2026-10-21\r\n"
        self.socket.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self.got = b""

    def read(self) -> bytes:
        """Everything up to the connection's end; raises as `recv` does."""
        while data := self.socket.recv(65536):
            self.got += data
        return self.got

    @property
    def body(self) -> bytes:
        """The bytes of the events so far; the last chunk may be cut."""
        rest, body = self.got.partition(b"\r\n\r\n")[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body
