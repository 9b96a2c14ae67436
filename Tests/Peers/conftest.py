"""What the tests share: one running stack, people with tokens, and a look into the database."""

import os

import issuers
import psycopg
import pytest
from agent import Caller
from browser import Window, bearer, chromium
from stack import PROGRAM, Stack


def pytest_configure(config):
    if not os.access(PROGRAM, os.X_OK):
        pytest.exit(f"{PROGRAM} is not there; scripts/test builds it, or name one in SIMPLON", returncode=3)


def pytest_collection_modifyitems(items):
    if not os.environ.get("SIMPLON_LONG_TESTS"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long; SIMPLON_LONG_TESTS=1 runs it"))


@pytest.fixture(scope="session")
def stack():
    """One `simplon dev` for all tests that break nothing."""
    # One address asks for everybody here, so the rate limit has to be out of the way.
    limits = {"SIMPLON_RATE_PER_PRINCIPAL": "0", "SIMPLON_RATE_PER_ADDRESS": "0"}
    stack = Stack(environment={**limits, "SIMPLON_ISSUERS": issuers.configuration()})
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def person(stack):
    """Makes a new person who may ask."""
    made = []

    def make() -> Caller:
        made.append(stack.caller())
        return made[-1]

    yield make
    for caller in made:
        caller.http.close()


@pytest.fixture
def ada(person):
    return person()


@pytest.fixture
def eve(person):
    """Somebody else, who wants to see what is not hers."""
    return person()


@pytest.fixture
def nobody(stack):
    """A caller with no token."""
    caller = Caller(stack.url, None)
    yield caller
    caller.http.close()


@pytest.fixture
def database(stack):
    """The database as its owner, who steps over row level security."""
    with psycopg.connect(stack.login("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def window(browser, stack):
    """Opens the page; each window is checked when the test ends."""
    opened = []

    def make(place: str = "", caller=None, url: str | None = None, **options) -> Window:
        opened.append(Window(browser, url or stack.url, **options).open(place))
        return opened[-1].sign_in(bearer(caller)) if caller else opened[-1]

    yield make
    for one in opened:
        one.close()
