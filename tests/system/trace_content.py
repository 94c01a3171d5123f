"""Traces as a server keeps them: written, read back, and continued by another server."""

import json
from collections.abc import Sequence
from typing import Any, Final

import requests

from tests.metadata.spans.exports import START, export, span

_V2: Final = "/api/2.0/mlflow"
_V3: Final = "/api/3.0/mlflow/traces"
_LOCATION: Final = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
_MS: Final = 1_000_000


def take_turns(mlflow: str, tandem: str, made: list[str], first: dict[str, Any]) -> None:
    """Let MLflow's server and Tandem, over one database, read and continue what the other wrote.

    `made` are traces of `fill` as number 1, and `first` is what Tandem answered of them.
    """
    _expect_everything(first, made)
    assert read(mlflow, made) == first
    _go_on(mlflow, made, 100)
    made = made + fill(mlflow, 2)
    second = read(mlflow, made)
    assert read(tandem, made) == second
    _go_on(tandem, made, 200)
    made = made + fill(tandem, 3)
    third = read(tandem, made)
    assert read(mlflow, made) == third
    for before, after in ((first, second), (second, third)):
        _expect_more(before, after)


def fill(url: str, number: int) -> list[str]:
    """Three traces: by OpenTelemetry alone, as the current client sends one, and of version 2."""
    foreign, own = (f"tr-{16 * number + each:032x}" for each in (1, 2))
    _export(url, foreign, 0, kind="RETRIEVER")
    _export(url, foreign, 1, parent=0, tokens=10 * number)
    _export(url, own, 1, parent=0, tokens=7)
    info = {
        "trace_id": own,
        "client_request_id": f"c-{number}",
        "trace_location": _LOCATION,
        "request_time": f"2026-11-28T16:57:4{number}.697Z",
        "execution_duration": "2s",
        "state": "OK",
        "trace_metadata": {
            "mlflow.trace.session": "s",
            "mlflow.trace.user": "é",
            "mlflow.trace.tokenUsage": '{"input_tokens": 7, "output_tokens": 1, "total_tokens": 8}',
        },
        "tags": {"mlflow.traceName": f"agent {number}", "k": "v"},
        "request_preview": "qué?",
    }
    _post(url, _V3, {"trace": {"trace_info": info}})
    _export(url, own, 0, kind="AGENT")
    for each in (
        {"feedback": {"value": {"a": [1, 2.5, "é"]}}, "rationale": "r", "span_id": f"{1:016x}"},
        {"feedback": {"value": 0.5}, "metadata": {"a": "b"}},
        {"expectation": {"value": "Paris"}},
    ):
        _assess(url, own, each)
    run = _post(url, f"{_V2}/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    _post(url, f"{_V2}/traces/link-to-run", {"trace_ids": [own, foreign], "run_id": run})
    pairs = [{"key": "k", "value": "v"}]
    given = {
        "experiment_id": "0",
        "timestamp_ms": START // _MS + number,
        "request_metadata": pairs,
        "tags": pairs,
    }
    old = _post(url, f"{_V2}/traces", given)["trace_info"]["request_id"]
    ended = {**given, "request_id": old, "timestamp_ms": START // _MS + 76, "status": "OK"}
    _post(url, f"{_V2}/traces/{old}", ended, "PATCH")
    return [foreign, own, str(old)]


def _go_on(url: str, made: Sequence[str], number: int) -> None:
    """Give each trace a late span with tokens, a tag, and another assessment of one that it has."""
    for trace_id in made:
        if trace_id.startswith("tr-"):
            _export(url, trace_id, number, parent=0, tokens=number)
        tag = {"key": "late", "value": str(number)}
        _post(url, f"{_V2}/traces/{trace_id}/tags", tag, "PATCH")
        first = _assess(url, trace_id, {"feedback": {"value": "no"}})
        _assess(url, trace_id, {"feedback": {"value": "yes"}, "overrides": first})


def _export(
    url: str,
    trace_id: str,
    number: int,
    *,
    parent: int | None = None,
    kind: str = "LLM",
    tokens: int = 0,
) -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": kind, "input.value": '{"q": "é"}'}
    if tokens:
        attributes = {
            "mlflow.spanType": kind,
            "mlflow.chat.tokenUsage": {
                "input_tokens": tokens,
                "output_tokens": 1,
                "total_tokens": tokens + 1,
            },
            "mlflow.llm.model": "gpt-4o",
            "mlflow.llm.provider": "openai",
        }
    sent = span(
        number.to_bytes(8, "big") if number else b"\xff" * 8,
        b"" if parent is None else b"\xff" * 8,
        attributes,
        trace_id=bytes.fromhex(trace_id.removeprefix("tr-")),
        name=f"step {number}",
        start_time_unix_nano=START + number * _MS,
        end_time_unix_nano=START + (number + 10) * _MS,
    )
    answer = requests.post(
        f"{url}/v1/traces",
        data=export(sent, resource={"service.name": "shop"}).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def _assess(url: str, trace_id: str, given: dict[str, Any]) -> str:
    source = {"source_type": "HUMAN", "source_id": "bob"}
    whole = {"assessment_name": "n", "trace_id": trace_id, "source": source, **given}
    made = _post(url, f"{_V3}/{trace_id}/assessments", {"assessment": whole})
    return str(made["assessment"]["assessment_id"])


def read(url: str, made: Sequence[str]) -> dict[str, Any]:
    """What a server answers of all traces, by each of the ways to ask."""
    spans = [each for each in made if each.startswith("tr-")]
    searches = {
        text: _post(url, f"{_V3}/search", {"locations": [_LOCATION], "filter": text})
        for text in (
            "",
            "name LIKE 'agent%' AND metadata.`mlflow.trace.session` = 's'",
            "span.type = 'LLM' AND span.name = 'step 1'",
            "feedback.n = 'yes'",
        )
    }
    counts = {
        (view, metric): _post(
            url,
            f"{_V3}/metrics",
            {
                "experiment_ids": ["0"],
                "view_type": view,
                "metric_name": metric,
                "aggregations": [{"aggregation_type": kind}],
                "dimensions": dimensions,
            },
        )
        for view, metric, kind, dimensions in (
            ("TRACES", "trace_count", "COUNT", ["trace_name"]),
            ("TRACES", "total_tokens", "SUM", []),
            ("SPANS", "span_count", "COUNT", ["span_status"]),
            ("ASSESSMENTS", "assessment_count", "COUNT", ["assessment_name", "assessment_value"]),
        )
    }
    found = {
        "infos": {each: _get(url, f"{_V3}/{each}") for each in made},
        "old infos": {each: _unordered(_get(url, f"{_V2}/traces/{each}/info")) for each in made},
        "spans": {
            each: _get(url, f"{_V3}/get", trace_id=each, allow_partial="true") for each in spans
        },
        "documents": {each: _documents(url, each) for each in spans},
        "searches": searches,
        "counts": counts,
    }
    _order_assessments(found)
    return found


def _expect_everything(read: dict[str, Any], made: Sequence[str]) -> None:
    """That what was read is what `fill` wrote, and not nothing on both sides."""
    foreign, own, old = made
    infos = {each: read["infos"][each]["trace"]["trace_info"] for each in made}
    assert infos[own]["trace_metadata"]["mlflow.trace.session"] == "s"
    assert '"total_tokens": 8' in infos[own]["trace_metadata"]["mlflow.trace.tokenUsage"]
    assert '"total_tokens": 11' in infos[foreign]["trace_metadata"]["mlflow.trace.tokenUsage"]
    assert "total_cost" in infos[foreign]["trace_metadata"]["mlflow.trace.cost"]
    assert infos[own]["tags"]["mlflow.traceName"] == "agent 1"
    assert len(infos[own]["assessments"]) == 3
    assert infos[old]["execution_duration"] == "0.075s"
    assert [len(each["trace"]["spans"]) for each in read["spans"].values()] == [2, 2]
    assert [len(each["spans"]) for each in read["documents"].values()] == [2, 2]
    assert [len(each.get("traces", [])) for each in read["searches"].values()] == [3, 1, 2, 0]
    assert all(each["data_points"] for each in read["counts"].values())


def _expect_more(before: dict[str, Any], after: dict[str, Any]) -> None:
    """That each trace has what `_go_on` gave it, and kept what it had."""
    for trace_id, found in before["spans"].items():
        kept = {each["span_id"]: each for each in found["trace"]["spans"]}
        now = {each["span_id"]: each for each in after["spans"][trace_id]["trace"]["spans"]}
        assert len(now) == len(kept) + 1
        assert {each: now[each] for each in kept} == kept
    for trace_id, found in before["infos"].items():
        had, has = (each["trace"]["trace_info"] for each in (found, after["infos"][trace_id]))
        assert has["tags"]["late"] != had["tags"].get("late")
        assert len(has["assessments"]) == len(had.get("assessments", [])) + 2
        for name in ("trace_metadata", "tags"):
            same = {"late", "mlflow.trace.tokenUsage", "mlflow.trace.cost"}
            kept = {k: v for k, v in had[name].items() if k not in same}
            assert kept.items() <= has[name].items()
    assert len(after["infos"]) == len(before["infos"]) + 3


def _documents(url: str, trace_id: str) -> dict[str, list[Any]]:
    """The spans as they are stored, which MLflow answers in another order."""
    found = _get(url, "/ajax-api/3.0/mlflow/get-trace-artifact", request_id=trace_id)["spans"]
    return {"spans": sorted(found, key=lambda each: str(each["span_id"]))}


def _get(url: str, path: str, **query: str) -> Any:
    answer = requests.get(url + path, params=query, timeout=60)
    assert answer.status_code == 200, (path, answer.text)
    return json.loads(answer.content)  # whatever charset is said of it


def _post(url: str, path: str, body: Any, method: str = "POST") -> Any:
    answer = requests.request(method, url + path, json=body, timeout=60)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


def _unordered(answer: Any) -> Any:
    """Tags and metadata of version 2 are lists whose order says nothing."""
    info = answer["trace_info"]
    return {k: sorted(v, key=str) if isinstance(v, list) else v for k, v in info.items()}


def _order_assessments(found: Any) -> None:
    """Order all lists of assessments, which MLflow answers as they lie in the table.

    Its upgrade from the first revision leaves them there in any order.
    """
    for each in found.values() if isinstance(found, dict) else found:
        if isinstance(each, dict | list):
            _order_assessments(each)
    if isinstance(found, dict) and "assessments" in found:
        found["assessments"].sort(key=lambda each: str(each["assessment_id"]))
