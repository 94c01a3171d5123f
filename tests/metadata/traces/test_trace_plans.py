"""Statements that read traces find their rows by keys, whatever the planner knows of the tables."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from tandem_metadata.database import direct
from tandem_metadata.database.database import Database
from tandem_metadata.store.traces import load, spans
from tests.metadata.traces.content import FULL, LONG

_SPANS = [f"{(1 << 40) + number:016x}" for number in range(3)]
_READS: dict[str, Callable[[Connection], Any]] = {
    "infos": lambda conn: load.infos(conn, [FULL, LONG]),
    "old infos": lambda conn: load.old_infos(conn, [FULL, LONG]),
    "experiments": lambda conn: load.experiments_of(conn, [FULL, LONG]),
    "outlines": lambda conn: spans.outlines(conn, [FULL, LONG]),
    "count": lambda conn: spans.count(conn, FULL),
    "whole": lambda conn: spans.whole(conn, [FULL, LONG]),
    "documents": lambda conn: spans.documents(conn, FULL, _SPANS),
}


@pytest.mark.parametrize("name", _READS)
def test_traces_are_found_by_keys(
    traced: Database, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    fetch = direct.fetch_each

    def explained(conn: Connection, reads: Sequence[tuple[str, Any]]) -> Any:
        explain = "EXPLAIN" if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        for statement, given in reads:
            plan = conn.exec_driver_sql(f"{explain} {statement}", given)
            plans.append("\n".join(str(row[-1]) for row in plan))
        return fetch(conn, reads)

    for module in (direct, load):
        monkeypatch.setattr(module, "fetch_each", explained)
    with traced.write() as conn:
        if conn.dialect.name == "postgresql":  # else it scans tables of one page
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        assert _READS[name](conn)
    assert plans
    for plan in plans:
        assert not re.search(r"SCAN (?!json_each)|Seq Scan|AUTOMATIC|Filter", plan), plan
        if name == "documents":
            assert re.search(r"trace_id\)?.*=.* AND .*span_id\)?.*=", plan), plan
