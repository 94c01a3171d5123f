"""Databases at revisions that Tandem does not know: used if their tables fit, and else refused."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
import pytest

from tandem_metadata.cli import db
from tandem_metadata.database import known_revisions, revisions, wait
from tandem_metadata.database.database import Database
from tandem_metadata.database.fitness import misfits
from tandem_metadata.database.tables import METADATA
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.database import mlflow_tables, usage

UNKNOWN = "feedfacecafe"


class Change(NamedTuple):
    """What a later revision might do to a table; statements, or new text for SQLite's schema."""

    table: str
    postgresql: Sequence[str]
    sqlite: Sequence[str] | tuple[str, str]
    """Statements for both databases if it is empty, or a text of the table's SQL and a new one."""


def _alter(table: str, *actions: str) -> Change:
    """What SQLite can do too."""
    return Change(table, [f"ALTER TABLE {table} {action}" for action in actions], [])


def _retype(table: str, column: str, before: str, after: str, postgresql: str = "") -> Change:
    statement = f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {postgresql or after}"
    return Change(table, [statement], (f"{column} {before}", f"{column} {after}"))


def _constrain(table: str, constraint: str, before: str = "CONSTRAINT") -> Change:
    """A constraint more, which SQLite gets before the first of the table."""
    add = f"ALTER TABLE {table} ADD {constraint}"
    return Change(table, [add], (f"\t{before}", f"\t{constraint}, {before}"))


def apply(uri: str, *changes: Change) -> None:
    """Make the changes, and stamp the database with a revision that nobody knows."""
    stamp = f"UPDATE alembic_version SET version_num = '{UNKNOWN}'"
    if uri.startswith("postgresql"):
        with psycopg.connect(uri) as connection:
            for change in changes:
                for statement in change.postgresql:
                    connection.execute(statement.encode())
            connection.execute(stamp)
        return
    conn = sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)
    for change in changes:
        if not isinstance(change.sqlite, tuple):
            for statement in change.sqlite or change.postgresql:
                conn.execute(statement)
            continue
        conn.execute("PRAGMA writable_schema = ON")
        (sql,) = conn.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", [change.table]
        ).fetchone()
        edited = sql.replace(*change.sqlite, 1)
        assert edited != sql, sql
        conn.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [edited, change.table])
        conn.execute("PRAGMA writable_schema = RESET")
    conn.execute(stamp)
    conn.close()


HARMLESS = (
    _alter("runs", "ADD COLUMN note VARCHAR(10)", "ADD COLUMN kind INTEGER DEFAULT 1 NOT NULL"),
    _retype("runs", "source_name", "VARCHAR(500)", "TEXT"),
    _retype("params", "value", "VARCHAR(8000)", "VARCHAR(9000)"),
    _retype("model_versions", "version", "INTEGER", "BIGINT"),
    _retype("trace_info", "trace_name", "VARCHAR(4096)", "TEXT"),
    _alter("spans", "ADD COLUMN note VARCHAR(10)"),
    Change("tags", ["CREATE INDEX of_later ON tags (key, value)"], []),
    Change("later", ["CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY)"], []),
    Change(
        "runs",
        [
            "ALTER TABLE runs DROP CONSTRAINT runs_status_check",
            "ALTER TABLE runs ADD CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', "
            "'KILLED', 'PAUSED'))",
        ],
        ("'KILLED'", "'KILLED', 'PAUSED'"),
    ),
    Change(
        "runs",
        ["ALTER TABLE runs ADD CHECK (kind > 0)"],
        ("\tCONSTRAINT", "\tCHECK (kind > 0), CONSTRAINT"),
    ),
    Change("guardrails", ["ALTER TABLE guardrails RENAME TO guards"], []),
    Change(
        "cards",
        [
            "CREATE TABLE cards (workspace VARCHAR(63), name VARCHAR(256),"
            " trace_id VARCHAR(50),"
            " FOREIGN KEY (trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE,"
            " FOREIGN KEY (workspace, name) REFERENCES registered_models (workspace, name)"
            " ON DELETE CASCADE ON UPDATE CASCADE)"
        ],
        [],
    ),
)
"""All at once; what Tandem does not name may change in any way."""

REFUSED = {
    "a renamed table": (_alter("tags", "RENAME TO run_tags"), "no table tags"),
    "a renamed column": (
        _alter("runs", "RENAME COLUMN artifact_uri TO location"),
        "table runs has no column artifact_uri",
    ),
    "a dropped column": (
        _alter("webhooks", "DROP COLUMN description"),
        "table webhooks has no column description",
    ),
    "a new NOT NULL column": (
        Change(
            "runs",
            ["ALTER TABLE runs ADD COLUMN later TEXT NOT NULL"],
            ("\tdeleted_time BIGINT", "\tdeleted_time BIGINT, later TEXT NOT NULL"),
        ),
        "table runs has a column later, which Tandem does not know",
    ),
    "a shorter text": (
        _retype("runs", "name", "VARCHAR(250)", "VARCHAR(100)"),
        "column name of table runs is VARCHAR(100), where Tandem needs VARCHAR(250)",
    ),
    "a text with a limit": (
        _retype("datasets", "dataset_source", "TEXT", "VARCHAR(500)"),
        "column dataset_source of table datasets is VARCHAR(500), where Tandem needs TEXT",
    ),
    "a shorter integer": (
        _retype("runs", "start_time", "BIGINT", "INTEGER"),
        "column start_time of table runs is INTEGER, where Tandem needs BIGINT",
    ),
    "another type": (
        _retype("latest_metrics", "is_nan", "BOOLEAN", "INTEGER", "INTEGER USING is_nan::int"),
        "column is_nan of table latest_metrics is INTEGER, where Tandem needs BOOLEAN",
    ),
    "a text that becomes a number": (
        _retype("params", "value", "VARCHAR(8000)", "NUMERIC", "NUMERIC USING 0"),
        "column value of table params is NUMERIC",
    ),
    "NOT NULL where Tandem leaves it empty": (
        Change(
            "runs",
            ["ALTER TABLE runs ALTER COLUMN end_time SET NOT NULL"],
            ("end_time BIGINT", "end_time BIGINT NOT NULL"),
        ),
        "column end_time of table runs is NOT NULL",
    ),
    "a generated column": (
        Change(
            "datasets",
            [
                "ALTER TABLE datasets DROP COLUMN dataset_profile",
                "ALTER TABLE datasets ADD dataset_profile TEXT GENERATED ALWAYS AS ('') STORED",
            ],
            ("dataset_profile TEXT", "dataset_profile TEXT GENERATED ALWAYS AS ('') STORED"),
        ),
        "column dataset_profile of table datasets is always generated",
    ),
    "ids that nobody counts": (
        Change(
            "experiments",
            ["ALTER TABLE experiments ALTER COLUMN experiment_id DROP DEFAULT"],
            ("experiment_id INTEGER", "experiment_id BIGINT"),
        ),
        "column experiment_id of table experiments has no default",
    ),
    "no primary key": (
        Change(
            "params",
            ["ALTER TABLE params DROP CONSTRAINT param_pk"],
            ('PRIMARY KEY ("key", run_uuid)', 'PRIMARY KEY ("key", run_uuid, value)'),
        ),
        "(key, run_uuid) is not a unique key of table params",
    ),
    "a longer key where ON CONFLICT names it": (
        Change(
            "tags",
            [
                "ALTER TABLE tags ADD workspace TEXT DEFAULT 'default' NOT NULL",
                "ALTER TABLE tags DROP CONSTRAINT tag_pk",
                "ALTER TABLE tags ADD PRIMARY KEY (key, run_uuid, workspace)",
            ],
            (
                'CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid)',
                'CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid, value)',
            ),
        ),
        "(key, run_uuid) is not a unique key of table tags",
    ),
    "names that need not differ": (
        Change(
            "experiments",
            ["ALTER TABLE experiments DROP CONSTRAINT uq_experiments_workspace_name"],
            ("UNIQUE (workspace, name)", "UNIQUE (workspace, name, lifecycle_stage)"),
        ),
        "(name) is not a unique key of table experiments",
    ),
    "a new unique key": (
        _constrain("runs", "CONSTRAINT u UNIQUE (experiment_id, name)"),
        "table runs has a unique key (experiment_id, name)",
    ),
    "a new unique index of some rows": (
        Change("runs", ["CREATE UNIQUE INDEX u ON runs (name) WHERE status = 'RUNNING'"], []),
        "table runs has a unique index u",
    ),
    "a narrower CHECK": (
        Change(
            "runs",
            [
                "ALTER TABLE runs DROP CONSTRAINT runs_status_check",
                "ALTER TABLE runs ADD CONSTRAINT c CHECK (status IN ('RUNNING', 'FINISHED'))",
            ],
            (", 'RUNNING', 'KILLED'", ", 'RUNNING'"),
        ),
        "on status, which Tandem does not know",
    ),
    "a new CHECK": (
        _constrain("runs", "CONSTRAINT c CHECK (length(name) < 100)"),
        "table runs has a CHECK c on name, which Tandem does not know",
    ),
    "a new foreign key": (
        _constrain("logged_models", "FOREIGN KEY (source_run_id) REFERENCES runs (run_uuid)"),
        "table logged_models has a foreign key of source_run_id to table runs",
    ),
    "a table that holds on to models": (
        Change(
            "cards",
            [
                "CREATE TABLE cards (workspace VARCHAR(63), name VARCHAR(256),"
                " FOREIGN KEY (workspace, name) REFERENCES registered_models (workspace, name)"
                " ON DELETE CASCADE)"
            ],
            [],
        ),
        "table cards has a foreign key to table registered_models",
    ),
    "a column of a later generation that was renamed": (
        _alter("trace_info", "RENAME COLUMN session_id TO conversation_id"),
        "table trace_info has no column session_id",
    ),
    "tokens that are no integers": (
        _retype("trace_info", "input_tokens", "BIGINT", "FLOAT"),
        "column input_tokens of table trace_info is",
    ),
    "a duration that is not generated": (
        Change(
            "spans",
            ["ALTER TABLE spans ALTER COLUMN duration_ns DROP EXPRESSION"],
            (" GENERATED ALWAYS AS (end_time_unix_nano - start_time_unix_nano) STORED", ""),
        ),
        "column duration_ns of table spans is not generated",
    ),
    "a table that holds on to traces": (
        Change(
            "cards",
            ["CREATE TABLE cards (id VARCHAR(50) REFERENCES trace_info (request_id))"],
            [],
        ),
        "table cards has a foreign key to table trace_info that would keep its rows from being "
        "deleted",
    ),
    "a foreign key that follows no rename": (
        Change(
            "registered_model_tags",
            [
                "ALTER TABLE registered_model_tags"
                " DROP CONSTRAINT fk_registered_model_tags_registered_models"
            ],
            ("ON UPDATE CASCADE", ""),
        ),
        "table registered_model_tags has no foreign key of name to table registered_models",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_do_not_fit_are_refused_by_name(
    database: Database, prepared_uri: str, name: str
) -> None:
    change, phrase = REFUSED[name]
    apply(prepared_uri, change)
    with pytest.raises(SettingsError) as refused:
        database.prepare(ARTIFACT_ROOT)
    message = str(refused.value)
    assert UNKNOWN in message
    assert phrase in message
    assert "Use a newer Tandem, or restore a backup" in message


def test_every_command_says_the_same_of_tables_that_do_not_fit(
    database: Database, prepared_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(prepared_uri, *(change for change, _ in REFUSED.values() if change.table == "webhooks"))
    phrase = "table webhooks has no column description"
    settings = Settings(backend_store_uri=prepared_uri)
    with pytest.raises(SettingsError, match=phrase):
        db.upgrade(settings)
    with pytest.raises(SettingsError, match=phrase):
        db.optimize(settings)
    assert db.current(settings) == 1
    assert capsys.readouterr().out == f"{UNKNOWN} (not supported: {phrase})\n"
    with pytest.raises(Unavailable, match=phrase) as refused:
        wait.adopt(database, ARTIFACT_ROOT)
    assert UNKNOWN in refused.value.message


def test_at_most_three_things_are_named(database: Database, prepared_uri: str) -> None:
    apply(
        prepared_uri,
        *(_alter(name, f"RENAME TO x_{name}") for name in ("tags", "params", "inputs", "metrics")),
    )
    with pytest.raises(SettingsError, match="no table params; and 1 more") as refused:
        database.prepare(ARTIFACT_ROOT)
    assert "tags" not in str(refused.value)


def test_tables_with_more_than_tandem_needs_are_used_with_one_warning(
    database: Database,
    prepared_uri: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revisions, "_warned", set())
    apply(prepared_uri, *HARMLESS)
    usage.use(prepared_uri, monkeypatch)
    settings = Settings(backend_store_uri=prepared_uri)
    assert db.upgrade(settings) == db.optimize(settings) == db.current(settings) == 0
    assert f"{UNKNOWN} (not known, but its tables fit: supported)" in capsys.readouterr().out
    wait.adopt(database, ARTIFACT_ROOT)
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert UNKNOWN in warning.message
    assert database.revision() == UNKNOWN


def test_columns_that_tandem_fills_may_become_not_null(
    database: Database, prepared_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = [
        (table.name, column.name)
        for table in METADATA.tables.values()
        for column in table.c
        if "filled" in column.info
    ]
    assert len(filled) > 20
    with database.read() as conn:
        types = {
            (table, column): str(METADATA.tables[table].c[column].type.compile(conn.dialect))
            for table, column in filled
        }
    apply(
        prepared_uri,
        *(
            Change(
                table,
                [f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"],
                (
                    f"\t{column} {types[table, column]}",
                    f"\t{column} {types[table, column]} NOT NULL",
                ),
            )
            for table, column in filled
        ),
    )
    usage.use(prepared_uri, monkeypatch)


def test_the_oldest_revision_fits_under_any_name_and_older_ones_do_not(
    backend_store_uri: str,
) -> None:
    mlflow_tables.load(backend_store_uri)
    apply(backend_store_uri)
    database = Database(Settings(backend_store_uri=backend_store_uri))
    database.prepare(ARTIFACT_ROOT)
    # What the revision before it does not have yet.
    apply(backend_store_uri, _alter("webhook_events", "RENAME TO events"))
    with pytest.raises(SettingsError, match="no table webhook_events") as refused:
        database.prepare(ARTIFACT_ROOT)
    assert f"older than {known_revisions.FIRST}, run `mlflow db upgrade`" in str(refused.value)
    database.close()


def test_no_known_revision_is_looked_at(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_metadata.database.fitness.misfits", _fail)
    for revision in known_revisions.KNOWN:
        with database.write() as conn:
            conn.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        database.prepare(ARTIFACT_ROOT)


def _fail(*arguments: object) -> None:
    raise AssertionError("the tables were looked at")


def test_all_tables_of_an_other_database_are_missing(backend_store_uri: str) -> None:
    database = Database(Settings(backend_store_uri=backend_store_uri))
    with database.write() as conn:
        conn.exec_driver_sql("CREATE TABLE runs (id INTEGER PRIMARY KEY)")
        found = misfits(conn)
    assert "no table experiments" in found
    assert "table runs has no column run_uuid" in found
    database.close()
