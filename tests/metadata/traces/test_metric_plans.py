"""Metrics of traces read what lies in their time, by indexes, in every generation."""

import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from tandem_metadata.database.database import Database
from tandem_metadata.messages.trace_metrics import QueryTraceMetrics
from tandem_metadata.store.traces.metrics import answer
from tests.metadata.traces import metric_questions as questions

_TABLES = (
    "trace_info|trace_tags|trace_request_metadata|trace_metrics|spans|span_metrics|assessments"
)
_SCAN = re.compile(rf"SCAN ({_TABLES})|Seq Scan on ({_TABLES})|AUTOMATIC")


@pytest.mark.parametrize("question", questions.OF_THE_UI, ids=str)
def test_metrics_scan_no_table(traced: Database, question: dict[str, Any]) -> None:
    request = msgspec.convert({"experiment_ids": ["1"], **question}, QueryTraceMetrics)
    sent: list[tuple[str, Any]] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "AS value" in statement:
            sent.append((statement, parameters))

    with traced.write() as conn:
        is_postgresql = conn.dialect.name == "postgresql"
        if is_postgresql:  # else it scans tables of one page
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(conn, "before_cursor_execute", keep)
        answer.query(conn, request)
        event.remove(conn, "before_cursor_execute", keep)
        assert len(sent) == 1
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        for statement, parameters in sent:
            rows = conn.exec_driver_sql(f"{explain} {statement}", parameters)
            plan = "\n".join(str(row[-1]) for row in rows)
            assert not _SCAN.search(plan), plan
