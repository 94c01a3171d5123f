"""Plans that PostgreSQL made while tables were small, and keeps while they grow."""

from functools import partial

import psycopg
import pytest
from sqlalchemy import text

from tandem_metadata.db import Database
from tandem_metadata.messages.runs import CreateRun, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store import run_creation, runs
from tandem_shared.errors import Unavailable
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.logging_client import new_run
from tests.postgresql import PostgreSQL
from tests.system.services import eventually

_GROUPS, _GROUP = 30, 10


def _create_many(database: Database, *, by_key: bool) -> None:
    """Runs with a tag each, whose foreign key looks for its run."""
    with database.read() as conn:
        location = conn.execute(text("SELECT artifact_location FROM experiments")).scalar_one()
    request = CreateRun("0", tags=[RunTag("key", "value")])
    for _ in range(_GROUPS):
        new = [runs.new(request, truncate=True) for _ in range(_GROUP)]
        create = partial(run_creation.create_at_once, new=new, places={"0": (0, location)})
        assert None not in database.at_once(create, by_key=by_key)


def _read_as_a_whole(database: Database) -> int:
    """Rows of `runs` that were read by reading the table from its start."""
    with database.read() as conn:
        counted = "SELECT seq_tup_read, n_tup_ins FROM pg_stat_user_tables WHERE relname = 'runs'"
        read, added = conn.execute(text(counted)).one()
    # They are counted when the connection that read them ends, or later.
    return int(read) if added >= _GROUPS * _GROUP else -1


@pytest.mark.parametrize("by_key", [True, False])
def test_creating_runs_reads_no_others_however_many_were_there_at_first(
    postgresql: PostgreSQL, postgresql_template: str, by_key: bool
) -> None:
    name = postgresql.create(template=postgresql_template)
    settings = Settings(
        backend_store_uri=postgresql.uri(name), default_artifact_root=ARTIFACT_ROOT, pool_size=1
    )
    database = Database(settings, by_key=1)
    new_run(database)
    with database.read() as conn:
        conn.execute(text("ANALYZE runs"))
    _create_many(database, by_key=by_key)
    database.close()
    eventually(lambda: _read_as_a_whole(database) >= 0)
    grown = _GROUPS * _GROUP
    # Each new tag's run was looked for: among half of them on average.
    assert (_read_as_a_whole(database) < grown) is by_key
    database.close()
    postgresql.drop(name)


@pytest.mark.parametrize("prepared", [True, False])
def test_no_setting_stays_on_connections_that_a_pooler_gives_to_others(
    postgresql: PostgreSQL, postgresql_template: str, prepared: bool
) -> None:
    name = postgresql.create(template=postgresql_template)
    settings = Settings(backend_store_uri=postgresql.uri(name), db_prepared_statements=prepared)
    database = Database(settings, by_key=1)
    shown = {}
    for by_key in (True, False):
        with database.read(by_key=by_key) as conn:
            shown[by_key] = [
                conn.execute(text(f"SHOW {setting}")).scalar()
                for setting in ("enable_seqscan", "jit")
            ]
    assert shown[False] == ["on", "on"]
    assert shown[True] == (["off", "off"] if prepared else ["on", "on"])
    database.close()
    postgresql.drop(name)


@pytest.mark.parametrize("first", [True, False])
def test_a_database_that_came_back_costs_both_pools_one_failure_at_most(
    postgresql: PostgreSQL, postgresql_template: str, first: bool
) -> None:
    name = postgresql.create(template=postgresql_template)
    database = Database(Settings(backend_store_uri=postgresql.uri(name)), by_key=1)
    for by_key in (True, False):
        with database.read(by_key=by_key) as conn:
            conn.execute(text("SELECT 1"))
    with psycopg.connect(postgresql.uri(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
    with pytest.raises(Unavailable), database.read(by_key=first) as conn:
        conn.execute(text("SELECT 1"))
    for by_key in (not first, first):
        with database.read(by_key=by_key) as conn:
            assert conn.execute(text("SELECT 1")).scalar() == 1
    database.close()
    postgresql.drop(name)
