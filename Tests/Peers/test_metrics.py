"""`/metrics`, read by Prometheus's own Python parser, and by its rules for what a scrape may hold."""

import math

import pytest
from agent import shell
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture
def families(ada, nobody) -> dict:
    """Everything there is after a run, by name."""
    ada.finished(shell("echo counted"))
    answer = nobody.http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in found}) == len(found), "a family stands there once"
    return {family.name: family for family in found}


def test_every_sample_belongs_to_a_family_with_its_kind_and_its_help(families):
    assert families
    ends = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}
    for family in families.values():
        assert family.type in ends and family.documentation, family
        assert {sample.name.removeprefix(family.name) for sample in family.samples} <= ends[family.type], family


def test_no_series_stands_there_twice_and_no_value_is_missing(families):
    series = [(one.name, *sorted(one.labels.items())) for family in families.values() for one in family.samples]
    assert len(set(series)) == len(series)
    assert not any(math.isnan(one.value) for family in families.values() for one in family.samples)


def test_a_histogram_s_buckets_grow_and_end_with_the_count(families):
    histograms = [family for family in families.values() if family.type == "histogram"]
    assert histograms
    for family in histograms:
        counts, buckets = {}, {}
        for one in family.samples:
            labels = tuple(sorted((name, value) for name, value in one.labels.items() if name != "le"))
            if one.name.endswith("_bucket"):
                buckets.setdefault(labels, []).append((float(one.labels["le"]), one.value))
            elif one.name.endswith("_count"):
                counts[labels] = one.value
        assert buckets.keys() == counts.keys(), family.name
        for labels, found in buckets.items():
            assert found == sorted(found) and [count for _, count in found] == sorted(count for _, count in found)
            assert found[-1] == (math.inf, counts[labels]), family.name


def test_labels_never_hold_what_callers_choose(ada, nobody):
    """Else whoever asks for enough names fills the server's memory."""
    ada.http.get("/agent/nowhere-to-be-found")
    ada.http.get("/agent/status", params={"run_id": ada.person})
    text = nobody.http.get("/metrics").text
    assert "nowhere-to-be-found" not in text and ada.person not in text
