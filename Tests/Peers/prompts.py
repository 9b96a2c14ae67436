"""Prompts on the real program: stacks with models that follow a script, runs that ask them, and what was asked.

The fixtures need those of `model_fixtures`.
"""

import copy
import json
from collections.abc import Callable, Iterator

import pytest
from agent import Caller
from fault_house import House
from model_judges import check_anthropic_request, check_openai_request
from model_server import ModelServer
from stack import Stack, wait_for

ANTHROPIC, OPENAI = "anthropic/first-model", "openai/first-model"
KEY = "key-of-the-tests"
LISTS = ("steps", "logs", "messages", "artifacts")


# Configuration


def settings(models: ModelServer, *names: str, **keys: str) -> dict[str, str]:
    """The environment of a server whose models are those; a key of each dialect may be given."""
    asked = {name.partition("/")[0] for name in names}
    found = {"SIMPLON_MODELS": ",".join(names), "SIMPLON_RATE_PER_PRINCIPAL": "0", "SIMPLON_RATE_PER_ADDRESS": "0"}
    if "anthropic" in asked:
        found |= {"ANTHROPIC_BASE_URL": models.url, "ANTHROPIC_API_KEY": keys.get("anthropic", KEY)}
    if "openai" in asked:
        found |= {"OPENAI_BASE_URL": f"{models.url}/v1", "OPENAI_API_KEY": keys.get("openai", KEY)}
    return found


# What models say


def call(tool: str, **given) -> dict:
    """A call of a tool."""
    return {"name": tool, "input": given}


def shell(command: str) -> dict:
    return call("shell", command=command)


def step(id: str, tool: str, needs: list[str] | None = None, **given) -> dict:
    """A step of a plan."""
    return {"id": id, "tool": tool, "with": given} | ({"needs": needs} if needs else {})


def plan(*steps: dict, **more) -> dict:
    """A reply that plans those steps."""
    return {"calls": [call("plan", steps=list(steps), **more)]}


WORK = plan(step("work", "shell", command="mkdir -p artifacts; echo worked >> artifacts/log.txt"))
CALLED = {"calls": [shell("echo called >> artifacts/log.txt")]}
LONG = "0123456789" * 80  # a text that is cut somewhere in its midst
ODD_ID = "call:with odd|letters/" + "x" * 50  # longer than 40 characters, and with some that a vendor refuses


# What models were asked


class Result:
    """What came of one call, as a model has read it."""

    def __init__(self, call: str, text: str, failed: bool):
        self.call, self.text, self.failed = call, text, failed

    @property
    def json(self) -> dict:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of its error."""
        assert self.failed, self.text
        return self.json["error"]["code"]


# The messages that were judged so far, and in which dialect: each request of a run repeats those before it.
JUDGED: set[tuple[bool, str]] = set()


class Question:
    """One request to a model, in either dialect."""

    def __init__(self, record: dict):
        self.record, self.body, self.raw = record, record["body"], record["raw"]
        self.index, self.attempt, self.status = record["index"], record["attempt"], record["status"]
        self.is_anthropic = record["path"] == "/v1/messages"

    def judge(self) -> None:
        """Fails unless the vendor's own package would send it; a message that comes again is looked at once."""
        assert self.is_anthropic or self.record["path"] == "/v1/chat/completions", self.record["path"]
        messages = [(self.is_anthropic, json.dumps(one)) for one in self.body["messages"]]
        new = [one for one, known in zip(self.body["messages"], messages, strict=True) if known not in JUDGED]
        check = check_anthropic_request if self.is_anthropic else check_openai_request
        check({**self.body, "messages": new})
        JUDGED.update(messages)

    @property
    def forced(self) -> str:
        """The tool that has to be called; else `auto` or `none`."""
        choice = self.body["tool_choice"]
        if isinstance(choice, str):
            return choice
        return choice["name"] if choice["type"] == "tool" else choice.get("function", {}).get("name", choice["type"])

    @property
    def tools(self) -> str:
        """The tools, byte by byte, and what else stands before the transcript."""
        return self.raw[self.raw.index('"tools":[') : self.raw.index(',"messages":[')]

    @property
    def tool_names(self) -> list[str]:
        return [tool["name"] if self.is_anthropic else tool["function"]["name"] for tool in self.body["tools"]]

    @property
    def system(self) -> str:
        if self.is_anthropic:
            return "".join(block["text"] for block in self.body["system"])
        assert self.body["messages"][0]["role"] == "system"
        return self.body["messages"][0]["content"]

    @property
    def transcript(self) -> list[str]:
        """Each message byte by byte, but for the marks of what is to be cached."""

        def unmarked(value):
            if isinstance(value, dict):
                return {name: unmarked(one) for name, one in value.items() if name != "cache_control"}
            return [unmarked(one) for one in value] if isinstance(value, list) else value

        return [json.dumps(unmarked(message)) for message in self.body["messages"]]

    @property
    def marks(self) -> list[int]:
        """Which messages end with a mark for the cache."""
        return [
            place for place, one in enumerate(self.body["messages"])
            if isinstance(one["content"], list) and "cache_control" in one["content"][-1]
        ]  # fmt: skip

    @property
    def results(self) -> list[list[Result]]:
        """The results of each turn's calls; those of one turn stand together."""
        return [group for group in self._groups() if group]

    def _groups(self) -> Iterator[list[Result]]:
        group: list[Result] = []
        for message in self.body["messages"]:
            if self.is_anthropic:
                blocks = message["content"] if isinstance(message["content"], list) else []
                found = [block for block in blocks if block["type"] == "tool_result"]
                yield [Result(one["tool_use_id"], one["content"], one.get("is_error", False)) for one in found]
            elif message["role"] == "tool":
                text = message["content"]
                failed = text.startswith("Error: ")
                group.append(Result(message["tool_call_id"], text.removeprefix("Error: "), failed))
            else:
                yield group
                group = []
        yield group


def questions_of(models: ModelServer, script: str) -> list[Question]:
    """What the models of that script were asked, in order; each request is one that its vendor's package knows."""
    questions = [Question(record) for record in models.requests(script)]
    for question in questions:
        question.judge()
    return questions


# Runs


class Talk:
    """A run of a prompt whose model follows a script: what its caller sees, and what the model was asked."""

    def __init__(self, caller: Caller, models: ModelServer, script: str, tagged: bool = True, **more):
        self.caller, self.models, self.script = caller, models, script
        self.prompt = f"[script:{script}] Do the job." if tagged else "Do the job."
        self.run = caller.create(prompt=self.prompt, **more)
        self.found: dict = {}

    def end(self, *statuses: str, patience: float = 60) -> "Talk":
        """Waits until it has ended with one of those, by default well; then everything about it can be read."""
        self.caller.wait(self.run, patience=patience)
        self.found = self.caller.status(self.run, limit=1000, **{f"include_{name}": True for name in LISTS})
        assert self.found["status"] in (statuses or ("completed",)), (self.found["error"], self.codes)
        assert all(self.found[name]["next_cursor"] is None for name in LISTS)
        assert [one["position"] for one in self.messages] == list(range(1, len(self.messages) + 1))
        assert [one["seq"] for one in self.logs] == list(range(1, len(self.logs) + 1))
        questions_of(self.models, self.script)
        return self

    def fork(self, script: str | None = None, **changes) -> "Talk":
        """A run that begins where this one was, with changes; its model may follow another script."""
        answer = self.caller.execute(action="fork", run_id=self.run, **changes)
        assert answer.status_code == 200, answer.text
        fork = copy.copy(self)
        fork.run, fork.script, fork.found = answer.json()["run_id"], script or self.script, {}
        return fork

    @property
    def answer(self) -> str:
        assert set(self.found["result"]) == {"answer"}, self.found["result"]
        return self.found["result"]["answer"]

    @property
    def messages(self) -> list[dict]:
        return self.found["messages"]["items"]

    @property
    def roles(self) -> list[str]:
        return [one["role"] for one in self.messages]

    @property
    def turns(self) -> list[dict]:
        """What the model has said."""
        return [one["content"] for one in self.messages if one["role"] == "assistant"]

    @property
    def steps(self) -> dict[str, dict]:
        """The steps in their order, by their ids."""
        return {one["step_id"]: one for one in self.found["steps"]["items"]}

    @property
    def logs(self) -> list[dict]:
        return self.found["logs"]["items"]

    @property
    def lines(self) -> list[dict]:
        """What tools and models have written."""
        return [one["payload"] for one in self.logs if one["kind"] == "log"]

    def events(self, kind: str, status: str) -> list[dict]:
        payloads = [one["payload"] for one in self.logs if one["kind"] == kind]
        return [payload for payload in payloads if payload.get("status") == status]

    def count(self, step_id: str, status: str) -> int:
        """How often a step has got that status."""
        return [one["step_id"] for one in self.events("step", status)].count(step_id)

    @property
    def files(self) -> dict[str, str]:
        """The artifacts' texts by their paths."""
        return {one["path"]: self.caller.http.get(one["url"]).text for one in self.found["artifacts"]["items"]}

    @property
    def questions(self) -> list[Question]:
        return questions_of(self.models, self.script)

    @property
    def codes(self) -> list[tuple[int, int, int]]:
        """Reply, attempt at it and HTTP status of each question."""
        found = self.models.requests(self.script, "index", "attempt", "status")
        return [(one["index"], one["attempt"], one["status"]) for one in found]

    def wait_for_question(self, index: int, attempt: int = 1) -> None:
        """Waits until the model has been asked for that reply, and has begun to answer."""
        wait_for(f"question {index}", lambda: (index, attempt, 200) in self.codes, 30)


# Stacks


class Pair:
    """A stack with two models, one of each dialect, whose scripts are their keys."""

    def __init__(self, models: ModelServer, *names: str):
        self.models, self.names = models, names
        self.keys = [name.replace("/", "-") for name in names]
        keys = {name.partition("/")[0]: key for name, key in zip(names, self.keys, strict=True)}
        self.stack = Stack(environment=settings(models, *names, **keys))

    def talk(self, *scripts: list[dict], **more) -> tuple[Talk, list[Question], list[Question]]:
        """A run to its end, and what each of the two was asked."""
        for key, replies in zip(self.keys, scripts, strict=True):
            self.models.put(key, *replies)
        talk = Talk(self.stack.caller(), self.models, self.keys[0], tagged=False, **more).end()
        first, second = (questions_of(self.models, key) for key in self.keys)
        return talk, first, second


@pytest.fixture(scope="module", params=[ANTHROPIC, OPENAI])
def model(request) -> str:
    """The one model there is, of each dialect."""
    return request.param


@pytest.fixture(scope="module")
def clever(models, model) -> Iterator[Stack]:
    """A stack with that model."""
    stack = Stack(environment=settings(models, model))
    try:
        yield stack.start()
    finally:
        stack.remove()


@pytest.fixture
def begin(clever, models, script) -> Iterator[Callable[..., Talk]]:
    """Begins a run whose model says that."""
    person = clever.caller()
    yield lambda *replies, **more: Talk(person, models, script(*replies), **more)
    person.http.close()


@pytest.fixture
def alone(models) -> Iterator[Callable[..., Stack]]:
    """Makes stacks with models of those names that a test may break."""
    made = []

    def make(*names: str, **more: str) -> Stack:
        made.append(Stack(environment=(settings(models, *names) if names else {}) | more))
        return made[-1].start()

    yield make
    for stack in made:
        stack.remove()


@pytest.fixture(scope="module", params=[(ANTHROPIC, "openai/second-model"), (OPENAI, "anthropic/second-model")])
def pair(request, models) -> Iterator[Pair]:
    """Two models, either dialect first."""
    pair = Pair(models, *request.param)
    try:
        pair.stack.start()
        yield pair
    finally:
        pair.stack.remove()


@pytest.fixture(scope="module")
def prompt_house(models) -> Iterator[House]:
    """A house whose workers have a model."""
    house = House(**settings(models, ANTHROPIC))
    try:
        yield house
    finally:
        house.close()
