"""The official packages as judges of what goes over the wire between a client and a model.

`check_anthropic_request` and `check_openai_request` take the body of a recorded request and fail with every place in it
that the vendor's own types do not know. pydantic alone does not find them: it validates an `Iterable[...]` only as far
as somebody iterates over it, and it drops keys that it does not know.
"""

import functools
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pydantic
import typing_extensions
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types import EmbeddingCreateParams
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

UNIONS = (typing.Union, types.UnionType)
LISTS = (list, Iterable, Sequence)
SCALARS = (str, int, float, bool, type(None))


def check_anthropic_request(body: dict) -> None:
    """Fails unless that is a streaming request as `anthropic` types it, with no key that it does not know."""
    check(MessageCreateParamsStreaming, body)


def check_openai_request(body: dict) -> None:
    """Fails unless that is a streaming request as `openai` types it, with no key that it does not know."""
    check(CompletionCreateParamsStreaming, body)


def check_embeddings_request(body: dict) -> None:
    """Fails unless `openai` would ask for vectors like that."""
    check(EmbeddingCreateParams, body)


def check_anthropic_event(data: dict) -> None:
    """Fails unless that is an event of a stream as `anthropic` types it, with no field that it does not know."""
    check_reply(RawMessageStreamEvent, data)


def check_openai_chunk(data: dict) -> None:
    """Fails unless that is a chunk of a stream as `openai` types it, with no field that it does not know."""
    check_reply(ChatCompletionChunk, data)


# By pydantic, and by the annotations


def check(annotation: Any, body: Any) -> None:
    """Validates with pydantic, to the last item of every iterable, and compares all keys with the annotations."""
    walk(adapter(annotation).validate_python(body))
    found = list(problems(annotation, body, "body"))
    assert not found, "\n".join(found)


def check_reply(annotation: Any, data: Any) -> None:
    """Validates what a server sends, strictly, and fails on what the vendor's type has no field for."""
    found = list(unknown_fields(adapter(annotation).validate_python(data, strict=True), "data"))
    assert not found, "\n".join(found)


@functools.cache
def adapter(annotation: Any) -> pydantic.TypeAdapter:
    """The adapter of a type, kept for good: iterators of one that is gone make pydantic panic."""
    return pydantic.TypeAdapter(annotation)


def walk(value: Any) -> None:
    """Iterates over everything, which is what makes pydantic validate it."""
    assert not isinstance(value, pydantic.BaseModel), f"fits a type of replies alone: {value!r}"
    if isinstance(value, Mapping):
        for inner in value.values():
            walk(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            walk(inner)


def unknown_fields(value: Any, path: str) -> Iterator[str]:
    """Each field of a model, at any depth, that its class does not declare."""
    if isinstance(value, pydantic.BaseModel):
        yield from (f"{path}.{name} is unknown to {type(value).__name__}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from unknown_fields(inner, f"{path}[{number}]")


def problems(annotation: Any, value: Any, path: str) -> Iterator[str]:
    """Each place where a value is not what the annotation says, and each key that the annotation does not have."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        yield from problems(inner[0], value, path)
    elif origin in UNIONS:
        yield from fewest(inner, value, path)
    elif origin in (typing.Literal, typing_extensions.Literal):
        if value not in inner:
            yield f"{path} is {value!r}, not one of {inner}"
    elif origin in LISTS:
        if not isinstance(value, list):
            yield f"{path} is {value!r}, not a list"
        for number, one in enumerate(value if isinstance(value, list) else ()):
            yield from problems(inner[0], one, f"{path}[{number}]")
    elif origin in (dict, Mapping):
        if not isinstance(value, dict):
            yield f"{path} is {value!r}, not an object"
        for key, one in value.items() if isinstance(value, dict) else ():
            yield from problems(inner[1], one, f"{path}.{key}")
    elif typing_extensions.is_typeddict(annotation):
        yield from problems_of_keys(annotation, value, path)
    elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield f"{path} is {value!r}, and {annotation.__name__} is for replies"
    elif annotation in SCALARS:
        wanted = (int, float) if annotation is float else annotation
        if not isinstance(value, wanted) or isinstance(value, bool) and annotation is not bool:
            yield f"{path} is {value!r}, not {annotation.__name__}"


def problems_of_keys(annotation: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path} is {value!r}, not an object"
        return
    hints = hints_of(annotation)
    open_ended = getattr(annotation, "__pydantic_config__", {}).get("extra") == "allow"
    for key in value.keys() - hints.keys() if not open_ended else ():
        yield f"{path}.{key} is unknown to {annotation.__name__}"
    for key, hint in hints.items():
        if key in value:
            yield from problems(hint, value[key], f"{path}.{key}")
        # Annotations that are text hide `Required` from the class, so its own set of keys is not enough.
        elif key in annotation.__required_keys__ or typing.get_origin(hint) is typing_extensions.Required:
            yield f"{path}.{key} is missing in {annotation.__name__}"


@functools.cache
def hints_of(annotation: Any) -> dict[str, Any]:
    """What the keys of a type may hold, kept for good: reading it takes far longer than a look at a value."""
    return typing_extensions.get_type_hints(annotation, include_extras=True)


def fewest(choices: tuple[Any, ...], value: Any, path: str) -> list[str]:
    """The problems with the choice that a value fits best; none when it fits one."""
    tried = [list(problems(choice, value, path)) for choice in choices if of_one_shape(choice, value)]
    return min(tried, key=len, default=[f"{path} is {value!r}, none of {choices}"])


def of_one_shape(annotation: Any, value: Any) -> bool:
    """Whether a value is an object, a list or neither, as the annotation wants it."""
    origin = typing.get_origin(annotation)
    if origin in UNIONS or annotation in (Any, object):
        return True
    if origin is typing.Annotated:
        return of_one_shape(typing.get_args(annotation)[0], value)
    if origin in (dict, Mapping) or typing_extensions.is_typeddict(annotation):
        return isinstance(value, dict)
    if origin in LISTS:
        return isinstance(value, list)
    return not isinstance(value, (dict, list))
