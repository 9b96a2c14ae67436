"""The model server and its clients as fixtures.

A module of tests takes them with `pytest_plugins = ["model_fixtures"]`.
"""

import itertools
from collections.abc import Callable, Iterator

import anthropic
import httpx
import openai
import pytest
from model_clients import CLAUDE, GO, GPT, VERSION
from model_server import ModelServer, model_server

numbers = itertools.count()


@pytest.fixture(scope="session")
def models() -> Iterator[ModelServer]:
    """One model server for all tests."""
    with model_server() as server:
        yield server


@pytest.fixture
def script(models) -> Iterator[Callable[..., str]]:
    """Takes replies and gives the name of their script, which is the API key as well."""
    put_so_far = []

    def put(*replies: dict) -> str:
        put_so_far.append(f"script-{next(numbers)}")
        models.put(put_so_far[-1], *replies)
        return put_so_far[-1]

    yield put
    for name in put_so_far:
        models.delete(name)


@pytest.fixture(params=[CLAUDE, GPT])
def endpoint(request) -> str:
    """Each dialect's."""
    return request.param


# Making a client reads the system's certificates, which takes longer than most tests here: each kind is made once.


@pytest.fixture(scope="session")
def plain() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture
def ask(models, plain) -> Callable[..., httpx.Response]:
    """Asks at an endpoint with a script's name as the key and with what else the body holds; `...` leaves a key out."""

    def post(endpoint: str, name: str, headers: dict | None = None, **body) -> httpx.Response:
        usual = {"model": "m", "messages": [GO]} | ({"max_tokens": 100} if endpoint == CLAUDE else {})
        whole = {key: value for key, value in (usual | body).items() if value is not ...}
        headers = {"authorization": f"Bearer {name}"} | (VERSION if headers is None else headers)
        return plain.post(models.url + endpoint, json=whole, headers=headers)

    return post


@pytest.fixture(scope="session")
def claude(models) -> Callable[..., anthropic.Anthropic]:
    """Anthropic's client with a script's name as its key; a strict one raises on what its types do not know."""
    http = anthropic.DefaultHttpxClient()

    def client(name: str, strict: bool = True, max_retries: int = 0) -> anthropic.Anthropic:
        settings = {"http_client": http, "max_retries": max_retries, "_strict_response_validation": strict}
        return anthropic.Anthropic(api_key=name, base_url=models.url, **settings)

    return client


@pytest.fixture(scope="session")
def gpt(models) -> Callable[..., openai.OpenAI]:
    """OpenAI's client with a script's name as its key; a strict one raises on what its types do not know."""
    http = openai.DefaultHttpxClient()

    def client(name: str, strict: bool = True, max_retries: int = 0) -> openai.OpenAI:
        settings = {"http_client": http, "max_retries": max_retries, "_strict_response_validation": strict}
        return openai.OpenAI(api_key=name, base_url=f"{models.url}/v1", **settings)

    return client
