"""Rows of traces, as MLflow's server and Tandem write them in each generation of the schema."""

import base64
import json
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.database.tables.tracking import experiments

NAME: Final = "mlflow.traceName"
SESSION: Final = "mlflow.trace.session"
USAGE: Final = "mlflow.trace.tokenUsage"
COST: Final = "mlflow.trace.cost"
STATS: Final = "mlflow.trace.sizeStats"
IN_DATABASE: Final = {"mlflow.trace.spansLocation": "TRACKING_STORE"}

_ROOT: Final = 1 << 40
_FIRST_NS: Final = 1_795_885_063_779_424_841


def experiment(conn: Connection, number: int, location: str = "mlflow-artifacts:/e") -> None:
    conn.execute(
        insert(experiments).values(
            experiment_id=number,
            name=f"e{number}",
            artifact_location=location,
            lifecycle_stage="active",
        )
    )


def trace(
    conn: Connection,
    trace_id: str,
    *,
    experiment_id: int = 1,
    tags: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    **info: Any,
) -> None:
    """A trace; name, session, tokens and costs are where the generation has them."""
    schema = trace_schema.of(conn)
    tags, metadata = dict(tags or {}), dict(metadata or {})
    row: dict[str, Any] = {
        "request_id": trace_id,
        "experiment_id": experiment_id,
        "timestamp_ms": 1_795_885_063_697,
        "execution_time_ms": 96,
        "status": "OK",
        **info,
    }
    if schema.has_columns:
        row["trace_name"] = tags.pop(NAME, None)
        row["session_id"] = metadata.pop(SESSION, None)
        usage = json.loads(metadata.pop(USAGE, "{}"))
        cost = json.loads(metadata.pop(COST, "{}"))
        row |= {name: usage.get(name) for name in TOKENS}
        row |= {name: cost.get(name) for name in COSTS}
    conn.execute(insert(schema.trace_info).values(row))
    for table, values in ((schema.trace_tags, tags), (schema.trace_request_metadata, metadata)):
        for key, value in values.items():
            conn.execute(insert(table).values(request_id=trace_id, key=key, value=value))


def assessment(conn: Connection, trace_id: str, name: str, value: Any, **more: Any) -> None:
    schema = trace_schema.of(conn)
    row = {
        "assessment_id": f"a-{name}",
        "trace_id": trace_id,
        "name": name,
        "assessment_type": "feedback",
        "value": value if isinstance(value, str) else json.dumps(value),
        "created_timestamp": 1_795_885_063_000,
        "last_updated_timestamp": 1_795_885_063_001,
        "source_type": "HUMAN",
        "valid": True,
        **more,
    }
    if schema.has_columns:
        info = schema.trace_info.c
        for name, column in (
            ("experiment_id", info.experiment_id),
            ("trace_timestamp_ms", info.timestamp_ms),
        ):
            of_trace = select(column).where(info.request_id == trace_id)
            row.setdefault(name, of_trace.scalar_subquery())
    conn.execute(insert(schema.assessments).values(row))


def spans(
    conn: Connection, trace_id: str, count: int, *, experiment_id: int = 1, **attributes: Any
) -> list[str]:
    """A root and its children, the root last; returns the documents in the order of answers."""
    schema = trace_schema.of(conn)
    made = [document(trace_id, number, **attributes) for number in range(count)]
    stored = [json.dumps(each, ensure_ascii=False) for each in made]
    conn.execute(
        insert(schema.spans),
        [
            {
                "trace_id": trace_id,
                "experiment_id": experiment_id,
                "span_id": base64.b64decode(each["span_id"]).hex(),
                "parent_span_id": each["parent_span_id"] and f"{_ROOT:016x}",
                "name": each["name"],
                "type": "TOOL",
                "status": "OK",
                "start_time_unix_nano": each["start_time_unix_nano"],
                "end_time_unix_nano": each["end_time_unix_nano"],
                "content": text,
            }
            for each, text in reversed([*zip(made, stored, strict=True)])
        ],
    )
    return stored


def document(trace_id: str, number: int, **attributes: Any) -> dict[str, Any]:
    """A stored span. Number 0 is the root, which begins last."""
    begins = _FIRST_NS + (10**9 if number == 0 else number)
    given = {"mlflow.traceRequestId": trace_id, "mlflow.spanType": "TOOL", **attributes}
    return {
        "trace_id": base64.b64encode(bytes.fromhex(trace_id.removeprefix("tr-"))).decode(),
        "span_id": base64.b64encode((_ROOT + number).to_bytes(8)).decode(),
        "parent_span_id": base64.b64encode(_ROOT.to_bytes(8)).decode() if number else None,
        "name": f"step {number}",
        "start_time_unix_nano": begins,
        "end_time_unix_nano": begins + 5_000_000,
        "events": [
            {
                "name": "exception",
                "time_unix_nano": begins + 1,
                "attributes": {"exception.type": "ValueError"},
            }
        ],
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in given.items()},
        "links": [],
    }
