"""What SQLite stores and PostgreSQL does not, and what else goes wrong between two databases."""

import json
import sqlite3
from collections.abc import Iterator
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
    prepare,
    take,
)
from tests.postgresql import PostgreSQL

_LARGE = 623480970228816116
_RUN = "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage{}) VALUES ('{}', {}{})"


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A prepared SQLite database."""
    return prepare(f"sqlite:///{tmp_path / 'source.db'}")


@pytest.fixture
def empty(postgresql: PostgreSQL) -> Iterator[str]:
    """The address of a PostgreSQL database without tables."""
    name = postgresql.create()
    yield postgresql.uri(name)
    postgresql.drop(name)


def _run(run_id: str, experiment: int = 0, **more: str) -> str:
    names = "".join(f", {name}" for name in more)
    values = ", 'FINISHED', 'active'" + "".join(f", {value}" for value in more.values())
    return _RUN.format(names, run_id, experiment, values)


def _value(uri: str, statement: str) -> object:
    ((value,),) = execute(uri, statement)
    return value


# 1


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


# 2


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
    assert _value(empty, prompts) == ",4,5,"
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


# 3


def _with_long_texts(source: str) -> None:
    execute(
        source,
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
        f" VALUES (1, '{'é' * 300}', '{'l' * 600}', 'active')",
        _run("a" * 32, 1, name=f"'{'n' * 600}'", user_id=f"'{'u' * 300}'"),
    )


def test_texts_that_are_too_long_are_all_listed_and_nothing_is_written(
    source: str, empty: str
) -> None:
    _with_long_texts(source)
    report = Report("a", "b")
    with pytest.raises(Refused, match="--truncate"):
        _take_into(source, empty, report)
    assert {each.path for each in report.problems} == {
        "experiments.name",
        "experiments.artifact_location",
        "runs.name",
        "runs.user_id",
    }
    assert "1 value longer than 256 characters, as of 1" in report.problems[0].reason
    assert execute(empty, "SELECT 1 FROM runs") == []


def _take_into(source: str, to: str, report: Report) -> None:
    from tandem_metadata.transfer.databases import importing

    settings = Settings(backend_store_uri=to)
    importing.take(source, settings, importing.Options(), report, Progress())


def test_texts_that_are_too_long_are_cut_if_asked_for(source: str, empty: str) -> None:
    _with_long_texts(source)
    report = take(source, empty, truncate=True)
    assert len(report.problems) == 4
    assert not any(each.skipped for each in report.problems)
    assert _value(empty, "SELECT name FROM experiments WHERE experiment_id = 1") == "é" * 256
    assert execute(empty, "SELECT name, user_id FROM runs") == [("n" * 250, "u" * 256)]
    assert not report.mismatches


# 4


def test_nul_becomes_a_replacement_character_and_is_reported(source: str, empty: str) -> None:
    execute(
        source,
        _run("a" * 32),
        "INSERT INTO params VALUES ('p', 'a' || char(0) || 'b', '" + "a" * 32 + "')",
        "INSERT INTO tags VALUES ('t' || char(0), '"
        + "x" * 7999
        + "' || char(0) || 'tail', '"
        + "a" * 32
        + "')",
    )
    report = take(source, empty, truncate=True)
    assert _value(empty, "SELECT value FROM params") == "a\ufffdb"
    assert execute(empty, "SELECT key, value FROM tags") == [("t\ufffd", "x" * 7999 + "\ufffd")]
    assert sorted(each.path for each in report.problems) == [
        *("params.value", "tags.key", "tags.value", "tags.value"),
    ]


# 5


def test_values_that_are_no_booleans_numbers_or_texts_are_listed(source: str, empty: str) -> None:
    run_id = "a" * 32
    execute(
        source,
        _run(run_id, start_time="'soon'"),
        f"INSERT INTO latest_metrics VALUES ('m', 'much', 1, 2.5, 0, '{run_id}')",
        f"INSERT INTO params VALUES ('p', x'ff00', '{run_id}')",
    )
    report = Report("a", "b")
    with pytest.raises(Refused):
        _take_into(source, empty, report)
    assert {each.path for each in report.problems} == {
        *("runs.start_time", "latest_metrics.value", "latest_metrics.step", "params.value"),
    }


# 6 and 7


def test_generated_columns_are_generated_and_doubles_keep_every_bit(
    source: str, empty: str
) -> None:
    filled(source)
    execute(source, "UPDATE spans SET end_time_unix_nano = start_time_unix_nano + 5")
    take(source, empty)
    assert execute(empty, "SELECT DISTINCT duration_ns FROM spans") == [(5,)]
    values = [value for (value,) in execute(empty, "SELECT value FROM metrics ORDER BY step")]
    assert [value.hex() for value in values] == [
        each.hex() for each in (0.1 + 0.2, 5e-324, -1.7976931348623157e308)
    ]
    assert execute(empty, "SELECT is_nan FROM metrics ORDER BY step") == [
        *((False,), (True,), (False,)),
    ]


def test_nan_and_negative_zero_of_postgresql_are_what_sqlite_stores(
    empty: str, tmp_path: Path
) -> None:
    filled(prepare(empty))
    execute(
        empty,
        "UPDATE trace_metrics SET value = 'NaN' WHERE value > 0.1",
        "UPDATE metrics SET value = '-0.0' WHERE value > 0.1",
    )
    target = f"sqlite:///{tmp_path / 'target.db'}"
    report = take(empty, target)
    assert not report.mismatches
    assert [each.path for each in report.problems] == ["trace_metrics.value"]
    assert execute(target, "SELECT count(*) FROM trace_metrics WHERE value IS NULL") == [(2,)]


# 8


def test_nan_in_json_becomes_null_and_secrets_stay_bytes(source: str, empty: str) -> None:
    execute(
        source,
        "INSERT INTO jobs (id, creation_time, job_name, params, status, retry_count,"
        " last_update_time, progress) VALUES ('j', 1, 'n', '{}', 0, 0, 1,"
        """ '{"a": NaN, "b": [-Infinity, "NaN"]}')""",
        "INSERT INTO secrets (secret_id, secret_name, encrypted_value, wrapped_dek, kek_version,"
        " masked_value, created_at, last_updated_at)"
        " VALUES ('s', 'n', x'00ff27', x'5c', 1, 'x', 1, 1)",
    )
    report = take(source, empty)
    assert [each.path for each in report.problems] == ["jobs.progress"]
    assert _value(empty, "SELECT progress FROM jobs") == {"a": None, "b": [None, "NaN"]}
    assert execute(empty, "SELECT encrypted_value, wrapped_dek FROM secrets") == [
        (b"\x00\xff'", b"\\")
    ]
    execute(source, "UPDATE jobs SET progress = '{broken'")
    with pytest.raises(Refused):
        take(source, empty)


# 9


@pytest.fixture
def orphaned(source: str) -> str:
    """A run without its experiment, with what belongs to it; and one whose rows are all there."""
    conn = sqlite3.connect(source.removeprefix("sqlite:///"))  # which checks no foreign keys
    for run_id, experiment in (("a" * 32, 99), ("b" * 32, 0)):
        conn.execute(_run(run_id, experiment))
        for step in range(3):
            conn.execute(f"INSERT INTO metrics VALUES ('m', 1.0, 1, '{run_id}', {step}, 0)")
    conn.execute(f"INSERT INTO params VALUES ('p', 'v', '{'c' * 32}')")
    conn.commit()
    conn.close()
    return source


def test_orphans_are_found_with_what_belongs_to_them(orphaned: str, empty: str) -> None:
    report = Report("a", "b")
    with pytest.raises(Refused, match="--drop-orphans"):
        _take_into(orphaned, empty, report)
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


# 10


def _next_experiment(uri: str) -> object:
    return _value(
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


# 11


class _Meanwhile(Progress):
    """Writes to the source once its first rows were read."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source: str | None = source

    def advance(self, number: int = 1) -> None:
        if self._source:
            execute(self._source, _run("d" * 32))
            self._source = None


def test_the_source_is_read_as_it_was_at_one_moment(source: str, empty: str) -> None:
    execute(source, _run("a" * 32))
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


# 13


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
