"""The traces for tests of searches, as rows of any generation of the schema."""

import json
from typing import Any

from sqlalchemy import Connection, insert

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import entity_associations
from tandem_metadata.database.tables.tracking import experiments

SESSION = "mlflow.trace.session"
TOKENS = "mlflow.trace.tokenUsage"
COST = "mlflow.trace.cost"


def span(name: str, kind: str | None = None, status: str = "OK", **attributes: Any) -> Any:
    return {"name": name, "type": kind, "status": status, "attributes": attributes}


def feedback(name: str, value: Any, kind: str = "feedback", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "type": kind, **more}


TRACES: list[dict[str, Any]] = [
    {
        "id": "tr-a",
        "time": 1000,
        "lasted": 5,
        "name": "agent",
        "client": "creq-1",
        "tags": {"env": "prod", "my key": "v"},
        "metadata": {"mlflow.sourceRun": "r1", SESSION: "s1", "mlflow.trace.user": "alice"},
        "spans": [
            span("root", "AGENT", q="how", model="gpt-4o", n=5, flag=True),
            span("tool", "TOOL", "ERROR", model="claude", text='a "b" \\ c\nd'),
        ],
        "assessments": [feedback("correct", True), feedback("score", 0.5)],
    },
    {
        "id": "tr-b",
        "time": 1000,
        "lasted": None,
        "status": "IN_PROGRESS",
        "name": "Agent",
        "tags": {"env": "Prod"},
        "metadata": {SESSION: "s1"},
        "spans": [span("root", "CHAIN", text="Grüße aus Köln", more={"k": [1, "x"]})],
        "assessments": [
            feedback("polite", "yes", metadata={SESSION: "s1"}),
            feedback("score", 0.9, valid=False),
            feedback("expected", "Paris", "expectation"),
        ],
    },
    {
        "id": "tr-c",
        "time": 2000,
        "lasted": 100,
        "status": "ERROR",
        "name": "ÄPFEL %_x",
        "tags": {"env": "test", "x": "1"},
        "metadata": {"mlflow.sourceRun": "r2", TOKENS: {"input_tokens": 10, "total_tokens": 15}},
        "runs": ["r1"],
        "spans": [span("root", "LLM", model="gpt-3.5"), span("tool", "LLM", q="why")],
        "assessments": [
            feedback("correct", "no"),
            feedback("correct", "yes"),
            feedback("score", 3.0),
            feedback("expected", {"a": [1]}, "expectation"),
        ],
    },
    {
        "id": "tr-d",
        "time": 1500,
        "lasted": 0,
        "name": None,
        "tags": {},
        "metadata": {SESSION: "s2", COST: {"input_cost": 0.5, "total_cost": 1.5}},
        "prompts": ["greet/1", "greet/2"],
        "spans": [],
        "assessments": [
            feedback("i-1", {"issue_name": "a name"}, "issue"),
            feedback("score", "0.7"),
        ],
    },
    {
        "id": "tr-e",
        "time": 900,
        "lasted": 100,
        "name": "äpfel",
        "tags": {"env": "it's"},
        "metadata": {SESSION: "s2", "mlflow.sourceRun": "R1"},
        "spans": [span("Root", None, "UNSET", q="HOW", quoted='"')],
        "assessments": [feedback("expected", "paris", "expectation", metadata={SESSION: "s2"})],
        "experiment": 2,
    },
    {
        "id": "tr-f",
        "time": 2500,
        "lasted": 1,
        "status": "STATE_UNSPECIFIED",
        "name": "other experiment",
        "tags": {"env": "prod"},
        "metadata": {SESSION: "s2"},
        "spans": [span("root", "AGENT", q="how")],
        "assessments": [feedback("polite", "no", metadata={SESSION: "s2"})],
        "experiment": 3,
    },
]
"""Those of the experiments 1 and 2 are searched; one in 3 must not be found, nor count."""


def fill(conn: Connection) -> None:
    """Write them as a database of this generation has them."""
    schema = trace_schema.of(conn, fresh=True)
    for each in (1, 2, 3):
        row = {"experiment_id": each, "name": f"e{each}", "lifecycle_stage": "active"}
        conn.execute(insert(experiments).values(row))
    for trace in TRACES:
        add(conn, schema, trace)


def add(conn: Connection, schema: trace_schema.TraceSchema, trace: dict[str, Any]) -> None:
    trace_id, experiment = trace["id"], trace.get("experiment", 1)
    info = {
        "request_id": trace_id,
        "experiment_id": experiment,
        "timestamp_ms": trace["time"],
        "execution_time_ms": trace["lasted"],
        "status": trace.get("status", "OK"),
        "client_request_id": trace.get("client"),
    }
    tags = dict(trace["tags"])
    metadata = dict(trace["metadata"])
    if schema.has_columns:
        info["trace_name"] = trace["name"]
        info["session_id"] = metadata.pop(SESSION, None)
        info |= {**metadata.pop(TOKENS, {}), **metadata.pop(COST, {})}
    elif trace["name"] is not None:
        tags["mlflow.traceName"] = trace["name"]
    conn.execute(insert(schema.trace_info).values(info))
    for table, pairs in ((schema.trace_tags, tags), (schema.trace_request_metadata, metadata)):
        for key, value in pairs.items():
            text = value if isinstance(value, str) else json.dumps(value)
            conn.execute(insert(table).values(request_id=trace_id, key=key, value=text))
    for number, each in enumerate(trace["spans"]):
        conn.execute(
            insert(schema.spans).values(
                trace_id=trace_id,
                experiment_id=experiment,
                span_id=f"{number:016x}",
                name=each["name"],
                type=each["type"],
                status=each["status"],
                start_time_unix_nano=trace["time"] * 1_000_000,
                content=content(each),
            )
        )
    for number, each in enumerate(trace["assessments"]):
        more: dict[str, Any] = {}
        if schema.has_columns:
            is_number = type(each["value"]) in (int, float)
            more = {
                "experiment_id": experiment,
                "is_numeric_value": is_number,
                "aggregate_value": each["value"] if is_number else None,
            }
        conn.execute(
            insert(schema.assessments).values(
                assessment_id=f"{trace_id}-{number}",
                trace_id=trace_id,
                name=each["name"],
                assessment_type=each["type"],
                value=json.dumps(each["value"]),
                created_timestamp=number,
                last_updated_timestamp=number,
                source_type="HUMAN",
                valid=each.get("valid", True),
                assessment_metadata=json.dumps(each["metadata"]) if "metadata" in each else None,
                **more,
            )
        )
    for kind, ids in (("run", trace.get("runs", [])), ("prompt_version", trace.get("prompts", []))):
        for each in ids:
            conn.execute(
                insert(entity_associations).values(
                    association_id=f"{trace_id}-{each}",
                    source_type="trace",
                    source_id=trace_id,
                    destination_type=kind,
                    destination_id=each,
                )
            )


def content(span: dict[str, Any]) -> str:
    """The stored document of a span."""
    document = {
        "name": span["name"],
        "events": [{"name": "e", "attributes": {"q": "in an event"}}],
        "attributes": {
            key: json.dumps(value, ensure_ascii=False) for key, value in span["attributes"].items()
        },
    }
    return json.dumps(document, ensure_ascii=False)
