"""A file store that other programs go on logging to is taken over again and again."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.file_store.store import FileStore
from tandem_metadata.transfer.from_files.following import Following
from tests.metadata.conftest import only_sqlite
from tests.metadata.transfer.file_stores import MadeUp, change, document, put
from tests.metadata.transfer.rows import rows


@pytest.fixture
def store(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


@pytest.fixture
def following(store: MadeUp, database: Database) -> Following:
    return Following(FileStore(str(store.root)), database)


def _age(root: Path) -> None:
    """Let everything be an hour old."""
    then = time.time() - 3600
    for path in root.rglob("*"):
        os.utime(path, (then, then))
    os.utime(root, (then, then))


def test_first_look_imports_all_and_the_next_nothing(
    store: MadeUp, following: Following, settings: Settings
) -> None:
    store.run(store.experiment(1), params={"p": "v"})
    store.run(store.experiment(2), status=1)
    store.registered("m", {})
    _age(store.root)
    report = following.look()
    assert report is not None
    assert report.count("runs")["imported"] == 2
    assert following.look() is None
    assert rows(settings, "SELECT value FROM params") == [("v",)]


@only_sqlite
def test_look_at_a_folder_without_changes_asks_the_database_nothing(
    store: MadeUp, following: Following, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.run(store.experiment(1), status=1)
    _age(store.root)
    assert following.look() is not None

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError

    for name in ("read", "write", "run_in_transaction"):
        monkeypatch.setattr(database, name, refuse)
    assert following.look() is None


def test_points_of_a_running_run_are_seen(
    store: MadeUp, following: Following, settings: Settings
) -> None:
    run = store.run(store.experiment(1), status=1, metrics={"m": "1 1 1\n"})
    _age(store.root)
    following.look()
    put(run / "metrics" / "m", "1 1 1\n2 2 2\n")
    report = following.look()
    assert report is not None
    assert report.count("metrics")["imported"] == 1
    assert rows(settings, "SELECT value FROM latest_metrics") == [(2.0,)]
    change(run / "meta.yaml", status=3)
    assert following.look() is not None
    assert rows(settings, "SELECT status FROM runs") == [("FINISHED",)]
    put(run / "params" / "late", "v")
    assert following.look() is None


def test_new_runs_experiments_models_and_traces_are_seen(
    store: MadeUp, following: Following, settings: Settings
) -> None:
    experiment = store.experiment(1)
    store.run(experiment)
    _age(store.root)
    following.look()
    store.run(experiment)
    store.run(store.experiment(2))
    document(experiment / "models" / "m-1" / "meta.yaml", {"model_id": "m-1", "status": 2})
    store.trace(experiment, "tr-1", {"request_id": "tr-1", "timestamp_ms": 5, "status": "OK"})
    store.registered("m", {})
    assert following.look() is not None
    assert len(rows(settings, "SELECT * FROM runs")) == 3
    for table in ("logged_models", "trace_info", "model_versions"):
        assert len(rows(settings, f"SELECT * FROM {table}")) == 1


def test_run_that_is_being_made_is_seen_when_it_has_its_file(
    store: MadeUp, following: Following, settings: Settings
) -> None:
    experiment = store.experiment(1)
    _age(store.root)
    following.look()
    run = store.run(experiment)
    held = (run / "meta.yaml").read_bytes()
    put(run / "meta.yaml", "")
    following.look()
    assert rows(settings, "SELECT * FROM runs") == []
    put(run / "meta.yaml", held)
    _age(experiment)
    following.look()
    assert len(rows(settings, "SELECT * FROM runs")) == 1


def test_looks_are_bounded_and_reach_all_runs_in_turn(
    store: MadeUp, database: Database, settings: Settings
) -> None:
    experiment = store.experiment(1)
    runs = [store.run(experiment, status=1) for _ in range(5)]
    _age(store.root)
    following = Following(FileStore(str(store.root)), database, most_runs=2)
    following.look()
    for run in runs:
        put(run / "params" / "p", "v")
    found = []
    for _ in range(3):
        following.look()
        found.append(len(rows(settings, "SELECT * FROM params")))
    assert found == [2, 4, 5]


def test_experiment_that_goes_to_the_trash_fails_nothing(
    store: MadeUp, following: Following, settings: Settings
) -> None:
    experiment = store.experiment(1)
    store.run(experiment, status=1)
    _age(store.root)
    following.look()
    (store.root / ".trash").mkdir()
    shutil.move(experiment, store.root / ".trash" / "1")
    following.look()
    following.look()
    assert len(rows(settings, "SELECT * FROM runs")) == 1
