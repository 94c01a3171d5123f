"""Statements that read traces find their rows by keys, whatever the planner knows of the tables."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from tandem_metadata.database import direct
from tandem_metadata.database.database import Database
from tandem_metadata.database.pool import PREPARED_AFTER
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load, spans
from tests.harness.processes import eventually
from tests.metadata.traces.content import FULL, LONG
from tests.metadata.traces.writing import logged, make, name_of, new_id, span
from tests.postgresql import PostgreSQL

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

    def explained(
        conn: Connection, reads: Sequence[tuple[str, Any]], *, by_index: bool = False
    ) -> Any:
        explain = "EXPLAIN" if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        for statement, given in reads:
            plan = conn.exec_driver_sql(f"{explain} {statement}", given)
            plans.append("\n".join(str(row[-1]) for row in plan))
        return fetch(conn, reads, by_index=by_index)

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


def test_plans_that_were_made_for_small_tables_read_none_as_a_whole(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    """Else each trace of a page would read all that there has come since."""
    name = postgresql.create(postgresql_template)  # one that was used has counted what it read
    settings = Settings(backend_store_uri=postgresql.uri(name))
    writing, reading, looking = (Database(settings, point_lookups=each) for each in (1, 0, 0))
    trace = new_id()
    make(writing, logged(span(trace, 1)))
    with writing.read() as conn:
        conn.exec_driver_sql("ANALYZE trace_info, trace_tags, trace_request_metadata")
    writing.close()
    with reading.read() as conn:
        for _ in range(PREPARED_AFTER + 7):  # PostgreSQL plans five for their values
            assert load.infos(conn, [name_of(trace)])[0].tags
        assert conn.exec_driver_sql("SHOW enable_seqscan").scalar() == "on"
    reading.close()  # what a connection read is counted at its end
    counted = (
        "SELECT sum(idx_scan), sum(seq_scan) FROM pg_stat_user_tables "
        "WHERE relname IN ('trace_tags', 'trace_request_metadata')"
    )

    def scans() -> tuple[int, int]:
        with looking.read() as conn:
            by_index, whole = conn.exec_driver_sql(counted).one()
            return int(by_index), int(whole)

    eventually(lambda: scans()[0] >= 2 * (PREPARED_AFTER + 7))
    assert scans()[1] == 0
    looking.close()
    postgresql.drop(name)
