"""The same exports of traces to MLflow's own server and to our reader, compared as stored."""

import base64
import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tandem_metadata.spans import decode, document, wire
from tandem_metadata.spans.summary import SpanSummary, summarise_all
from tandem_metadata.spans.translation import translate_all
from tandem_metadata.spans.usage import Row, sums
from tests.metadata.spans.exports import END, START, as_json, attribute, export, span
from tests.system import services

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

MESSAGES = {"messages": [{"role": "user", "content": "qué 😀?"}], "model": "m"}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "x" * 2000}}]}

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "none": {},
    "texts": {"a": "text", "b": "", "c": "é😀\u2028\x1f\\/\x7f", "d": '"', "": "no name"},
    "numbers": {"a": 2**63 - 1, "b": -(2**63), "c": 0.1, "d": 1e300, "e": -0.0, "f": True},
    "no-numbers": {"a": math.inf, "b": [-math.inf], "c": None, "d": {"x": None}},
    "nested": {"a": {"b": [{"c": [[]]}, {}]}, "d": [1, "x", 0.5, False, None]},
    "json-texts": {"a": '{"b": [1, 2.5, "é"]}', "c": "[]", "d": '"x"', "e": '"[1]"'},
    "spaced": {"a": ' {"b":1,"b":  2}', "c": "[1e2]"},
    "no-json-texts": {"a": "5", "b": "true", "c": "null", "d": "{", "e": '"', "f": "[1,]"},
    "own": {
        "mlflow.spanType": "AGENT",
        "mlflow.spanInputs": MESSAGES,
        "mlflow.spanOutputs": ANSWER,
        "mlflow.spanFunctionName": "f",
        "mlflow.llm.model": "gpt-4o",
        "mlflow.llm.provider": "openai",
        "mlflow.llm.cost": {"input_cost": 0.5, "output_cost": 1, "total_cost": 1.5},
        "mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        "mlflow.traceRequestId": "tr-other",
    },
    "plain-contents": {"mlflow.spanInputs": "é" * 1500, "mlflow.spanOutputs": ["a", 1]},
    "tags": {
        "mlflow.traceTag.k": "v é",
        "mlflow.traceTag.n": "5",
        "mlflow.traceTag.a/../b": "x",
        "mlflow.traceTag.mlflow.traceName": "the name",
        "session.id": "s1",
        "user.id": "u1",
    },
    "conversation": {"gen_ai.conversation.id": "c1"},
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "input.value": '{"q": "é"}',
        "output.value": "plain",
        "llm.token_count.prompt": 7,
        "llm.token_count.completion": 3,
    },
    "GenAI": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text"}]}]',
        "gen_ai.output.messages": [{"role": "assistant"}],
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.provider.name": "mine",
    },
    "Traceloop": {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": '{"a": 1}',
        "traceloop.entity.output": "5",
        "gen_ai.response.model": "no-such-model",
    },
    "long": {"mlflow.traceTag.k": "v" * 9000, "mlflow.llm.model": "m" * 600},
}

TRANSLATED = ("OpenInference", "GenAI", "Traceloop")
"""Their types are in MLflow's documents, but not in its column."""

RESOURCE = {
    "service.name": "mine",
    "telemetry.sdk.name": "opentelemetry",
    "mlflow.x": "y",
    "host": "é",
    "n": 5,
    "l": ["a", 1, True],
    "a//b": "bad key",
}


class Sent(NamedTuple):
    """An export, and how it is sent."""

    request: ExportTraceServiceRequest
    kind: str = PROTOBUF

    def body(self) -> bytes:
        if self.kind == PROTOBUF:
            return self.request.SerializeToString()
        return as_json(self.request)


def _trace(number: int) -> bytes:
    return bytes([number]) * 16


def _full(trace_id: bytes) -> ExportTraceServiceRequest:
    """All that a span can have, in a root with two children of which one fails."""
    root = span(b"\1" * 8, trace_id=trace_id, name="root é")
    root.status.code = 1  # type: ignore[assignment]
    root.status.message = "ignored"
    failed = span(b"\2" * 8, b"\1" * 8, trace_id=trace_id, start_time_unix_nano=START + 5)
    failed.status.code = 2  # type: ignore[assignment]
    failed.status.message = "boom é"
    happened = failed.events.add(name="exception", time_unix_nano=START + 6)
    attribute(happened, "exception.type", "ValueError")
    attribute(happened, "n", [1, 0.5, None])
    attribute(happened, "json", '{"a": 1}')
    attribute(failed.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8), "why", "retry")
    failed.links.add(trace_id=b"\7", span_id=b"\3")
    late = span(b"\3" * 8, b"\1" * 8, trace_id=trace_id, end_time_unix_nano=END + 10**9, name="")
    return export(late, failed, root, resource=RESOURCE)


def _without_numbers(trace_id: bytes) -> ExportTraceServiceRequest:
    """NaN and infinities wherever a span has attributes."""
    given = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": "NaN"}
    made = span(trace_id=trace_id, attributes=given)
    happened = made.events.add(name="loss", time_unix_nano=START + 6)
    for owner in (happened, made.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8)):
        for key, value in given.items():
            attribute(owner, key, value)
    return export(made)


def _without_links(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """MLflow reads the ids of links in JSON as base64, which they are not."""
    for sent in request.resource_spans[0].scope_spans[0].spans:
        del sent.links[:]
    return request


def _cases() -> dict[str, Sent]:
    cases = {}
    for number, (name, attributes) in enumerate(ATTRIBUTES.items(), 1):
        cases[name] = Sent(export(span(trace_id=_trace(number), attributes=attributes)))
        again = export(span(trace_id=_trace(number + 100), attributes=attributes))
        cases[f"{name} in JSON"] = Sent(again, JSON)
    cases["full"] = Sent(_full(_trace(80)))
    cases["full in JSON"] = Sent(_without_links(_full(_trace(180))), JSON)
    cases["no numbers"] = Sent(_without_numbers(_trace(83)))
    cases["no numbers in JSON"] = Sent(_without_links(_without_numbers(_trace(183))), JSON)
    cases["agent"] = Sent(
        export(span(trace_id=_trace(81)), resource={"service.name": "claude-code"})
    )
    cases["short ids"] = Sent(export(span(b"\1", b"\2", trace_id=b"\x55\3")))
    cases["parent of zeros"] = Sent(export(span(parent_id=b"\0" * 8, trace_id=_trace(82))))
    return cases


CASES = _cases()


class Stored(NamedTuple):
    """What MLflow has of an export: rows by their ids, and its answers by trace."""

    spans: dict[tuple[str, str], dict[str, Any]]
    traces: dict[str, dict[str, Any]]
    tags: dict[str, dict[str, str]]
    answers: dict[str, Any]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """What MLflow's own server has, after all exports."""
    directory = tmp_path_factory.mktemp("mlflow")
    with services.mlflow_server(directory) as server, requests.Session() as session:
        for name, sent in CASES.items():
            answer = session.post(
                f"{server.url}/v1/traces",
                data=sent.body(),
                headers={"Content-Type": sent.kind, "x-mlflow-experiment-id": "0"},
            )
            assert answer.status_code == 200, (name, answer.text)
        spans, traces, tags = _rows(directory / "mlflow.db")
        answers = {
            trace_id: session.get(
                f"{server.url}/api/3.0/mlflow/traces/get",
                params={"trace_id": trace_id, "allow_partial": "true"},
            ).json()["trace"]["spans"]
            for trace_id in traces
        }
        yield Stored(spans, traces, tags, answers)


@pytest.mark.parametrize("name", CASES)
def test_a_span_is_stored_as_mlflow_stores_it(name: str, stored: Stored) -> None:
    read = _read(CASES[name])
    assert read
    for ours in read:
        theirs = stored.spans[ours.trace_id, ours.span_id]
        if name.startswith("spaced"):  # JSON texts of clients, which are written anew
            assert document.decode(ours.content) == document.decode(theirs["content"])
        else:
            assert ours.content == theirs["content"]
        assert (ours.parent_id, ours.name, ours.status, ours.start_ns, ours.end_ns) == (
            theirs["parent_span_id"],
            theirs["name"],
            theirs["status"],
            theirs["start_time_unix_nano"],
            theirs["end_time_unix_nano"],
        )
        assert theirs["type"] == (None if name.split()[0] in TRANSLATED else ours.type)
        assert (ours.model, ours.provider) == (theirs["model_name"], theirs["model_provider"])
        assert ours.cost == {
            key: theirs[key]
            for key in ("input_cost", "output_cost", "total_cost")
            if theirs[key] is not None
        }


@pytest.mark.parametrize("name", CASES)
def test_a_root_tells_of_its_trace_what_mlflow_takes_from_it(name: str, stored: Stored) -> None:
    for ours in _read(CASES[name]):
        if ours.parent_id:
            continue
        theirs = stored.traces[ours.trace_id]
        tags = stored.tags[ours.trace_id]
        assert {**ours.resource_tags, **ours.tags} == {
            key: value for key, value in tags.items() if not key.startswith("mlflow.")
        }
        assert (ours.trace_name, ours.session) == (theirs["trace_name"], theirs["session_id"])
        assert (ours.request_preview, ours.response_preview) == (
            theirs["request_preview"],
            theirs["response_preview"],
        )
        tokens = ("input_tokens", "output_tokens", "total_tokens")
        used = sums([Row(ours.span_id, None, ours.usage, ours.cost)]).usage or {}
        assert used == {key: theirs[key] for key in tokens if theirs[key] is not None}


@pytest.mark.parametrize("name", CASES)
def test_spans_are_answered_as_mlflow_answers_them(name: str, stored: Stored) -> None:
    read = _read(CASES[name])
    theirs = stored.answers[read[0].trace_id]
    by_id = {base64.b64encode(bytes.fromhex(ours.span_id)).decode(): ours for ours in read}
    assert len(theirs) == len(read)
    for answered in theirs:
        ours = json.loads(bytes(wire.encode(by_id[answered["span_id"]].content)))
        assert ours == answered


def _read(sent: Sent) -> list[SpanSummary]:
    read = decode.from_protobuf if sent.kind == PROTOBUF else decode.from_json
    batch = read(sent.body())
    assert not batch.rejected
    translate_all(batch.spans)
    return summarise_all(batch.spans)


def _rows(database: Path) -> tuple[dict[Any, Any], dict[str, Any], dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        spans = {(row["trace_id"], row["span_id"]): dict(row) for row in _all(conn, "spans")}
        traces = {row["request_id"]: dict(row) for row in _all(conn, "trace_info")}
        tags: dict[str, dict[str, str]] = {}
        for row in _all(conn, "trace_tags"):
            tags.setdefault(row["request_id"], {})[row["key"]] = row["value"]
        return spans, traces, tags


def _all(conn: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    return conn.execute(f"SELECT * FROM {table}").fetchall()
