"""Writing a trace looks at no other's rows, however many there are."""

from typing import Any

from sqlalchemy import Connection, Engine, event, text

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import deletion, tags
from tandem_metadata.store.traces.changes import Change, Told
from tests.harness.processes import eventually
from tests.metadata.conftest import only_sqlite
from tests.metadata.traces.writing import logged, make, name_of, new_id, span, started, usage
from tests.postgresql import PostgreSQL

GROUPS, GROUP = 20, 10
TABLES = ("trace_info", "spans", "trace_tags", "trace_request_metadata", "assessments")


def _changes(trace: bytes) -> list[Change]:
    """Changes that take each statement there is, if each is made alone."""
    told = Told(name="n", session="s", metadata={"k": "v"}, tags={"t": "v"})
    return [
        logged(span(trace, 1, None, usage(1)), span(trace, 2, 1), run_id="r"),
        started(trace, told),
        logged(span(trace, 3, 1, usage(2))),
    ]


@only_sqlite
def test_statements_of_sqlite_find_rows_by_indexes(database: Database) -> None:
    trace = new_id()
    executed: list[tuple[str, Any]] = []

    def note(
        conn: Connection, cursor: object, statement: str, given: Any, context: object, many: bool
    ) -> None:
        executed.append((statement, given[0] if many else given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for change in _changes(trace):
            make(database, change)
        with database.write() as conn:
            tags.put(conn, name_of(trace), "t", "w")
            tags.remove(conn, name_of(trace), "t")
            deletion.delete_traces(conn, 0, [name_of(trace)])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    seen = set()
    with database.read() as conn:
        for statement, given in executed:
            if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                continue
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
            scanned = [row.detail for row in plan if row.detail.startswith("SCAN")]
            assert not [each for each in scanned if each.split()[1] in TABLES], statement
            seen |= {table for table in TABLES if table in statement}
    assert seen == {*TABLES}


def test_plans_that_were_made_while_tables_were_empty_read_none_as_a_whole(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    """Rows of other traces would be read again and again, as these become more."""
    name = postgresql.create(postgresql_template)  # one that was used has counted what it read
    settings = Settings(backend_store_uri=postgresql.uri(name))
    keyed = Database(settings, point_lookups=1)
    for _ in range(GROUPS):
        ids = [new_id() for _ in range(GROUP)]
        for changes in zip(*map(_changes, ids), strict=True):
            make(keyed, *changes)
    keyed.close()  # what a connection read is counted at its end
    database = Database(settings)
    with database.read() as conn:
        eventually(lambda: _counted(conn)["spans"][1] >= GROUPS * GROUP * 3)
        read = {table: rows for table, (rows, _) in _counted(conn).items()}
    database.close()
    postgresql.drop(name)
    assert read == dict.fromkeys(TABLES, 0)


def _counted(conn: Connection) -> dict[str, tuple[int, int]]:
    """Rows that were read by reading a table as a whole, and those that were added."""
    counted = "SELECT relname, seq_tup_read, n_tup_ins FROM pg_stat_user_tables"
    rows = {row.relname: (row.seq_tup_read, row.n_tup_ins) for row in conn.execute(text(counted))}
    return {table: rows[table] for table in TABLES}
