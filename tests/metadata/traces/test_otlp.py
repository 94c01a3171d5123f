"""`/v1/traces`: what is stored, what is refused, and what is answered to exporters."""

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sqlalchemy import select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.database.tables.traces import entity_associations, spans
from tests.metadata.conftest import ARTIFACT_ROOT, only_postgresql, only_sqlite
from tests.metadata.spans.exports import CHILD, ROOT, TRACE, export, span
from tests.metadata.traces.writes_api import PROTOBUF, Writes, info

TRACE_ID = f"tr-{TRACE.hex()}"
INPUTS = {"mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '"yes"'}


def both() -> ExportTraceServiceRequest:
    return export(span(attributes=INPUTS), span(CHILD, ROOT), resource={"service.name": "s"})


def names(database: Database) -> list[str]:
    with database.read() as conn:
        return [*conn.execute(select(spans.c.name).order_by(spans.c.span_id)).scalars()]


def test_spans_make_a_trace(writes: Writes) -> None:
    answer = writes.export(both())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == PROTOBUF
    assert writes.info(TRACE_ID) == {
        "trace_id": TRACE_ID,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "0"},
        },
        "request_time": "2026-11-28T16:57:43.779Z",
        "execution_duration": "0.014s",
        "state": "OK",
        "request_preview": '{"q": 1}',
        "response_preview": '"yes"',
        "tags": {
            "mlflow.artifactLocation": f"{ARTIFACT_ROOT}0/traces/{TRACE_ID}/artifacts",
            "mlflow.trace.spansLocation": "TRACKING_STORE",
            "service.name": "s",
        },
    }
    assert names(writes.database) == ["step", "step"]


def _in_json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON has hexadecimal ids, and protobuf's own has base64."""
    message: dict[str, Any] = MessageToDict(request)
    for group in message["resourceSpans"]:
        for each in group["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in each:
                    each[name] = base64.b64decode(each[name]).hex()
    return json.dumps(message).encode()


@only_sqlite
def test_json_makes_the_same_trace(writes: Writes) -> None:
    answer = writes.export(_in_json(both()), "application/json; charset=utf-8")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == PROTOBUF
    assert writes.info(TRACE_ID)["request_preview"] == '{"q": 1}'
    assert len(names(writes.database)) == 2


@only_sqlite
def test_json_is_told_in_json_of_spans_that_are_not_kept(writes: Writes) -> None:
    """Exporters read an answer in the form in which they sent."""
    sent = json.loads(_in_json(export(span(b"\1" * 8), span(name="kept"))))
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = ""
    answer = writes.export(json.dumps(sent).encode(), "application/json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = ExportTraceServiceResponse()
    Parse(answer.content, told)
    assert told.partial_success.rejected_spans == 1
    assert told.partial_success.error_message == "A span has no span_id."
    assert names(writes.database) == ["kept"]


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@only_sqlite
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("identity", bytes),
    ],
)
def test_compressed_spans_are_stored(writes: Writes, encoding: str, compress: Any) -> None:
    body = compress(both().SerializeToString())
    writes.exported(body, content_encoding=encoding)
    assert len(names(writes.database)) == 2


@only_sqlite
def test_a_long_body_is_stored(writes: Writes) -> None:
    many = [span(number.to_bytes(8, "big"), name="x" * 200) for number in range(1, 2001)]
    writes.exported(gzip.compress(export(*many).SerializeToString()), content_encoding="gzip")
    assert len(names(writes.database)) == 2000


GOOD = both().SerializeToString()


@only_sqlite
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "detail"),
    [
        (GOOD, None, "", "Invalid Content-Type"),
        (GOOD, "text/plain", "", "text/plain. Send application/x-protobuf or application/json."),
        (GOOD, PROTOBUF, "br", "Unsupported Content-Encoding: br. Send gzip, deflate or none."),
        (GOOD, PROTOBUF, "gzip", "not valid gzip"),
        (gzip.compress(GOOD)[:-9], PROTOBUF, "gzip", "not valid gzip"),
        (GOOD, PROTOBUF, "deflate", "not valid deflate"),
        (b"garbage", PROTOBUF, "", "Invalid OpenTelemetry format"),
        (b"", PROTOBUF, "", "Invalid OpenTelemetry format: no spans found."),
        (b"{", "application/json", "", "Invalid OpenTelemetry format"),
    ],
)
def test_what_is_no_export_is_refused(
    writes: Writes, body: bytes, content_type: str | None, encoding: str, detail: str
) -> None:
    answer = writes.export(body, content_type, content_encoding=encoding)
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]
    assert answer.json()["detail"].count("Invalid") <= 1
    assert names(writes.database) == []


@only_sqlite
def test_an_export_without_spans_is_taken(writes: Writes) -> None:
    assert writes.export(export()).status_code == 200


@only_sqlite
@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_or_a_content_that_is_too_long_is_refused_with_413(
    database: Database, settings: Any, compressed: bool
) -> None:
    settings = type(settings)(**{**vars(settings), "max_body_bytes": 10_000})
    writes = Writes(settings, database)
    body = export(span(name="x" * 20_000)).SerializeToString()
    if compressed:
        body = gzip.compress(body)
        assert len(body) < 10_000
    answer = writes.export(body, content_encoding="gzip" if compressed else "identity")
    assert answer.status_code == 413
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert writes.export(both()).status_code == 200


@only_sqlite
def test_the_experiment_must_be_named_and_exist(writes: Writes) -> None:
    answer = writes.export(GOOD, experiment_id=None)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "x-mlflow-experiment-id"]
    for given, status in (("", 400), ("abc", 400), ("7", 404), ("9" * 30, 404)):
        refused = writes.export(GOOD, experiment_id=given)
        assert refused.status_code == status, given
        assert "error_code" in refused.json()


@only_sqlite
def test_spans_of_a_deleted_experiment_are_stored(writes: Writes) -> None:
    """A program that runs on loses none."""
    with writes.database.write() as conn:
        conn.execute(update(tracking.experiments).values(lifecycle_stage="deleted"))
    writes.exported(GOOD)
    assert len(names(writes.database)) == 2


@only_sqlite
def test_spans_without_an_id_are_rejected_and_the_others_stored(writes: Writes) -> None:
    answer = writes.exported(export(span(b""), span(name="kept")))
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message == "A span has no span_id."
    assert names(writes.database) == ["kept"]
    refused = writes.export(export(span(b""), span(b"")))
    assert refused.status_code == 422
    assert "Cannot convert OpenTelemetry span to MLflow span" in refused.json()["detail"]


@only_sqlite
def test_spans_go_to_the_experiment_of_their_trace(writes: Writes) -> None:
    with writes.database.write() as conn:
        conn.execute(
            tracking.experiments.insert().values(
                experiment_id=5, name="five", artifact_location="x:/5", lifecycle_stage="active"
            )
        )
    writes.exported(export(span()))
    writes.exported(export(span(CHILD, ROOT)), experiment_id="5")
    with writes.database.read() as conn:
        assert set(conn.execute(select(spans.c.experiment_id)).scalars()) == {0}


def test_the_traces_of_roots_are_linked_to_the_run_of_the_header(writes: Writes) -> None:
    other = bytes(15) + b"\1"
    request = export(span(), span(CHILD, ROOT), span(CHILD, ROOT, trace_id=other))
    for run_id in ("r1", "r1", "x" * 40):
        writes.exported(request, x_mlflow_run_id=run_id)
    with writes.database.read() as conn:
        rows = conn.execute(select(entity_associations)).all()
    assert [(row.source_id, row.destination_id) for row in rows] == [(TRACE_ID, "r1")]


@only_sqlite
def test_more_than_can_be_held_is_answered_503(writes: Writes) -> None:
    writer = writes.context.trace_writer
    with writer.holding(writes.context.settings.max_body_bytes * 2 - 10):
        refused = writes.export(GOOD)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert names(writes.database) == []
    writes.exported(GOOD)


@only_postgresql
def test_nothing_is_lost_that_does_not_fit_its_column(writes: Writes) -> None:
    long = "x" * 9000
    given = {
        "mlflow.spanType": "t" * 600,
        "session.id": "s" * 300,
        "user.id": long,
        "mlflow.traceTag.t": long,
        "mlflow.traceTag.mlflow.traceName": long,
        "mlflow.spanInputs": f"a\0{long}",
        "mlflow.llm.model": long,
    }
    root = span(
        attributes=given,
        name="nul \0",
        start_time_unix_nano=2**63 + 5,
        end_time_unix_nano=2**64 - 1,
    )
    answer = writes.exported(export(root, root, resource={"r": long}))
    assert not answer.partial_success.rejected_spans
    found = writes.info(TRACE_ID)
    assert found["trace_metadata"]["mlflow.trace.session"] == "s" * 250
    assert found["tags"]["mlflow.traceName"] == "x" * 4096
    assert len(found["request_preview"]) == 1000


@only_sqlite
def test_spans_of_an_archived_trace_are_rejected(writes: Writes) -> None:
    """MLflow has moved the others away, and reads either those or the database's."""
    writes.started(**info(TRACE_ID))
    with writes.database.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO trace_tags (key, value, request_id)"
            " VALUES ('mlflow.trace.spansLocation', 'ARCHIVE_REPO', ?)",
            (TRACE_ID,),
        )
    answer = writes.exported(export(span(), span(trace_id=bytes(15) + b"\1", name="other")))
    assert answer.partial_success.rejected_spans == 1
    assert "archived" in answer.partial_success.error_message
    assert names(writes.database) == ["other"]
