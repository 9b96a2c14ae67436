"""What runs remember, and what becomes of typed tasks' results: the real program, with a model server and a judge."""

import dataclasses
import http.server
import json
import shutil
import threading

import psycopg
import pytest
from agent import Caller, noop, someone, token
from model_judges import check_embeddings_request
from prompts import begin, clever, model  # fixtures
from prompts import call, plan
from server import SECRET, Server, prepare, programs, serve
from stack import Stack, folder, free_port, wait_for
from test_rls_probe import become

pytest_plugins = ["model_fixtures"]

KEY = "the-judges-own-key"


def steps(*calls: tuple[str, dict]) -> dict:
    """A plan that does one call of memory after the other."""
    return {
        "steps": [
            {"id": f"s{number}", "tool": f"memory.{tool}", "with": given}
            | ({"needs": [f"s{number - 1}"]} if number else {})
            for number, (tool, given) in enumerate(calls)
        ]
    }


class Judge:
    """An evaluator on this machine, which gives every task the same answer."""

    def __init__(self):
        self.asked: list[tuple[str, dict]] = []
        self.answer = {"score": 0.875}
        judge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                judge.asked.append((self.headers["authorization"], json.loads(body)))
                answer = json.dumps(judge.answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/judge"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def judge():
    made = Judge()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(models, judge):
    """A stack whose memories get vectors, where its PostgreSQL has pgvector, and whose tasks are judged."""
    models.put("embeddings", {"text": "unused"})
    environment = {
        "SIMPLON_EMBEDDINGS_URL": f"{models.url}/v1/",
        "SIMPLON_EMBEDDINGS_KEY": "embeddings",
        "SIMPLON_EVALUATOR_URL": judge.url,
        "SIMPLON_EVALUATOR_KEY": KEY,
        "SIMPLON_RATE_PER_PRINCIPAL": "0",
        "SIMPLON_RATE_PER_ADDRESS": "0",
    }
    stack = Stack(environment=environment)
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def owner(house):
    with psycopg.connect(house.login("postgres"), autocommit=True) as connection:
        yield connection


@dataclasses.dataclass
class VectorHouse:
    """A server on a database with pgvector."""

    server: Server
    url: str

    def caller(self) -> Caller:
        person = someone()
        return Caller(self.url, token(SECRET, f"{self.url}/auth/v1", person), person)

    def ask(self, question: str, *values):
        with psycopg.connect(self.server.url(), autocommit=True) as owner:
            return owner.execute(question, values).fetchone()[0]


@pytest.fixture(scope="module")
def vectors(models):
    home, port = folder(), free_port()
    server, process = Server(home, programs=programs("18")), None
    models.put("embeddings", {"text": "unused"})
    try:
        prepare(server, home)
        settings = {"SIMPLON_EMBEDDINGS_URL": f"{models.url}/v1/", "SIMPLON_EMBEDDINGS_KEY": "embeddings"}
        process = serve("api,worker", server, home, port, **settings)
        house = VectorHouse(server, f"http://127.0.0.1:{port}")
        wait_for("the server", lambda: house.caller().http.get("/ready").status_code == 200)
        yield house
    finally:
        if process:
            process.stop()
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def test_a_run_remembers_for_the_next_one_of_its_owner_alone(ada, eve):
    kept = ada.finished(steps(("put", {"key": "tea", "content": "Ada drinks green tea", "namespace": "taste"})))
    assert kept["status"] == "completed" and ada.output(kept, "s0") == {"key": "tea"}
    calls = (
        ("get", {"key": "tea", "namespace": "taste"}),
        ("search", {"query": "drinking"}),
        ("delete", {"key": "tea", "namespace": "taste"}),
    )
    found, hers = eve.finished(steps(*calls)), ada.finished(steps(*calls))
    assert [eve.output(found, id).get("found") for id in ("s0", "s2")] == [False, False]
    assert eve.output(found, "s1")["items"] == []
    assert ada.output(hers, "s0")["content"] == "Ada drinks green tea"
    searched = ada.output(hers, "s1")
    assert searched["search"] == "words" and searched["why"] == "no embeddings are configured"
    assert [one["key"] for one in searched["items"]] == ["tea"]
    assert ada.output(hers, "s2") == {"key": "tea", "found": True}


def test_a_model_remembers_by_the_tools_names_as_its_vendor_takes_them(begin):
    talk = begin(
        plan(),
        {"calls": [call("memory_put", key="colour", content="The house is blue.")]},
        {"calls": [call("memory_search", query="blue"), call("memory_get", key="colour")]},
        {"text": "Blue."},
    ).end()
    assert talk.answer == "Blue."
    assert {"memory_put", "memory_get", "memory_search", "memory_delete"} <= set(talk.questions[0].tool_names)
    searched, got = talk.questions[-1].results[-1]
    assert [one["key"] for one in searched.json["output"]["items"]] == ["colour"]
    assert got.json["output"]["content"] == "The house is blue."
    assert [one["tool"] for one in talk.steps.values() if one["tool"].startswith("memory")] == [
        "memory.put", "memory.search", "memory.get",
    ]  # fmt: skip


def test_a_task_is_judged_after_it_and_its_execution_has_the_score(house, judge):
    service, caller = house.service(), house.caller()
    agent = f"judged-{someone()}"
    assert service.http.post("/api/v1/agents", json={"agent_id": agent}).status_code == 201
    path, body = f"/api/v1/agents/{agent}/tasks", {"task_type": "greeting", "plan": noop(1), "input_data": {"n": 1}}
    task = caller.http.post(path, json=body).json()["task_id"]

    def score():
        return caller.http.get(f"/api/v1/executions/{task}").json()["quality_score"]

    assert wait_for("a score", score) == 0.875
    ((bearer, sent),) = [one for one in judge.asked if one[1]["task_id"] == task]
    assert bearer == f"Bearer {KEY}" and sent["input_data"] == {"n": 1} and sent["agent_id"] == agent
    service.http.close()
    caller.http.close()


def test_without_pgvector_a_search_is_by_words_and_says_so(house, owner):
    if owner.execute("select simplon.has_vectors()").fetchone() == (True,):
        pytest.skip("this machine's PostgreSQL has pgvector")
    caller = house.caller()
    run = caller.finished(steps(("put", {"key": "k", "content": "red"}), ("search", {"query": "red"})))
    found = caller.output(run, "s1")
    assert found["search"] == "words" and "pgvector" in found["why"] and len(found["items"]) == 1
    caller.http.close()


def test_with_pgvector_a_memory_is_found_by_its_vector(vectors, models):
    caller = vectors.caller()
    first = caller.finished(steps(("put", {"key": "k", "content": "red"}), ("put", {"key": "other", "content": "x"})))
    assert first["status"] == "completed"
    wait_for("the vectors", lambda: vectors.ask("select count(*) from simplon.memory_queue") == 0)
    found = caller.output(caller.finished(steps(("search", {"query": "k\nred"}))), "s0")
    assert found["search"] == "vectors" and "why" not in found
    assert [one["key"] for one in found["items"]] == ["k", "other"]
    assert {one["by"] for one in found["items"]} == {"vectors"} and found["items"][0]["score"] > 0.99
    requests = models.requests("embeddings", "path", "body")
    assert {one["path"] for one in requests} == {"/v1/embeddings"}
    for one in requests:
        check_embeddings_request(one["body"])
    caller.http.close()


def test_with_pgvector_match_tasks_finds_the_caller_s_own_tasks_and_no_others(vectors):
    person, other = someone(), someone()
    schema = vectors.ask("select extnamespace::regnamespace::text from pg_extension where extname = 'vector'")
    one = "(select array_agg((n = %s)::int::real order by n) from generate_series(1, 1536) n)"
    for user, title, place in ((person, "first", 1), (person, "second", 2), (other, "foreign", 1)):
        vectors.ask(
            f"insert into public.tasks (user_id, title, embedding) values (%s, %s, {one}) returning 1",
            *(user, title, place),
        )
    query = f"select title, similarity from public.match_tasks({one}::{schema}.vector, 0.5, 10)"
    with psycopg.connect(vectors.server.url("simplon_api")) as connection:
        become(connection, "authenticated", person)
        assert connection.execute(query, (1,)).fetchall() == [("first", 1.0)]
        connection.rollback()
        become(connection, "anon", None)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query, (1,))
