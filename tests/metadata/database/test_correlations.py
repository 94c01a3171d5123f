"""What PostgreSQL is told to learn of the data, for plans that fit what a search finds."""

import pytest
from sqlalchemy import text

from tandem_metadata.cli import db
from tandem_metadata.database import creation
from tandem_metadata.database.database import Database
from tandem_metadata.messages.batch import LogBatch
from tandem_metadata.messages.runs import Param, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry
from tests.metadata.conftest import only_postgresql
from tests.metadata.logging_client import log_to_run, new_run

pytestmark = only_postgresql
_RUNS, _KEYS = 40, 20
_NAMES = text("SELECT stxname FROM pg_catalog.pg_statistic_ext ORDER BY 1")


def _expected(database: Database, table: str) -> float:
    """Rows that the planner expects to find in the table for one key and its value."""
    with database.read() as conn:
        found = f"SELECT * FROM {table} WHERE key = 'key 3' AND value = 'of key 3'"
        plan = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {found}").scalar_one()
    return float(plan[0]["Plan"]["Plan Rows"])


def _log(database: Database) -> None:
    logged = [(f"key {number}", f"of key {number}") for number in range(_KEYS)]
    params = [Param(key, value) for key, value in logged]
    tags = [RunTag(key, value) for key, value in logged]
    for _ in range(_RUNS):
        run_id = new_run(database)
        with database.write() as conn:
            log_to_run(
                conn, log_entry.many(LogBatch(run_id, params=params, tags=tags), truncate=True)
            )


@pytest.mark.parametrize("table", ["params", "tags"])
def test_runs_of_one_key_and_value_are_not_taken_for_few(database: Database, table: str) -> None:
    _log(database)
    with database.write() as conn:
        conn.exec_driver_sql(f"ANALYZE {table}")
    assert _expected(database, table) == pytest.approx(_RUNS, rel=0.25)


def test_another_database_learns_by_db_optimize(database: Database, settings: Settings) -> None:
    with database.write() as conn:
        new = conn.execute(_NAMES).scalars().all()
        for name in new:
            conn.exec_driver_sql(f"DROP STATISTICS {name}")
    assert len(new) == len(creation.EXTENDED_STATISTICS_DDL)
    _log(database)
    with database.write() as conn:
        conn.exec_driver_sql("ANALYZE params")
    assert _expected(database, "params") < _RUNS / 4
    for _ in range(2):
        assert db.optimize(settings) == 0
        with database.read() as conn:
            assert conn.execute(_NAMES).scalars().all() == new
        assert _expected(database, "params") == pytest.approx(_RUNS, rel=0.25)
