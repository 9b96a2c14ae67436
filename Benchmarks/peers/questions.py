"""What it costs to have a model led through a run: our own time between its answers, and memory while it is slow."""

import time
import uuid

from house import house
from model_server import model_server
from result import Result, quantile
from small import resident
from stack import wait_for

QUESTIONS = 100
WAITING = 500


def _settings(models) -> dict[str, str]:
    return {
        "SIMPLON_MODELS": "anthropic/scripted", "ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": models.url,
        "SIMPLON_SLOTS": "512", "SIMPLON_RATE_PER_PRINCIPAL": "0", "SIMPLON_RATE_PER_ADDRESS": "0",
    }  # fmt: skip


def overhead(seconds: float) -> list[Result]:
    """From the last byte of an answer to the next question: read, two commits, a step, the whole transcript again."""
    call = {"text": "Next.", "calls": [{"name": "noop", "input": {"text": "x" * 200}}]}
    with model_server() as models, house() as built:
        built.serve("api,worker", **_settings(models))
        with built.connect() as owner:  # so that each question is reserved and booked to the end
            owner.execute("select simplon.set_price('anthropic/scripted', 3, 15)")
        person, gaps, until = built.caller(), [], time.monotonic() + seconds
        while not gaps or time.monotonic() < until:
            script = uuid.uuid4().hex
            models.put(script, *[call] * (QUESTIONS - 1), {"text": "Done."})
            run = person.create(prompt=f"[script:{script}] Go on.")
            assert person.wait(run)["status"] == "completed"
            asked = models.requests(script, "came", "gone")
            assert len(asked) == QUESTIONS
            gaps += [(after["came"] - before["gone"]) * 1000 for before, after in zip(asked, asked[1:])]
        details = {"p99_ms": quantile(gaps, 0.99), "calls": len(gaps)}
        what = f"our own time for each question to a model, in runs of {QUESTIONS}"
        return [Result(what, "ms", quantile(gaps, 0.5), 5, details=details)]


def waiting(seconds: float) -> list[Result]:
    """500 runs that wait for a model which says nothing yet: what the process has grown by."""
    with model_server() as models, house() as built:
        process = built.serve("api,worker", **_settings(models))
        person = built.caller()
        models.put("quick", {"text": "Done."})
        person.wait(person.create(prompt="[script:quick] Once."))
        time.sleep(1)
        before = resident(process.popen.pid)
        models.put("slow", {"text": "Done.", "delay_ms": 600_000})
        for number in range(WAITING):
            person.create(prompt=f"[script:slow] Run {number}.")
        wait_for("all questions", lambda: len(models.requests("slow", "index")) == WAITING, 60)
        grown = resident(process.popen.pid) - before
        what = f"memory for {WAITING} runs that wait for a slow model"
        return [Result(what, "MiB", grown, 143, details={"before_mib": before})]
