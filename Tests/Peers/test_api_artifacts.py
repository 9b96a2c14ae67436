"""The files that runs leave, over HTTP on the real program."""

import hashlib

import yaml
from agent import refused, shell
from stack import REPOSITORY


def test_the_example_makes_its_report_and_its_chart(ada):
    folder = REPOSITORY / "examples/dataset-report"
    plan = yaml.safe_load((folder / "plan.yaml").read_text())
    data = {
        "id": "attach-1",
        "tool": "files",
        "with": {"op": "write", "path": "elnino.csv", "content": (folder / "elnino.csv").read_text()},
    }
    plan["steps"][0]["needs"] = ["attach-1"]
    run = ada.finished(plan | {"steps": [data, *plan["steps"]]})
    assert run["status"] == "completed", run["error"]
    assert "1983-06" in run["result"]["headline"]

    artifacts = {one["path"]: one for one in run["artifacts"]["items"]}
    assert set(artifacts) == {"report.md", "anomalies.svg", "statistics.json"}
    chart = ada.http.get(f"/agent/artifacts/{artifacts['anomalies.svg']['id']}")
    assert chart.status_code == 200 and chart.text.startswith("<svg")
    assert hashlib.sha256(chart.content).hexdigest() == artifacts["anomalies.svg"]["sha256"]
    assert int(chart.headers["content-length"]) == artifacts["anomalies.svg"]["size"] == len(chart.content)


def test_an_artifact_is_served_whole_in_part_and_as_a_download(ada, eve):
    run = ada.finished({**shell("printf 0123456789 > digits.html"), "artifacts": ["*.html"]})
    artifact = run["artifacts"]["items"][0]
    path = f"/agent/artifacts/{artifact['id']}"

    whole = ada.http.get(path)
    assert (whole.status_code, whole.text) == (200, "0123456789")
    assert whole.headers["content-disposition"].startswith("attachment")
    assert "digits.html" in whole.headers["content-disposition"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]

    part = ada.http.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "2345", "bytes 2-5/10")
    assert ada.http.get(path, headers={"Range": "bytes=-3"}).text == "789"
    assert ada.http.get(path, headers={"Range": "bytes=20-"}).status_code == 416
    assert ada.http.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    refused(eve.http.get(path), 404, "run.artifact_not_found")


def test_a_failed_run_keeps_its_artifacts(ada):
    plan = {
        "steps": [
            {"id": "makes", "tool": "shell", "with": {"command": "echo kept > kept.txt"}},
            {"id": "fails", "tool": "shell", "needs": ["makes"], "with": {"command": "exit 1"}},
        ],
        "artifacts": ["*.txt"],
    }
    run = ada.finished(plan)
    assert run["status"] == "failed"
    assert [one["path"] for one in run["artifacts"]["items"]] == ["kept.txt"]
