"""What goes wrong between two databases: revisions, ids, orphans, writes meanwhile, indexes."""

import json
import sqlite3
from pathlib import Path

import pytest

from tandem_metadata.database import indexes
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.databases.importing import Refused
from tandem_metadata.transfer.report import Report
from tandem_shared.settings import SettingsError
from tests.metadata.database import mlflow_tables
from tests.metadata.transfer.databases import (
    Progress,
    dump,
    execute,
    filled,
    insert_run,
    one_value,
    prepare,
    take,
)

_LARGE = 623480970228816116


# Revisions and addresses


def test_an_older_source_is_refused_with_the_command_that_upgrades_it(
    empty: str, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'old.db'}"
    mlflow_tables.load(uri)
    with pytest.raises(SettingsError) as refused:
        take(uri, empty)
    said = str(refused.value)
    assert f"upgrade --revision head --backend-store-uri {uri}" in said
    assert f"SOURCE is at revision {mlflow_tables.REVISION}" in said
    assert execute(empty, "SELECT to_regclass('runs') IS NULL") == [(True,)]  # nothing was made


def test_an_older_target_is_refused_with_the_command_that_upgrades_it(
    source: str, empty: str
) -> None:
    mlflow_tables.load(empty)
    with pytest.raises(SettingsError, match="Back --to up") as refused:
        take(source, empty)
    shown = empty.replace("postgresql+psycopg", "postgresql")
    assert str(refused.value).endswith(f"upgrade --revision head --backend-store-uri {shown}")


def test_what_is_no_database_of_mlflow_is_refused(tmp_path: Path, empty: str) -> None:
    other = tmp_path / "other.db"
    execute(f"sqlite:///{other}", "CREATE TABLE t (a)")
    with pytest.raises(SettingsError, match="no revision"):
        take(str(other), empty)
    with pytest.raises(SettingsError, match="no SQLite database at"):
        take(f"sqlite:///{tmp_path / 'missing.db'}", empty)
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(SettingsError, match="not a database"):
        take(f"sqlite:///{tmp_path / 'text.db'}", empty)


def test_a_database_is_not_taken_into_itself(source: str) -> None:
    with pytest.raises(SettingsError, match="same database"):
        take(source, source)


# Large ids


def test_ids_beyond_31_bits_are_renumbered_wherever_an_experiment_is_named(
    tmp_path: Path, empty: str
) -> None:
    source = prepare(f"sqlite:///{tmp_path / 'source.db'}", accounts=True)
    filled(source, experiments=(4, _LARGE, _LARGE + 1))
    execute(
        source,
        "UPDATE entity_associations SET source_type = 'experiment'",
        "UPDATE entity_associations SET destination_type = 'experiment'",
        f"UPDATE entity_associations SET source_id = '{_LARGE}', destination_id = '4'"
        " WHERE rowid = 2",
        f"UPDATE registered_model_tags SET key = '_mlflow_experiment_ids', value = ',4,{_LARGE},'"
        " WHERE rowid = 2",
        "UPDATE role_permissions SET resource_type = 'experiment'",
        f"UPDATE role_permissions SET resource_pattern = '{_LARGE}' WHERE id = 5",
        f"UPDATE role_permissions SET resource_type = 'scorer', resource_pattern = '{_LARGE}/a%2Fb'"
        " WHERE id = 6",
        f'UPDATE tandem_tokens SET experiments = \'["4", "{_LARGE}"]\'',
    )
    report = take(source, empty)
    assert [(each.old, each.new) for each in report.renumbered] == [
        (str(_LARGE), "5"),
        (str(_LARGE + 1), "6"),
    ]
    assert str(_LARGE) not in str(
        {name: rows for name, rows in dump(empty).items() if name != "experiment_tags"}
    )
    tags = (
        "SELECT experiment_id, value FROM experiment_tags WHERE key = 'tandem.import.experimentId'"
    )
    assert sorted(execute(empty, tags)) == [(5, str(_LARGE)), (6, str(_LARGE + 1))]
    associations = "SELECT source_id, destination_id FROM entity_associations"
    assert ("5", "4") in execute(empty, associations)
    prompts = "SELECT value FROM registered_model_tags WHERE key = '_mlflow_experiment_ids'"
    assert one_value(empty, prompts) == ",4,5,"
    patterns = {each for (each,) in execute(empty, "SELECT resource_pattern FROM role_permissions")}
    assert {"5", "5/a%2Fb"} < patterns
    assert json.loads(str(execute(empty, "SELECT experiments FROM tandem_tokens")[0][0])) == [
        "4",
        "5",
    ]
    assert sorted(execute(empty, "SELECT experiment_id FROM runs")) == [(4,), (5,), (6,)]
    # Again, and into another one that counts otherwise: they keep what they got.
    assert not take(source, empty).problems
    assert len(execute(empty, "SELECT 1 FROM experiments")) == 4


def test_ids_beyond_31_bits_stay_on_sqlite(tmp_path: Path) -> None:
    source = filled(prepare(f"sqlite:///{tmp_path / 'source.db'}"), experiments=(1, 2, _LARGE))
    target = f"sqlite:///{tmp_path / 'target.db'}"
    assert not take(source, target).renumbered
    assert dump(target) == dump(source)


# Orphans


@pytest.fixture
def orphaned(source: str) -> str:
    """A run without its experiment, with what belongs to it; and one whose rows are all there."""
    conn = sqlite3.connect(source.removeprefix("sqlite:///"))  # which checks no foreign keys
    for run_id, experiment in (("a" * 32, 99), ("b" * 32, 0)):
        conn.execute(insert_run(run_id, experiment))
        for step in range(3):
            conn.execute(f"INSERT INTO metrics VALUES ('m', 1.0, 1, '{run_id}', {step}, 0)")
    conn.execute(f"INSERT INTO params VALUES ('p', 'v', '{'c' * 32}')")
    conn.commit()
    conn.close()
    return source


def test_orphans_are_found_with_what_belongs_to_them(orphaned: str, empty: str) -> None:
    report = Report("a", "b")
    with pytest.raises(Refused, match="--drop-orphans"):
        take(orphaned, empty, report=report)
    assert {each.path: each.reason for each in report.problems} == {
        "1 rows of runs": "without experiments",
        "3 rows of metrics": "without runs",
        "1 rows of params": "without runs",
    }
    assert execute(empty, "SELECT 1 FROM runs") == []


def test_orphans_are_left_out_if_asked_for(orphaned: str, empty: str) -> None:
    report = take(orphaned, empty, drop_orphans=True)
    assert report.skipped == 5
    assert execute(empty, "SELECT run_uuid FROM runs") == [("b" * 32,)]
    assert execute(empty, "SELECT count(*) FROM metrics") == [(3,)]
    assert report.count("metrics") == {
        "found": 6,
        "imported": 3,
        "already there": 0,
        "skipped": 3,
    }


# The next id


def _next_experiment(uri: str) -> object:
    return one_value(
        uri, "INSERT INTO experiments (name, lifecycle_stage) VALUES ('next', 'active')"
        " RETURNING experiment_id"
    )  # fmt: skip


def test_new_experiments_count_on_from_the_last(source: str, empty: str) -> None:
    execute(
        source,
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (41, 'x', 'active')",
    )
    take(source, empty)
    assert _next_experiment(empty) == 42


def test_with_the_default_experiment_alone_new_ones_begin_at_one(source: str, empty: str) -> None:
    take(source, empty)
    assert _next_experiment(empty) == 1


# Reading


class _Meanwhile(Progress):
    """Writes to the source once its first rows were read."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source: str | None = source

    def advance(self, number: int = 1) -> None:
        if self._source:
            execute(self._source, insert_run("d" * 32))
            self._source = None


def test_the_source_is_read_as_it_was_at_one_moment(source: str, empty: str) -> None:
    execute(source, insert_run("a" * 32))
    report = take(source, empty, progress=_Meanwhile(source))
    assert execute(empty, "SELECT run_uuid FROM runs") == [("a" * 32,)]
    assert "The source was written to meanwhile" in report.notes[-1]
    report = take(source, empty)
    assert report.count("runs")["imported"] == 1
    assert len(execute(empty, "SELECT 1 FROM runs")) == 2


def test_nothing_is_left_beside_the_source(source: str, empty: str, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.glob("source*")}
    take(source, empty)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("source*")} == before


# Indexes


def test_indexes_of_db_optimize_are_made_again(source: str, empty: str) -> None:
    execute(source, f"CREATE INDEX {indexes.BEST.definition('sqlite')}")
    take(source, empty)
    database = Database(Settings(backend_store_uri=empty))
    with database.read() as conn:
        assert indexes.is_there(conn, indexes.BEST)
        assert indexes.is_there(conn, indexes.STARTED)
    database.close()


_KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'metrics'::regclass
UNION SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = 'metrics'::regclass
"""


def test_keys_and_indexes_of_metrics_are_as_before(source: str, empty: str) -> None:
    filled(source)
    prepare(empty)
    before = sorted(execute(empty, _KEYS))
    assert len(before) >= 5
    take(source, empty)
    assert sorted(execute(empty, _KEYS)) == before


# What is verified


def test_a_target_that_stores_something_else_is_rolled_back_and_told(
    source: str, empty: str
) -> None:
    filled(source)
    prepare(empty)
    before = dump(empty)
    execute(
        empty,
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.value := upper(NEW.value); RETURN NEW; END $$",
        "CREATE TRIGGER shout BEFORE INSERT ON params FOR EACH ROW EXECUTE FUNCTION shout()",
    )
    report = take(source, empty)
    (wrong,) = report.mismatches
    assert wrong.what == "params"
    assert wrong.expected != wrong.found
    assert report.exit_status() == 1
    assert dump(empty) == before


@pytest.mark.parametrize("prepared", [False, True])
def test_a_dry_run_says_the_same_and_writes_nothing(
    source: str, empty: str, tmp_path: Path, prepared: bool
) -> None:
    filled(source)
    file = f"sqlite:///{tmp_path / 'target.db'}"
    for to in (empty, file):
        if prepared:
            prepare(to)
        before = dump(to) if prepared else None
        planned = take(source, to, dry_run=True)
        if prepared:
            assert dump(to) == before
        elif to == file:
            assert not (tmp_path / "target.db").exists()
        else:
            assert execute(to, "SELECT to_regclass('runs') IS NULL") == [(True,)]
        done = take(source, to)
        assert {each.table: planned.count(each.table) for each in done.checksums} == {
            each.table: done.count(each.table) for each in done.checksums
        }
