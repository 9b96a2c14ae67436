"""An installation for `simplon doctor` as a fixture.

A module of tests takes it with `pytest_plugins = ["doctor_fixtures"]`.
"""

import shutil

import psycopg
import pytest
from doctor import Installation


@pytest.fixture(scope="module")
def installation():
    installation = Installation()
    yield installation
    installation.server.stop()
    shutil.rmtree(installation.home, ignore_errors=True)


@pytest.fixture
def owner(installation):
    with psycopg.connect(installation.server.url(), autocommit=True) as connection:
        yield connection
