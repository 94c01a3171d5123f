"""Traces in one database, read from MLflow's own server and from Tandem: their answers agree."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import pytest
import requests

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.spans.exports import START, attribute, export, span
from tests.metadata.traces import content, rows
from tests.metadata.traces.content import ARCHIVED, BARE, ELSEWHERE, FULL, LONG, WAITING
from tests.system import beside_mlflow

_V3 = "/api/3.0/mlflow/traces"
_ATTACHMENT = "0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11"
_FILE = json.dumps({"spans": [rows.document(f"tr-{ELSEWHERE}", n) for n in range(3)]}).encode()
_SENT = f"tr-{0x55:032x}"
"""A trace that MLflow's server took by itself."""
_FOREIGN = f"tr-{0x56:032x}"
"""A trace whose span has a type in another library's words alone."""


class Both(NamedTuple):
    """Two servers over one database and one place of artifacts."""

    mlflow: str
    tandem: str
    old: str
    """The id of a trace that was started and ended as by a client of MLflow 2."""

    def get(self, path: str, query: dict[str, Any]) -> list[requests.Response]:
        return [
            requests.get(url + path, params=query, timeout=60) for url in (self.mlflow, self.tandem)
        ]


@pytest.fixture(scope="module", params=beside_mlflow.DATABASES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """Servers of these tests alone: the traces lie in experiments whose ids they name."""
    with beside_mlflow.started(request, tmp_path_factory) as beside:
        _fill(beside.address)
        _put(beside.artifacts / "e" / "traces" / ELSEWHERE / "artifacts")
        _send(beside.mlflow)
        yield Both(beside.mlflow, beside.tandem, _send_old(beside.mlflow))


def _fill(address: str) -> None:
    database = Database(Settings(backend_store_uri=address))
    with database.write() as conn:
        content.fill(conn, odd=False)
        rows.trace(conn, _FOREIGN, tags=dict(rows.IN_DATABASE))
        kind = {"mlflow.spanType": "UNKNOWN", "openinference.span.kind": "RETRIEVER"}
        rows.spans(conn, _FOREIGN, 1, **kind)
    database.close()


def _put(folder: Path) -> None:
    (folder / "attachments").mkdir(parents=True)
    (folder / "traces.json").write_bytes(_FILE)
    (folder / "attachments" / _ATTACHMENT).write_bytes(b"\x89PNG")


def _post(url: str, body: Any, method: str = "POST") -> Any:
    answer = requests.request(method, url, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _send(url: str) -> None:
    """A trace with spans, all that start_trace gives, and assessments."""
    trace_id = bytes.fromhex(_SENT.removeprefix("tr-"))
    attributes = {
        "mlflow.spanInputs": {"q": "é"},
        "mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        "mlflow.llm.model": "gpt-4o",
        "x": [1, 0.5, None, {"a": True}],
        "session.id": "s",
    }
    root = span(trace_id=trace_id, attributes=attributes)
    happened = root.events.add(name="exception", time_unix_nano=1)
    attribute(happened, "exception.type", "ValueError")
    _export(url, root)
    info = {
        "trace_id": _SENT,
        "client_request_id": "c",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "1"},
        },
        "request_time": "2026-11-28T16:57:43.697Z",
        "execution_duration": "2s",
        "state": "OK",
        "trace_metadata": {"mlflow.trace.user": "alice", "long": "x" * 300},
        "tags": {"mlflow.traceName": "agent", "k": "v"},
        "request_preview": "é",
    }
    _post(f"{url}{_V3}", {"trace": {"trace_info": info}})
    for given in (
        {"feedback": {"value": {"a": [1, 2.5, "x"]}}, "rationale": "r"},
        {"feedback": {"value": 5}, "metadata": {"a": "b"}},
        {"expectation": {"value": "Paris"}},
        {
            "expectation": {
                "serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"a": [1]}'}
            }
        },
        {"feedback": {"value": "no", "error": {"error_code": "E", "stack_trace": "s"}}},
    ):
        source = {"source_type": "HUMAN", "source_id": "bob"}
        given |= {"assessment_name": "n", "trace_id": _SENT, "source": source}
        _post(f"{url}{_V3}/{_SENT}/assessments", {"assessment": given})


def _export(url: str, *spans: Any) -> None:
    answer = requests.post(
        f"{url}/v1/traces",
        data=export(*spans).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "1"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def _send_old(url: str) -> str:
    pairs = [{"key": "k", "value": "v"}]
    given = {"experiment_id": "1", "timestamp_ms": 1500, "request_metadata": pairs, "tags": pairs}
    made = _post(f"{url}/api/2.0/mlflow/traces", given)["trace_info"]["request_id"]
    ended = {**given, "request_id": made, "timestamp_ms": 1576, "status": "OK"}
    _post(f"{url}/api/2.0/mlflow/traces/{made}", ended, "PATCH")
    return str(made)


def _json(answer: requests.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return _unordered(answer.json())


def _unordered(value: Any) -> Any:
    """An answer without the order of tags and metadata, which are sets."""
    if isinstance(value, dict):
        return {
            name: sorted(each, key=str)
            if name in ("tags", "request_metadata")
            else _unordered(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_unordered(each) for each in value]
    return value


@pytest.mark.parametrize("trace_id", [FULL, BARE, WAITING, ELSEWHERE, ARCHIVED, LONG, _SENT, "old"])
def test_infos_agree(both: Both, trace_id: str) -> None:
    trace_id = both.old if trace_id == "old" else trace_id
    for path in (f"{_V3}/{trace_id}", f"/api/2.0/mlflow/traces/{trace_id}/info"):
        theirs, ours = both.get(path, {})
        assert _json(ours) == _json(theirs)
        assert ours.headers["content-type"] == theirs.headers["content-type"]


@pytest.mark.parametrize("trace_id", [FULL, LONG, _SENT, _FOREIGN])
@pytest.mark.parametrize("partial", ["true", "false"])
def test_traces_agree(both: Both, trace_id: str, partial: str) -> None:
    query = {"trace_id": trace_id, "allow_partial": partial}
    theirs, ours = both.get(f"{_V3}/get", query)
    assert _json(ours) == _json(theirs)
    assert _json(ours)["trace"]["spans"]


def test_an_incomplete_trace_agrees(both: Both) -> None:
    theirs, ours = both.get(f"{_V3}/get", {"trace_id": WAITING, "allow_partial": "True"})
    assert _json(ours) == _json(theirs)
    theirs, ours = both.get(f"{_V3}/get", {"trace_id": WAITING})
    assert ours.status_code == theirs.status_code == 404
    assert "is not fully exported yet" in theirs.json()["message"]
    assert "is not fully exported yet" in ours.json()["message"]


@pytest.mark.parametrize("more", [{}, {"experiment_ids": ["1"]}, {"experiment_ids": ["77"]}])
def test_several_traces_agree(both: Both, more: dict[str, Any]) -> None:
    query = {"trace_ids": [LONG, "tr-nobody", WAITING, FULL, _SENT], **more}
    theirs, ours = both.get(f"{_V3}/batchGet", query)
    assert _json(ours) == _json(theirs)
    everything = [*query["trace_ids"], BARE, ELSEWHERE, ARCHIVED, both.old]
    theirs, ours = (
        requests.post(
            f"{url}{_V3}/batchGetInfos", json={**query, "trace_ids": everything}, timeout=60
        )
        for url in (both.mlflow, both.tandem)
    )
    assert _json(ours) == _json(theirs)


@pytest.mark.parametrize(
    "query",
    [
        {"request_id": FULL},
        {"request_id": LONG},
        {"request_id": WAITING},
        {"request_id": _SENT},
        {"request_id": _FOREIGN},
        {"request_id": ELSEWHERE},
        {"request_id": ELSEWHERE, "path": _ATTACHMENT},
    ],
)
def test_artifacts_agree(both: Both, query: dict[str, str]) -> None:
    for version in ("2.0", "3.0"):
        theirs, ours = both.get(f"/ajax-api/{version}/mlflow/get-trace-artifact", query)
        assert theirs.status_code == ours.status_code == 200
        if ours.content != theirs.content:
            assert ours.json() == theirs.json()
        for name in ("content-disposition", "x-content-type-options"):
            assert ours.headers[name] == theirs.headers[name]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{_V3}/tr-nobody", {}),
        ("/api/2.0/mlflow/traces/tr-nobody/info", {}),
        (f"{_V3}/get", {}),
        (f"{_V3}/get", {"trace_id": "tr-nobody"}),
        (f"{_V3}/get", {"trace_id": FULL, "allow_partial": "perhaps"}),
        (f"{_V3}/batchGet", {}),
        (f"{_V3}/batchGet", {"trace_ids": FULL, "experiment_ids": "abc"}),
        ("/ajax-api/3.0/mlflow/get-trace-artifact", {}),
        ("/ajax-api/3.0/mlflow/get-trace-artifact", {"request_id": "tr-nobody"}),
        ("/ajax-api/3.0/mlflow/get-trace-artifact", {"request_id": ELSEWHERE, "path": "../x"}),
        ("/ajax-api/3.0/mlflow/get-trace-artifact", {"request_id": ELSEWHERE, "path": "a.png"}),
    ],
)
def test_refusals_agree(both: Both, path: str, query: dict[str, str]) -> None:
    theirs, ours = both.get(path, query)
    assert (ours.status_code, ours.json()["error_code"]) == (
        theirs.status_code,
        theirs.json()["error_code"],
    )


@pytest.mark.parametrize("trace_id", [FULL, LONG, _SENT, ELSEWHERE])
def test_clients_read_the_same(both: Both, trace_id: str) -> None:
    found = []
    try:
        for url in (both.mlflow, both.tandem):
            mlflow.set_tracking_uri(url)
            found.append(mlflow.get_trace(trace_id))
    finally:
        mlflow.set_tracking_uri("")
    theirs, ours = found
    assert ours.to_dict() == theirs.to_dict()
    assert len(ours.data.spans) == (1 if trace_id in (LONG, _SENT) else 3)


def test_what_mlflow_fails_at_is_answered(both: Both) -> None:
    for trace_id in (BARE, ELSEWHERE):
        query = {"trace_id": trace_id, "allow_partial": "true"}
        theirs, ours = both.get(f"{_V3}/get", query)
        assert theirs.status_code == 500
        assert "spans" not in _json(ours)["trace"]
    query = {"trace_ids": [FULL, ELSEWHERE]}
    theirs, ours = both.get(f"{_V3}/batchGet", query)
    assert theirs.status_code == 500
    assert [len(each.get("spans", [])) for each in _json(ours)["traces"]] == [3, 0]


_MS = 1_000_000


@pytest.mark.parametrize(
    "times",
    [
        [(900_000, 1_100_000)],
        [(900_000, 1_100_000), (999_999, 5 * _MS - 1)],
        [(2 * _MS + 1, 3 * _MS), (1_999_999, 2 * _MS + 999_999), (3 * _MS, 3 * _MS)],
    ],
)
def test_spans_alone_give_a_trace_the_same_time(both: Both, times: list[tuple[int, int]]) -> None:
    """Of whole milliseconds, in which both round each time off before they subtract."""
    found = []
    for url in (both.mlflow, both.tandem):
        trace = uuid.uuid4().bytes
        for number, (first, last) in enumerate(times):
            _export(
                url,
                span(
                    number.to_bytes(7, "big") + b"\1",
                    b"parent--" if number else b"",
                    trace_id=trace,
                    start_time_unix_nano=START // _MS * _MS + first,
                    end_time_unix_nano=START // _MS * _MS + last,
                ),
            )
        answer = requests.get(f"{url}{_V3}/tr-{trace.hex()}", timeout=60)
        info = _json(answer)["trace"]["trace_info"]
        found.append((info["request_time"], info["execution_duration"]))
    theirs, ours = found
    assert ours == theirs


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    "key",
    [
        "mlflow.artifactLocation",
        "mlflow.trace.spansLocation",
        "mlflow.trace.archiveLocation",
        "mlflow.trace.archivalFailure",
        "mlflow.traceName",
        "mlflow.user",
        "k",
        "a/../b",
        "k" * 251,
    ],
)
def test_tags_that_clients_may_change_agree(both: Both, method: str, key: str) -> None:
    found = []
    for url in (both.mlflow, both.tandem):
        trace = uuid.uuid4().bytes
        _export(url, span(trace_id=trace))
        path = f"{url}/api/2.0/mlflow/traces/tr-{trace.hex()}/tags"
        answer = requests.request(method, path, json={"key": key, "value": "v"}, timeout=60)
        info = requests.get(f"{url}{_V3}/tr-{trace.hex()}", timeout=60).json()
        tags = info["trace"]["trace_info"]["tags"]
        found.append((answer.status_code, answer.json().get("error_code"), tags.get(key)))
    theirs, ours = ([str(each).split("/traces/")[0] for each in of] for of in found)
    assert ours == theirs
