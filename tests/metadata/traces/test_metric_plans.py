"""Metrics of traces read what lies in their time, by indexes, in every generation."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, insert

from tandem_metadata.database import indexes, trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.messages.trace_metrics import QueryTraceMetrics
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces.metrics import answer
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import metric_questions as questions
from tests.metadata.traces.metric_questions import FIRST_MS

_TABLES = (
    "trace_info|trace_tags|trace_request_metadata|trace_metrics|spans|span_metrics|assessments"
)
_SCAN = re.compile(rf"SCAN ({_TABLES})|Seq Scan on ({_TABLES})|AUTOMATIC")
_WITHOUT_COST = {"total_cost": None, "model_name": None}


@pytest.mark.parametrize("question", questions.OF_THE_UI, ids=str)
def test_metrics_scan_no_table(traced: Database, question: dict[str, Any]) -> None:
    plan = _plan(traced, question)
    assert not _SCAN.search(plan), plan


def _plan(database: Database, question: dict[str, Any]) -> str:
    """How the database finds the values of the question."""
    request = msgspec.convert({"experiment_ids": ["1"], **question}, QueryTraceMetrics)
    sent: list[tuple[str, Any]] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "AS value" in statement:
            sent.append((statement, parameters))

    with database.write() as conn:
        is_postgresql = conn.dialect.name == "postgresql"
        if is_postgresql:  # else it scans tables of one page
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(conn, "before_cursor_execute", keep)
        answer.query(conn, request)
        event.remove(conn, "before_cursor_execute", keep)
        ((statement, parameters),) = sent
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        rows = conn.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    "question", [each for each in questions.OF_THE_UI if "cost" in each["metric_name"]], ids=str
)
def test_costs_are_read_from_an_index_alone(
    tmp_path: Path, question: dict[str, Any], analyzed: bool
) -> None:
    """Of a new SQLite database: its other indexes lead to every span of the time."""
    database = Database(Settings(backend_store_uri=f"sqlite:///{tmp_path / 'mlflow.db'}"))
    database.prepare(ARTIFACT_ROOT)
    traces = [f"tr-{number:032x}" for number in range(30)]
    one = {"experiment_id": 0, "status": "OK"}
    spans = [
        {
            **one,
            "trace_id": trace,
            "span_id": f"{number:016x}",
            "start_time_unix_nano": FIRST_MS * 1_000_000 + number,
            "content": "{}",
            **({"total_cost": 0.5, "model_name": "gpt"} if number == 9 else _WITHOUT_COST),
        }
        for trace in traces
        for number in range(10)
    ]
    with database.write() as conn:
        schema = trace_schema.of(conn)
        infos = [{**one, "request_id": trace, "timestamp_ms": FIRST_MS} for trace in traces]
        conn.execute(insert(schema.trace_info), infos)
        conn.execute(insert(schema.spans), spans)
        if analyzed:
            conn.exec_driver_sql("ANALYZE")
    plan = _plan(database, question)
    assert f"USING COVERING INDEX {indexes.SPAN_COSTS.name} (experiment_id=? AND start_" in plan
    database.close()
