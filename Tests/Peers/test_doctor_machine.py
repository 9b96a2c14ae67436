"""`simplon doctor` and the rest: keys and tokens, this machine, models, the data folder of `simplon dev`."""

import http.server
import json
import os
import threading
import time

import pytest
from agent import someone, token
from doctor import DATABASE, ISSUER, OTHER, Diagnosis, read
from server import SECRET
from stack import Stack, free_port, simplon

pytest_plugins = ["doctor_fixtures"]

only_root_mounts = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")


# Keys and tokens


def key(secret: str, role: str, **more) -> str:
    """A legacy key of a hosted project."""
    return token(secret, "supabase", None, role=role, aud=None, **more)


@pytest.mark.parametrize(
    ("name", "role"), [("SUPABASE_ANON_KEY", "anon"), ("SUPABASE_SERVICE_ROLE_KEY", "service_role")]
)
def test_a_key_of_another_project(installation, name, role):
    found = installation.doctor(**{name: key(OTHER, role, ref="another-project")})
    found.says("keys", "problem", "auth.invalid", "SUPABASE_JWT_SECRET", f"{name} was signed by another project")
    assert "another-project" in found["keys"]["message"]


def test_the_project_s_own_keys_are_good(installation):
    keys = {"SUPABASE_ANON_KEY": key(SECRET, "anon"), "SUPABASE_SERVICE_ROLE_KEY": key(SECRET, "service_role")}
    found = installation.doctor(**keys)
    assert found.code == 0 and found["keys"]["status"] == "ok", found.findings


def test_keys_that_are_swapped(installation):
    found = installation.doctor(SUPABASE_ANON_KEY=key(SECRET, "service_role"))
    assert found.code == 1 and found["keys"]["code"] == "config.invalid" and "anon" in found["keys"]["message"]


def test_a_project_that_is_not_named(installation):
    installation.doctor(SUPABASE_URL=None).says("keys", "problem", "config.missing", "project", "SUPABASE_URL")


def test_a_token_that_is_good(installation):
    found = installation.doctor("--token", token(SECRET, ISSUER, someone()))
    assert found.code == 0 and found["token"]["status"] == "ok", found.findings
    assert "authenticated" in found["token"]["message"]


@pytest.mark.parametrize(
    ("secret", "issuer"),
    [(OTHER, "https://other.example.com/auth/v1"), (OTHER, ISSUER), (SECRET, "https://other.example.com/auth/v1")],
    ids=["theirs", "under our name", "under another name"],
)
def test_a_token_of_another_project(installation, secret, issuer):
    found = installation.doctor("--token", token(secret, issuer, someone()))
    found.says("token", "problem", "auth.invalid", "SIMPLON_ISSUERS", "signed by another project")
    assert issuer in found["token"]["message"]


def test_a_token_that_has_expired(installation):
    found = installation.doctor("--token", token(SECRET, ISSUER, someone(), exp=int(time.time()) - 3600))
    found.says("token", "problem", "auth.expired", "new one", "expired")


# This machine


@only_root_mounts
def test_no_sandbox(installation):
    found = installation.doctor(mount="mount --bind /dev/null /usr/bin/bwrap")
    found.says("sandbox", "problem", "tool.unavailable", "apt-get install bubblewrap", "is not installed")


@only_root_mounts
def test_a_sandbox_that_does_not_work(installation):
    found = installation.doctor(mount="mount --bind /bin/false /usr/bin/bwrap")
    found.says("sandbox", "problem", "tool.unavailable", "namespaces", "programs are refused")


@only_root_mounts
def test_no_sandbox_by_the_loud_flag(installation):
    found = installation.doctor(mount="mount --bind /dev/null /usr/bin/bwrap", SIMPLON_ALLOW_UNSANDBOXED="true")
    found.says("sandbox", "warning", "tool.unavailable", "apt-get install bubblewrap", "SIMPLON_ALLOW_UNSANDBOXED")


@only_root_mounts
@pytest.mark.parametrize(("size", "status"), [("50m", "problem"), ("500m", "warning")])
def test_a_full_disk(installation, size, status):
    place = installation.home / "small"
    place.mkdir(exist_ok=True)
    found = installation.doctor(mount=f"mount -t tmpfs -o size={size} none {place}", SIMPLON_DATA=str(place))
    found.says("disk", status, "storage.full", "Make room", str(place))


# Models


class Models(http.server.BaseHTTPRequestHandler):
    """A server of either dialect with one model, one key and one version."""

    def do_GET(self):
        is_known = self.headers["Authorization"] == "Bearer a-good-key-of-the-test" or (
            self.headers["x-api-key"] == "a-good-key-of-the-test" and self.headers["anthropic-version"] == "2026-10-21"
        )
        is_good = self.path == "/v1/models" and is_known
        body = {"data": [{"id": "m"}]} if is_good else {"error": {"message": "no", "code": "invalid_api_key"}}
        self.send_response(200 if is_good else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def models():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_model_that_is_not_there(installation):
    found = installation.doctor(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    found.says("model", "problem", "model.unavailable", "Check the model's URL", "127.0.0.1")


def test_a_model_that_refuses_the_key(installation, models):
    found = installation.doctor(OPENAI_BASE_URL=models, OPENAI_API_KEY="a-wrong-key-of-the-test")
    found.says("model", "problem", "model.auth", "Check the key")


def test_a_model_that_answers(installation, models):
    found = installation.doctor(OPENAI_BASE_URL=models, OPENAI_API_KEY="a-good-key-of-the-test")
    assert found.code == 0 and found["model"]["status"] == "ok", found.findings


@pytest.mark.parametrize(("version", "status"), [("2026-10-21", "ok"), (None, "problem")])
def test_a_model_is_asked_in_the_version_that_is_set(installation, models, version, status):
    url, key = models.removesuffix("/v1"), "a-good-key-of-the-test"
    found = installation.doctor(ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY=key, SIMPLON_ANTHROPIC_VERSION=version)
    assert found["model"]["status"] == status, found.findings


# The data folder of `simplon dev`


def test_a_development_stack_running_stopped_and_without_its_postgresql():
    stack = Stack()

    def doctor(*words: str) -> Diagnosis:
        found = simplon("doctor", "--json", "--data", str(stack.data), *words, cwd=str(stack.home))
        return read(found, [word for word in (stack.ready.get("jwt_secret", ""), *words) if len(word) > 20])

    try:
        fresh = doctor()
        assert fresh.code == 0 and "simplon dev" in fresh["database"]["hint"], fresh.findings
        assert fresh["programs"]["status"] == "ok" and not stack.data.exists(), "it changes nothing"

        stack.start()
        running = doctor("--token", stack.token(someone()))
        assert running.code == 0 and not running.having("warning"), running.findings
        assert running.having("ok") == DATABASE | {"configuration", "programs", "keys", "token", "sandbox", "disk"}
        theirs = doctor("--token", token(OTHER, stack.issuer, someone()))
        theirs.says("token", "problem", "auth.invalid", "simplon token --sub", "signed by another project")

        assert stack.stop() == 0
        stopped = doctor()
        assert stopped.code == 0 and stopped.having("skipped") >= DATABASE, stopped.findings
        assert f"simplon dev --data {stack.data}" in stopped["database"]["hint"]

        (stack.data / "postgres" / "data" / "PG_VERSION").write_text("13\n")
        missing = doctor()
        missing.says("programs", "problem", "dev.postgres_missing", "postgresql-13", "PostgreSQL 13")
    finally:
        stack.remove()
