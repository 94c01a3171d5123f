"""Plans that PostgreSQL made while tables were small, and keeps while they grow."""

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.messages.runs import CreateRun, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import create_many, runs
from tandem_shared.errors import Unavailable
from tandem_shared.settings import replace
from tests.harness.processes import eventually
from tests.metadata.conftest import terminate_others
from tests.metadata.logging_client import new_run
from tests.postgresql import PostgreSQL

_GROUPS, _GROUP = 30, 10


@pytest.fixture
def prepared_uri(postgresql: PostgreSQL, postgresql_template: str) -> Iterator[str]:
    """The address of a new database: one that was used has counted what emptying it read."""
    name = postgresql.create(postgresql_template)
    yield postgresql.uri(name)
    postgresql.drop(name)


@pytest.fixture
def keyed(settings: Settings) -> Iterator[Database]:
    """A prepared database with one connection of each kind."""
    opened = Database(replace(settings, pool_size=1), point_lookups=1)
    yield opened
    opened.close()


def _create_many(database: Database, *, point_lookup: bool) -> None:
    """Runs with a tag each, whose foreign key looks for its run."""
    with database.read() as conn:
        location = conn.execute(text("SELECT artifact_location FROM experiments")).scalar_one()
    known = {"0": create_many.ExperimentRef(0, location)}
    request = CreateRun("0", tags=[RunTag("key", "value")])
    for _ in range(_GROUPS):
        new = [runs.new(request, truncate=True) for _ in range(_GROUP)]
        create = partial(create_many.create_by_one_statement, new=new, known_experiments=known)
        created = database.execute_autocommit(create, point_lookup=point_lookup)
        assert created is not None
        assert len(created) == _GROUP


def _read_as_a_whole(database: Database) -> int:
    """Rows of `runs` that were read by reading the table from its start; -1: not counted yet."""
    with database.read() as conn:
        counted = "SELECT seq_tup_read, n_tup_ins FROM pg_stat_user_tables WHERE relname = 'runs'"
        read, added = conn.execute(text(counted)).one()
    return int(read) if added >= _GROUPS * _GROUP else -1


@pytest.mark.parametrize("point_lookup", [True, False])
def test_creating_runs_reads_no_others_however_many_were_there_at_first(
    keyed: Database, point_lookup: bool
) -> None:
    new_run(keyed)
    with keyed.read() as conn:
        conn.execute(text("ANALYZE runs"))
    _create_many(keyed, point_lookup=point_lookup)
    keyed.close()  # what a connection read is counted at its end
    eventually(lambda: _read_as_a_whole(keyed) >= 0)
    # Each new tag's run was looked for: else among half of them on average.
    assert (_read_as_a_whole(keyed) < _GROUPS * _GROUP) is point_lookup


@pytest.mark.parametrize("prepared", [True, False])
def test_no_setting_stays_on_connections_that_a_pooler_gives_to_others(
    settings: Settings, prepared: bool
) -> None:
    database = Database(replace(settings, db_prepared_statements=prepared), point_lookups=1)
    shown = {}
    for point_lookup in (True, False):
        with database.read(point_lookup=point_lookup) as conn:
            shown[point_lookup] = [
                conn.execute(text(f"SHOW {setting}")).scalar()
                for setting in ("enable_seqscan", "jit")
            ]
    assert shown[False] == ["on", "on"]
    assert shown[True] == (["off", "off"] if prepared else ["on", "on"])
    database.close()


@pytest.mark.parametrize("first", [True, False])
def test_a_database_that_came_back_costs_one_failure_not_one_of_each_kind(
    database: Database, keyed: Database, first: bool
) -> None:
    for point_lookup in (True, False):
        with keyed.read(point_lookup=point_lookup) as conn:
            conn.execute(text("SELECT 1"))
    terminate_others(database)
    with pytest.raises(Unavailable), keyed.read(point_lookup=first) as conn:
        conn.execute(text("SELECT 1"))
    for point_lookup in (not first, first):
        with keyed.read(point_lookup=point_lookup) as conn:
            assert conn.execute(text("SELECT 1")).scalar() == 1
