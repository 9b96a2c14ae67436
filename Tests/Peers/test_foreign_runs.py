"""Somebody else's run is as if it did not exist, through every door that the OpenAPI document names."""

import json
import uuid
from collections.abc import Iterator

import httpx
import pytest
from agent import Caller, refused, shell

TABLES = "agent_runs agent_steps agent_messages agent_artifacts agent_task_queue agent_task_logs".split()
IDS = ("run_id", "id")


@pytest.fixture
def run(ada, request) -> dict:
    """A run of Ada's in the state that the test names, with a file where it has ended."""
    plan = {**shell("echo said; echo kept > kept.txt"), "artifacts": ["*.txt"]}
    if request.param == "pending":
        return ada.everything(ada.create(plan, start=False))
    if request.param == "waiting":
        made = ada.create(prompt="x")
        ada.wait(made, "waiting")
        return ada.everything(made)
    found = ada.finished(plan if request.param == "completed" else shell("exit 1"))
    assert found["status"] == request.param, found
    return found


@pytest.fixture
def document(nobody) -> dict:
    return nobody.http.get("/openapi.json").json()


def rows(database, run: str) -> list:
    """All that is stored of a run."""
    held = [("simplon.run_state", "run_id"), ("simplon.tickets", "run_id")]
    held += [(f"public.{table}", "id" if table == "agent_runs" else "run_id") for table in TABLES]
    query = "select coalesce(json_agg(t order by t::text)::text, '') from {} t where {} = %s"
    return [database.execute(query.format(table, column), (run,)).fetchone()[0] for table, column in held]


# What an action needs beside the run, before anybody looks whose that is.
NEEDED = {"respond": {"step_id": "a", "decision": "approve"}}


def variants(document: dict, path: str) -> list[dict[str, dict]]:
    """The fields of each form of the operation that asks for one thing by its id, by name; none where a path has none."""
    operation = document["paths"][path].get("post", {})
    in_path = {field["name"]: field["schema"] for field in operation.get("parameters", []) if field["in"] == "path"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    found = []
    for reference in body.get("oneOf", [body] if body else []):
        names = document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]["properties"]
        if in_path or not names.keys().isdisjoint(IDS):
            found.append(in_path | names)
    return found or ([in_path] if in_path else [])


def values(schema: dict) -> list:
    """What a field may be, as far as that is a choice, or the ends of its range."""
    if "anyOf" in schema:
        return [value for one in schema["anyOf"] for value in values(one)]
    if schema.get("type") == "boolean":
        return [True, False]
    return schema.get("enum", []) + [schema[end] for end in ("minimum", "maximum") if end in schema]


def requests(document: dict) -> Iterator[tuple[str, str, dict]]:
    """Method, path and fields of every way to ask for one thing: each choice alone, and all that may be included."""
    for path, operations in document["paths"].items():
        if path.startswith("/api/"):
            continue  # test_registry.py asks there
        for known in variants(document, path):
            actions = values(known.pop("action")) if "action" in known else []
            needed = [{"action": action} | NEEDED.get(action, {}) for action in actions] or [{}]
            more = [{name: value} for name, schema in known.items() if name not in IDS for value in values(schema)]
            everything = {name: True for name in known if name.startswith("include_")}
            more += [{}, everything] if everything else [{}]
            for method in operations:
                yield from ((method, path, base | one) for base in needed for one in more)


def ask(caller: Caller, method: str, path: str, fields: dict, run: str, artifact: str) -> httpx.Response:
    thing = {} if "{id}" in path else {"run_id": run}
    path = path.replace("{id}", artifact)
    if method == "post":
        return caller.http.post(path, json=fields | thing)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return caller.http.get(path, params=texts | thing)


def shape(answer: httpx.Response, *ids: str) -> tuple:
    """All of an answer that its reader could learn from, without the ids that he sent himself."""
    text = answer.text
    for id in ids:
        text = text.replace(id, "ID")
    names = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, names, text


def test_the_document_names_every_way_to_ask_for_a_run(document):
    """What follows is worth as much as this list."""
    found = {(method, path) for method, path, _ in requests(document)}
    runs = {f"/agent/{name}" for name in ("execute", "status", "logs", "logs/ticket", "why", "artifacts/{id}")}
    functions = {f"/functions/v1/agent-{name}" for name in ("execute", "status", "logs")}
    assert {(method, path) for path in runs | functions for method in ("get", "post")} <= found
    lists = ("steps", "logs", "messages", "artifacts", "snapshots")
    more = [{f"include_{name}": True} for name in lists] + [{f"include_{name}": True for name in lists}, {}]
    words = ("start", "stop", "retry", "resume", "respond", "fork", "snapshot")
    needed = {"execute": [{"action": word} | NEEDED.get(word, {}) for word in words], "status": more}
    needed["logs"] = [{"mode": "stream"}, {"mode": "poll"}, {"level": "debug"}, {"after": 0}]
    for name, wanted in needed.items():
        for path in (f"/agent/{name}", f"/functions/v1/agent-{name}"):
            for method in ("get", "post"):
                asked = [fields for *where, fields in requests(document) if where == [method, path]]
                assert [one for one in wanted if one not in asked] == []


@pytest.mark.parametrize("run", ["pending", "waiting", "completed", "failed"], indirect=True)
def test_somebody_else_s_run_and_file_are_as_if_they_did_not_exist(document, database, ada, eve, run):
    files = [one["id"] for one in run["artifacts"]["items"]]
    before = rows(database, run["run_id"])
    for method, path, fields in requests(document):
        for file in (files or [str(uuid.uuid4())]) if "{id}" in path else [""]:
            nowhere = str(uuid.uuid4())
            found = ask(eve, method, path, fields, run["run_id"], file)
            refused(found, 404, "run.artifact_not_found" if file else "run.not_found")
            missing = ask(eve, method, path, fields, nowhere, nowhere)
            assert shape(found, run["run_id"], file or "-") == shape(missing, nowhere), (method, path, fields)
    assert rows(database, run["run_id"]) == before
    assert run["run_id"] not in eve.http.get("/agent/status").text
    assert ada.everything(run["run_id"]) == run
