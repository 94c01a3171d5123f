"""What Tandem sets in a new database beside MLflow's tables: room for updates."""

from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.messages.batch import LogBatch
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry
from tests.metadata.logging_client import new_run
from tests.postgresql import PostgreSQL


def _log_many(conn: Connection, run_id: str, step: int) -> None:
    metrics = [LoggedMetric(f"metric {number}", 1.0, 1, step) for number in range(500)]
    log_entry.log(conn, log_entry.many(LogBatch(run_id, metrics=metrics), truncate=True))


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
        counts = conn.exec_driver_sql(
            "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid) "
            "FROM pg_class WHERE oid = 'latest_metrics'::regclass"
        ).one()
    assert tuple(counts) == (500, 500)
    database.close()
    postgresql.drop(name)
