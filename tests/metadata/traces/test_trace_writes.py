"""Traces that start and end, over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from tandem_metadata.database.tables import tracking
from tandem_metadata.database.tables.traces import (
    spans,
    trace_info,
    trace_request_metadata,
    trace_tags,
)
from tandem_metadata.routes import trace_writes
from tandem_shared import MLFLOW_VERSION
from tests.metadata.api import INVALID, MISSING
from tests.metadata.conftest import ARTIFACT_ROOT, only_sqlite
from tests.metadata.spans.exports import TRACE, export, span
from tests.metadata.traces.writes_api import Writes, info

TRACE_ID = f"tr-{TRACE.hex()}"
TOKENS = '{"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}'
METADATA = {
    "mlflow.trace_schema.version": "3",
    "mlflow.user": "root",
    "mlflow.trace.session": "sess-1",
    "mlflow.trace.user": "alice",
    "mlflow.trace.tokenUsage": TOKENS,
}


def test_a_trace_starts_with_all_that_the_client_tells(writes: Writes) -> None:
    given = info(
        TRACE_ID,
        client_request_id="creq-1",
        trace_metadata=METADATA,
        tags={"k": "v", "mlflow.traceName": "agent"},
        request_preview='{"q": "hello"}',
        response_preview="…",
    )
    answer = writes.started(**given)
    assert answer == given | {
        "trace_metadata": METADATA | {"mlflow.trace.infoFinalized": "true"},
        "tags": given["tags"]
        | {"mlflow.artifactLocation": f"{ARTIFACT_ROOT}0/traces/{TRACE_ID}/artifacts"},
    }
    assert writes.info(TRACE_ID) == answer


@only_sqlite
def test_names_of_fields_may_be_in_camel_case(writes: Writes) -> None:
    body = {
        "trace": {
            "traceInfo": {
                "traceId": TRACE_ID,
                "traceLocation": {"mlflowExperiment": {"experimentId": "0"}},
                "requestTime": "2026-11-28T16:57:43.779Z",
                "state": 2,
                "unknown": 1,
            }
        }
    }
    answer = writes.http.post("/api/3.0/mlflow/traces", json=body)
    assert answer.status_code == 200, answer.text
    assert writes.info(TRACE_ID)["state"] == "ERROR"


@pytest.mark.parametrize("version", [MLFLOW_VERSION, "3.6.0"])
def test_a_client_is_told_of_spans_that_are_on_their_way(
    writes: Writes, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """So that it need not upload them as well."""
    monkeypatch.setattr(trace_writes, "WAIT_SECONDS", 60.0)
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(writes.started, version, **info(TRACE_ID))
        writes.exported(export(span()))
        assert begun.result()["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"


@only_sqlite
@pytest.mark.parametrize("version", [MLFLOW_VERSION, "3.4.0", "2.22", "x", ""])
def test_a_client_whose_spans_do_not_come_is_left_to_upload_them(
    writes: Writes, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(trace_writes, "WAIT_SECONDS", 0.05)
    assert "mlflow.trace.spansLocation" not in writes.started(version, **info(TRACE_ID))["tags"]
    assert "mlflow.trace.spansLocation" not in writes.info(TRACE_ID)["tags"]


@only_sqlite
@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"trace_id": ""}, INVALID),
        ({"trace_id": "x" * 51}, INVALID),
        ({"trace_id": "../../0"}, INVALID),
        ({"trace_id": "a\0"}, INVALID),
        ({"trace_location": None}, INVALID),
        ({"trace_location": {"type": "UC_SCHEMA", "uc_schema": {}}}, INVALID),
        ({"trace_location": {"mlflow_experiment": {"experiment_id": "7"}}}, MISSING),
        ({"trace_location": {"mlflow_experiment": {"experiment_id": "abc"}}}, INVALID),
        ({"request_time": "yesterday"}, INVALID),
        ({"execution_duration": "long"}, INVALID),
        ({"state": "FINE"}, INVALID),
        ({"trace_metadata": {"mlflow.trace.session": "x" * 251}}, INVALID),
        ({"tags": "no object"}, INVALID),
    ],
)
def test_a_trace_that_cannot_be_stored_is_refused(
    writes: Writes, changed: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = writes.start(**info(TRACE_ID) | changed)
    assert (answer.status_code, answer.json()["error_code"]) == refusal
    with writes.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(trace_info)).scalar() == 0


@only_sqlite
@pytest.mark.parametrize("body", [{}, {"trace": {}}, {"trace": {"trace_info": {}}}, "x"])
def test_a_request_without_a_trace_is_refused(writes: Writes, body: Any) -> None:
    answer = writes.http.post("/api/3.0/mlflow/traces", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == INVALID


@only_sqlite
def test_no_trace_starts_in_a_deleted_experiment(writes: Writes) -> None:
    with writes.database.write() as conn:
        conn.execute(update(tracking.experiments).values(lifecycle_stage="deleted"))
    answer = writes.start(**info(TRACE_ID))
    assert (answer.status_code, answer.json()["error_code"]) == INVALID


def test_long_values_are_cut_and_no_character_makes_a_trace_be_lost(writes: Writes) -> None:
    long = "x" * 9000
    judged = {"assessment_name": long, "source": {"source_id": long}, "feedback": {"value": 1}}
    writes.started(
        **info(
            TRACE_ID,
            client_request_id="é" * 51,
            request_preview=f"nul \0 {long}",
            tags={"t": long, "k" * 300: "v", "nul": "\0", "mlflow.traceName": long},
            trace_metadata={"m": long},
            assessments=[judged],
        )
    )
    found = writes.info(TRACE_ID)
    assert found["client_request_id"] == "é" * 50
    assert found["tags"]["mlflow.traceName"] == "x" * 4096
    [shown] = found["assessments"]
    assert (shown["assessment_name"], shown["source"]["source_id"]) == ("x" * 250, "x" * 250)
    assert found["request_preview"].startswith("nul \ufffd x")
    assert len(found["request_preview"]) == 1000
    assert found["tags"]["nul"] == "\ufffd"
    assert found["tags"]["k" * 250] == "v"
    with writes.database.read() as conn:
        for table, key in ((trace_tags, "t"), (trace_request_metadata, "m")):
            value = conn.execute(select(table.c.value).where(table.c.key == key)).scalar_one()
            assert value == "x" * 8000


@only_sqlite
def test_tags_that_the_server_sets_are_ignored(writes: Writes) -> None:
    given = {"mlflow.artifactLocation": "s3://x", "mlflow.trace.spansLocation": "ARCHIVE_REPO"}
    tags = writes.started(**info(TRACE_ID, tags=given))["tags"]
    assert tags == {"mlflow.artifactLocation": f"{ARTIFACT_ROOT}0/traces/{TRACE_ID}/artifacts"}


@only_sqlite
def test_a_trace_that_starts_again_moves_to_its_experiment_with_its_spans(writes: Writes) -> None:
    with writes.database.write() as conn:
        conn.execute(
            insert(tracking.experiments).values(
                experiment_id=5, name="five", artifact_location="x:/5", lifecycle_stage="active"
            )
        )
    writes.exported(export(span()))
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "5"}}
    moved = writes.started(**info(TRACE_ID, trace_location=location))
    assert moved["trace_location"] == location
    assert moved["tags"]["mlflow.artifactLocation"] == f"x:/5/traces/{TRACE_ID}/artifacts"
    with writes.database.read() as conn:
        assert conn.execute(select(spans.c.experiment_id)).scalar_one() == 5


def _pairs(given: list[dict[str, str]]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in given}


def test_old_clients_start_and_end_a_trace(writes: Writes) -> None:
    status, answer = writes.ask(
        "POST",
        "",
        experiment_id="0",
        timestamp_ms=1_795_885_340_746,
        request_metadata=[{"key": "mlflow.trace_schema.version", "value": "2"}],
        tags=[{"key": "mlflow.source.name", "value": "t.py"}],
    )
    assert status == 200, answer
    begun = answer["trace_info"]
    trace_id = begun["request_id"]
    assert len(trace_id) == 32
    assert _pairs(begun.pop("tags")) == {
        "mlflow.source.name": "t.py",
        "mlflow.artifactLocation": f"{ARTIFACT_ROOT}0/traces/{trace_id}/artifacts",
    }
    assert begun == {
        "request_id": trace_id,
        "experiment_id": "0",
        "timestamp_ms": 1_795_885_340_746,
        "execution_time_ms": 0,
        "status": "IN_PROGRESS",
        "request_metadata": [{"key": "mlflow.trace_schema.version", "value": "2"}],
    }
    status, answer = writes.ask(
        "PATCH",
        f"/{trace_id}",
        request_id=trace_id,
        timestamp_ms=1_795_885_340_822,
        status="OK",
        request_metadata=[{"key": "mlflow.trace.tokenUsage", "value": TOKENS}],
        tags=[{"key": "mlflow.traceName", "value": "f"}],
    )
    assert status == 200, answer
    ended = answer["trace_info"]
    assert (ended["execution_time_ms"], ended["status"]) == (76, "OK")
    assert _pairs(ended["request_metadata"]) == {
        "mlflow.trace_schema.version": "2",
        "mlflow.trace.tokenUsage": TOKENS,
    }
    assert writes.info(trace_id)["tags"]["mlflow.traceName"] == "f"


@only_sqlite
def test_what_old_clients_cannot_start_or_end(writes: Writes) -> None:
    assert writes.refused("POST", "") == INVALID
    assert writes.refused("POST", "", experiment_id="7") == MISSING
    assert writes.refused("PATCH", "/nobody", status="OK") == MISSING
    writes.started(**info(TRACE_ID))
    assert writes.refused("PATCH", f"/{TRACE_ID}", status="FINE") == INVALID


@only_sqlite
def test_a_trace_whose_root_is_lost_can_be_ended(writes: Writes) -> None:
    writes.exported(export(span(parent_id=b"12345678")))
    assert writes.info(TRACE_ID)["state"] == "IN_PROGRESS"
    status, _ = writes.ask("PATCH", f"/{TRACE_ID}", timestamp_ms=1_795_885_070_000, status="ERROR")
    assert (status, writes.info(TRACE_ID)["state"]) == (200, "ERROR")
