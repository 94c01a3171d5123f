"""HOT updates in a new database: of metrics by the fillfactor, of runs despite their index."""

from sqlalchemy import Connection

from tandem_metadata.database import indexes
from tandem_metadata.database.database import Database
from tandem_metadata.messages.batch import LogBatch
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import UpdateRun
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry, runs
from tests.metadata.logging_client import log_to_run, new_run
from tests.postgresql import PostgreSQL


def _log_many(conn: Connection, run_id: str, step: int) -> None:
    metrics = [LoggedMetric(f"metric {number}", 1.0, 1, step) for number in range(500)]
    log_to_run(conn, log_entry.many(LogBatch(run_id, metrics=metrics), truncate=True))


def _updated(conn: Connection, table: str) -> tuple[int, int]:
    """Rows that this transaction has updated, and those of them whose update was HOT."""
    counts = conn.exec_driver_sql(
        "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid) "
        f"FROM pg_class WHERE oid = '{table}'::regclass"
    ).one()
    return counts[0], counts[1]


def test_metrics_logged_again_stay_on_their_pages(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    name = postgresql.create(template=postgresql_template)
    database = Database(Settings(backend_store_uri=postgresql.uri(name)))
    run_id = new_run(database)
    with database.write() as conn:
        _log_many(conn, run_id, 0)
    with database.write() as conn:
        _log_many(conn, run_id, 1)
        assert _updated(conn, "latest_metrics") == (500, 500)
    database.close()
    postgresql.drop(name)


def test_runs_that_end_or_are_renamed_cost_no_entries_in_the_index_by_start_time(
    postgresql: PostgreSQL, postgresql_template: str
) -> None:
    name = postgresql.create(template=postgresql_template)
    database = Database(Settings(backend_store_uri=postgresql.uri(name)))
    run_id = new_run(database)
    with database.write() as conn:
        assert indexes.is_there(conn, indexes.STARTED)
        runs.update(conn, run_id, UpdateRun(status="FINISHED", end_time=5))
        runs.update(conn, run_id, UpdateRun(run_name="renamed"))
        assert _updated(conn, "runs") == (2, 2)
    database.close()
    postgresql.drop(name)
