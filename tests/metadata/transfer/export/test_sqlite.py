"""`tandem-metadata export --format sqlite`: which rows the database has, beside the source."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import HEAD
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.export import sqlite
from tandem_metadata.transfer.export.selection import select_all
from tests.metadata.cli.commands import Command, assert_error, command_of
from tests.metadata.conftest import ARTIFACT_ROOT, only_sqlite
from tests.metadata.database import mlflow_tables
from tests.metadata.logged_models_api import LoggedModels
from tests.metadata.registry_api import Registry
from tests.metadata.traces import content as traces
from tests.metadata.traces import generations
from tests.metadata.traces import rows as trace_rows
from tests.metadata.tracking_api import Tracking
from tests.metadata.transfer.export import dump
from tests.metadata.transfer.export.content import Content

_RUN_TABLES = ("metrics", "latest_metrics", "params", "tags")
_REGISTRY = {
    "registered_models",
    "registered_model_tags",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
}


@pytest.fixture
def models(settings: Settings, database: Database, content: Content) -> tuple[str, str]:
    """Logged models: of the run with everything, and one that the other run has used."""
    api = LoggedModels(settings, database)
    made = api.model_id(
        experiment_id=content.first,
        name="made",
        source_run_id=content.run,
        params=[{"key": "p", "value": "v"}],
        tags=[{"key": "t", "value": "v"}],
    )
    used = api.model_id(experiment_id=content.second, name="used")
    point = {"key": "acc", "value": 0.5, "timestamp": 1, "step": 1}
    for run in (content.run, content.other):
        metrics = [{**point, "model_id": made}]
        api.call("runs/log-batch", run_id=run, metrics=metrics)
    dataset = {"name": "d", "digest": "x", "source_type": "local", "source": "{}"}
    context = [{"key": "mlflow.data.context", "value": "train"}]
    for run in (content.run, content.bare):
        api.call("runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": context}])
    api.call("runs/log-inputs", run_id=content.other, models=[{"model_id": used}])
    api.call("runs/outputs", run_id=content.run, models=[{"model_id": made, "step": 3}])
    registry = Registry(settings, database)
    registry.model("fraud", tags=[{"key": "k", "value": "v"}])
    registry.create_version("fraud", run_id=content.run, tags=[{"key": "k", "value": "v"}])
    registry.call("registered-models/alias", name="fraud", alias="champion", version="1")
    return made, used


def _exported(export: Command, tmp_path: Path, *flags: str) -> dump.Dump:
    place = tmp_path / f"out-{len([*tmp_path.glob('out-*')])}.db"
    status, out, err = export("--to", str(place), "--format", "sqlite", *flags)
    assert (status, err) == (0, ""), err
    assert "Left out" not in out
    with sqlite3.connect(place) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
        assert conn.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    return dump.of(f"sqlite:///{place}")


def test_sqlite_export_of_everything_has_every_row(
    export: Command,
    content: Content,
    models: tuple[str, str],
    settings: Settings,
    database: Database,
    tmp_path: Path,
) -> None:
    with database.write() as conn:
        trace_rows.experiment(conn, 1001)
        trace_rows.trace(conn, traces.FULL, experiment_id=1001, tags={"k": "v"})
        trace_rows.spans(conn, traces.FULL, 2, experiment_id=1001)
        trace_rows.assessment(conn, traces.FULL, "score", "5")
    source = dump.of(settings.backend_store_uri)
    assert {*_REGISTRY, "logged_model_metrics", "spans", "inputs", "input_tags"} <= {*source}
    assert _exported(export, tmp_path) == source


def test_sqlite_export_of_an_experiment_has_its_rows_and_no_other(
    export: Command,
    content: Content,
    models: tuple[str, str],
    settings: Settings,
    tmp_path: Path,
) -> None:
    source = dump.of(settings.backend_store_uri)
    found = _exported(export, tmp_path, "--experiment", "first")
    runs = {content.run, content.bare, content.deleted}
    assert {row["run_uuid"] for row in found["runs"]} == runs
    assert [row["name"] for row in found["experiments"]] == ["first"]
    for table in _RUN_TABLES:
        assert found[table] == [row for row in source[table] if row["run_uuid"] in runs]
    assert found["datasets"] == source["datasets"]
    assert len(found["inputs"]) == 3
    assert found["input_tags"] == source["input_tags"]
    assert [row["model_id"] for row in found["logged_models"]] == [models[0]]
    # The model has a metric of a run that is not exported.
    assert [row["run_id"] for row in found["logged_model_metrics"]] == [content.run]
    assert not _REGISTRY & {*found}


def test_sqlite_export_by_a_filter_has_what_the_runs_have_made_and_used(
    export: Command,
    content: Content,
    models: tuple[str, str],
    database: Database,
    tmp_path: Path,
) -> None:
    linked, by_metadata, neither = (f"tr-{number:032x}" for number in (1, 2, 3))
    with database.write() as conn:
        number = int(content.second)
        for each in (linked, by_metadata, neither):
            trace_rows.trace(
                conn,
                each,
                experiment_id=number,
                metadata={"mlflow.sourceRun": content.other} if each == by_metadata else {},
            )
        conn.exec_driver_sql(
            "INSERT INTO entity_associations VALUES "
            f"('a', 'trace', '{linked}', 'run', '{content.other}', 1)"
        )
    found = _exported(export, tmp_path, "--filter", "run_name = 'other'")
    assert [row["run_uuid"] for row in found["runs"]] == [content.other]
    assert {row["run_uuid"] for table in _RUN_TABLES for row in found[table]} == {content.other}
    assert [row["model_id"] for row in found["logged_models"]] == [models[1]]
    assert {row["request_id"] for row in found["trace_info"]} == {linked, by_metadata}
    assert "datasets" not in found
    assert not _REGISTRY & {*found}
    assert len(found["experiments"]) == 4


@contextmanager
def _filled(
    name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Settings]]:
    """A database of a generation, with traces; its address, and settings with it."""
    with generations.uri(name, request, tmp_path_factory) as uri:
        settings = Settings(backend_store_uri=uri)
        database = Database(settings)
        database.prepare(ARTIFACT_ROOT)
        with database.write() as conn:
            traces.fill(conn)
        database.close()
        yield uri, settings


@pytest.mark.parametrize("name", generations.NAMES)
def test_sqlite_export_of_older_revisions_is_what_mlflow_makes_of_them(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with _filled(name, request, tmp_path_factory) as (uri, settings):
        export = command_of(monkeypatch, capsys)("export", settings)
        found = _exported(export, tmp_path)
        mlflow_tables.upgrade(uri, HEAD)
        assert found == dump.of(uri)


def test_sqlite_export_takes_assessments_of_values_that_python_does_not_read(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with _filled("A-sqlite", request, tmp_path_factory) as (_, settings):
        database = Database(settings)
        with database.write() as conn:
            for each in (deep, "9" * 309, "9" * 4_301):
                unread = "SELECT min(assessment_id) FROM assessments WHERE length(value) < 300"
                conn.exec_driver_sql(
                    f"UPDATE assessments SET value = '{each}' WHERE assessment_id = ({unread})"
                )
        database.close()
        found = _exported(command_of(monkeypatch, capsys)("export", settings), tmp_path)
    odd = [row for row in found["assessments"] if len(row["value"]) >= 300]
    assert len(odd) == 3
    assert {(row["aggregate_value"], row["is_numeric_value"]) for row in odd} == {(None, 0)}


def test_sqlite_export_is_of_one_moment_while_others_write(
    api: Tracking,
    content: Content,
    settings: Settings,
    database: Database,
    tmp_path: Path,
) -> None:
    before = dump.of(settings.backend_store_uri)
    written = []

    def write_meanwhile(table: str, _: int) -> None:
        if not written:
            api.call("runs/log-metric", run_id=content.run, key="new", value=1, timestamp=1, step=1)
            api.call("runs/delete", run_id=content.bare)
            api.run(content.first)
            written.append(table)

    with database.snapshot() as conn:
        sqlite.write(conn, tmp_path / "out.db", select_all(conn), write_meanwhile)
    assert written == ["workspaces"]  # the first of all tables
    assert dump.of(f"sqlite:///{tmp_path / 'out.db'}") == before
    assert dump.of(settings.backend_store_uri) != before


@only_sqlite
def test_sqlite_export_leaves_out_and_tells_what_belongs_to_nothing(
    export: Command, content: Content, settings: Settings, tmp_path: Path
) -> None:
    with sqlite3.connect(settings.backend_store_uri.removeprefix("sqlite:///")) as conn:
        conn.execute("UPDATE runs SET experiment_id = 4711 WHERE run_uuid = ?", (content.other,))
    place = tmp_path / "out.db"
    status, out, _ = export("--to", f"sqlite:///{place}", "--format", "sqlite")
    assert status == 0
    assert "Left out, since what they belong to is not there: rows," in out
    assert "1 of runs" in out
    found = dump.of(f"sqlite:///{place}")
    assert content.other not in {row["run_uuid"] for row in found["runs"]}
    for table in _RUN_TABLES:
        assert content.other not in {row["run_uuid"] for row in found[table]}


def test_sqlite_export_refuses_what_is_there_and_replaces_only_databases(
    export: Command, content: Content, settings: Settings, tmp_path: Path
) -> None:
    place = tmp_path / "out.db"
    to = ("--to", str(place), "--format", "sqlite")
    place.write_text("mine")
    assert_error(export(*to), f"{place} exists")
    assert_error(export(*to, "--overwrite"), "--overwrite replaces SQLite databases only")
    assert place.read_text() == "mine"
    place.unlink()
    assert export(*to)[0] == 0
    assert_error(export(*to), f"{place} exists")
    log = Path(f"{place}-wal")
    log.touch()
    assert_error(export(*to, "--overwrite"), "a program has the database open")
    log.unlink()
    assert export(*to, "--overwrite", "--experiment", "first")[0] == 0
    assert len(dump.of(f"sqlite:///{place}")["experiments"]) == 1
    if settings.backend_store_uri.startswith("sqlite"):
        own = settings.backend_store_uri.removeprefix("sqlite:///")
        assert_error(
            export("--to", own, "--format", "sqlite", "--overwrite"), "is the database that is"
        )
    assert not [each for each in tmp_path.iterdir() if each.name[0] == "."]
