"""Imports that are repeated, go on, or were killed: `rsync` and `import` is the way offline."""

import shutil
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tandem_metadata.transfer.from_files import rows as batches
from tandem_metadata.transfer.from_files import runs as run_rows
from tests.metadata.transfer.file_stores import MadeUp, change, document, example, import_into, put
from tests.metadata.transfer.rows import everything, execute, rows

_LATEST = "SELECT key, value, step FROM latest_metrics"


@pytest.fixture
def store(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


@pytest.mark.parametrize("version", ["2.8", "3.17"])
def test_second_import_changes_nothing(version: str, settings: Settings, tmp_path: Path) -> None:
    folder = example(version, tmp_path)
    import_into(settings, folder)
    before = everything(settings)
    report = import_into(settings, folder)
    assert everything(settings) == before
    counts = report.document()["counts"]
    assert {kind: count["imported"] for kind, count in counts.items() if count["imported"]} == {}
    assert counts["runs"]["already_there"] == counts["runs"]["found"] == 4


def test_new_runs_are_added(settings: Settings, store: MadeUp) -> None:
    experiment = store.experiment(1)
    store.run(experiment)
    import_into(settings, store.root)
    store.run(experiment, params={"p": "2"})
    report = import_into(settings, store.root)
    assert report.count("runs") == {"found": 2, "imported": 1, "already there": 1, "skipped": 0}
    assert rows(settings, "SELECT value FROM params") == [("2",)]


def test_run_that_was_running_goes_on_until_its_end(settings: Settings, store: MadeUp) -> None:
    run = store.run(
        store.experiment(1),
        status=1,
        end_time=None,
        params={"a": "1"},
        metrics={"m": "1 9 0\n2 8 1\n"},
    )
    import_into(settings, store.root)
    put(run / "metrics" / "m", "1 9 0\n2 8 1\n3 7 2\n3 7 2\n1 5 -4\n")
    put(run / "metrics" / "new", "5 1 0\n")
    put(run / "params" / "b", "2")
    put(run / "tags" / "t", "v")
    change(run / "meta.yaml", status=4, end_time=77)
    report = import_into(settings, store.root)
    assert rows(settings, "SELECT status, end_time FROM runs") == [("FAILED", 77)]
    assert rows(settings, "SELECT key, value FROM params") == [("a", "1"), ("b", "2")]
    assert rows(settings, "SELECT key, value FROM tags") == [("t", "v")]
    assert rows(settings, _LATEST) == [("m", 7.0, 2), ("new", 1.0, 0)]
    assert len(rows(settings, "SELECT * FROM metrics")) == 5
    assert report.count("metrics") == {
        "found": 5,
        "imported": 3,
        "already there": 2,
        "skipped": 0,
    }


def test_run_that_has_ended_in_the_database_gets_nothing_more(
    settings: Settings, store: MadeUp
) -> None:
    run = store.run(store.experiment(1), params={"a": "1"})
    import_into(settings, store.root)
    put(run / "params" / "b", "2")
    import_into(settings, store.root)
    assert rows(settings, "SELECT key FROM params") == [("a",)]


def test_what_users_have_changed_stays(settings: Settings, store: MadeUp) -> None:
    experiment = store.experiment(1, "one")
    store.run(experiment, run_id="a" * 32, status=1, end_time=None, tags={"t": "old"})
    store.run(experiment, run_id="b" * 32)
    folder = store.registered("m", {}, {})
    put(folder / "aliases" / "champion", "1")
    import_into(settings, store.root)
    execute(settings, "UPDATE experiments SET name = 'renamed' WHERE name = 'one'")
    execute(settings, "UPDATE tags SET value = 'new'")
    execute(settings, "UPDATE runs SET lifecycle_stage = 'deleted', name = 'x'")
    execute(settings, "UPDATE registered_model_aliases SET version = 2")
    execute(settings, "UPDATE registered_models SET description = 'mine'")
    before = everything(settings)
    import_into(settings, store.root)
    assert everything(settings) == before


def test_run_that_was_deleted_for_good_comes_back(settings: Settings, store: MadeUp) -> None:
    store.run(store.experiment(1), params={"a": "1"})
    import_into(settings, store.root)
    execute(settings, "DELETE FROM params")
    execute(settings, "DELETE FROM runs")
    import_into(settings, store.root)
    assert rows(settings, "SELECT key, value FROM params") == [("a", "1")]


def test_versions_and_their_aliases_are_added_to_a_model_that_is_there(
    settings: Settings, store: MadeUp
) -> None:
    folder = store.registered("m", {})
    put(folder / "aliases" / "champion", "1")
    import_into(settings, store.root)
    execute(settings, "DELETE FROM registered_model_aliases")
    document(folder / "version-2" / "meta.yaml", {"name": "m", "version": 2, "source": "s3://b"})
    put(folder / "aliases" / "next", "2")
    report = import_into(settings, store.root)
    assert report.count("model versions")["imported"] == 1
    aliases = "SELECT alias, version FROM registered_model_aliases"
    assert rows(settings, aliases) == [("next", 2)]


def test_logged_model_that_was_pending_becomes_ready(settings: Settings, store: MadeUp) -> None:
    folder = store.experiment(1) / "models" / "m-1"
    document(folder / "meta.yaml", {"model_id": "m-1", "name": "m", "status": 1})
    import_into(settings, store.root)
    change(folder / "meta.yaml", status=2, last_updated_timestamp=9)
    put(folder / "params" / "p", "v")
    import_into(settings, store.root)
    models = "SELECT status, last_updated_timestamp_ms FROM logged_models"
    assert rows(settings, models) == [(2, 9)]
    assert rows(settings, "SELECT param_key FROM logged_model_params") == [("p",)]


def test_logged_model_gets_metrics_of_later_runs(settings: Settings, store: MadeUp) -> None:
    experiment = store.experiment(1)
    folder = experiment / "models" / "m-1"
    document(folder / "meta.yaml", {"model_id": "m-1", "name": "m", "status": 2})
    import_into(settings, store.root)
    other = store.run(store.experiment(2))
    put(folder / "metrics" / "acc", f"5 0.5 1 {other.name}\n")
    import_into(settings, store.root)
    found = "SELECT run_id, metric_value FROM logged_model_metrics"
    assert rows(settings, found) == [(other.name, 0.5)]


def test_trace_that_was_in_progress_ends(settings: Settings, store: MadeUp) -> None:
    info = {"request_id": "tr-1", "timestamp_ms": 5, "status": "IN_PROGRESS"}
    folder = store.trace(store.experiment(1), "tr-1", info)
    import_into(settings, store.root)
    change(folder / "trace_info.yaml", status="ERROR", execution_time_ms=7)
    put(folder / "tags" / "t", "v")
    put(folder / "request_metadata" / "k", "v")
    import_into(settings, store.root)
    traces = "SELECT status, execution_time_ms FROM trace_info"
    assert rows(settings, traces) == [("ERROR", 7)]
    assert rows(settings, "SELECT key, value FROM trace_tags") == [("t", "v")]
    assert rows(settings, "SELECT key, value FROM trace_request_metadata") == [("k", "v")]


def test_experiment_that_was_seen_before_its_file_gets_its_name(
    settings: Settings, store: MadeUp
) -> None:
    experiment = store.experiment(1, "one")
    store.run(experiment)
    meta = (experiment / "meta.yaml").read_bytes()
    (experiment / "meta.yaml").unlink()
    import_into(settings, store.root)
    put(experiment / "meta.yaml", meta)
    import_into(settings, store.root)
    names = "SELECT name, creation_time FROM experiments WHERE experiment_id = 1"
    assert rows(settings, names) == [("one", 1_700_000_000_000)]


def test_ids_that_were_counted_are_another_experiments_if_that_has_no_run_in_common(
    settings: Settings, store: MadeUp, tmp_path: Path
) -> None:
    store.run(store.experiment(1, "of one store", creation_time=None), run_id="a" * 32)
    (tmp_path / "other").mkdir()
    other = MadeUp(tmp_path / "other")
    other.run(other.experiment(1, "of another", creation_time=None), run_id="b" * 32)
    for _ in range(2):
        import_into(settings, store.root)
        import_into(settings, other.root)
    names = "SELECT e.name, r.run_uuid FROM experiments e JOIN runs r USING (experiment_id)"
    assert rows(settings, names) == [("of another", "b" * 32), ("of one store", "a" * 32)]
    execute(settings, "UPDATE experiments SET name = 'renamed' WHERE name LIKE 'of%another'")
    execute(settings, "UPDATE experiments SET name = 'too' WHERE name LIKE 'of one%'")
    assert import_into(settings, other.root).count("experiments")["imported"] == 0
    assert import_into(settings, store.root).count("experiments")["imported"] == 0


def test_registered_model_of_another_folder_is_skipped_with_its_versions(
    settings: Settings, store: MadeUp, tmp_path: Path
) -> None:
    store.experiment(1)
    store.registered("fraud", {"source": "s3://bucket/one"})
    (tmp_path / "other").mkdir()
    other = MadeUp(tmp_path / "other")
    other.experiment(1)
    put(
        other.registered("fraud", {}, {}, creation_timestamp=7) / "aliases" / "champion",
        "2",
    )
    import_into(settings, store.root)
    before = everything(settings)
    for dry_run in (True, False):
        report = import_into(settings, other.root, dry_run=dry_run)
        assert report.count("registered models")["skipped"] == 1
        assert report.count("model versions")["skipped"] == 2
        assert "another registered model that is called 'fraud'" in report.text()
        assert everything(settings) == before


def test_version_of_a_number_that_another_has_is_skipped(settings: Settings, store: MadeUp) -> None:
    store.experiment(1)
    folder = store.registered("fraud", {}, {})
    import_into(settings, store.root)
    change(folder / "version-2" / "meta.yaml", creation_timestamp=8, source="s3://bucket/else")
    report = import_into(settings, store.root)
    assert report.count("model versions") == {
        "found": 2,
        "imported": 0,
        "already there": 1,
        "skipped": 1,
    }
    assert "another version 2 of 'fraud'" in report.text()
    sources = "SELECT source FROM model_versions WHERE version = 2"
    assert rows(settings, sources) == [("s3://bucket/model",)]


class _Killed(Exception):
    pass


@pytest.mark.parametrize("after", range(12))
def test_killed_import_is_completed_by_the_next(
    after: int, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed leaves what was committed, as an exception between batches does."""
    folder = example("3.17", tmp_path)
    store = MadeUp(tmp_path / "made") if (tmp_path / "made").mkdir() is None else None
    assert store is not None
    store.run(
        store.experiment(1),
        params={"a": "1"},
        metrics={"m": "".join(f"{n} {n}.5 {n}\n" for n in range(50)), "n": "1 1 1\n"},
    )
    monkeypatch.setattr(run_rows, "MOST_ROWS", 20)
    written = 0
    write = batches.Batch.write

    def killed(self: batches.Batch, *given: object) -> None:
        nonlocal written
        if written == after:
            raise _Killed
        written += 1
        write(self, *given)  # type: ignore[arg-type]

    ended = False
    with monkeypatch.context() as patched:
        patched.setattr(batches.Batch, "write", killed)
        try:
            import_into(settings, store.root)
            import_into(settings, folder)
            ended = True
        except _Killed:
            pass
    before = rows(settings, "SELECT status FROM runs WHERE lifecycle_stage = 'active'")
    assert ended or {"RUNNING", "FINISHED"} >= {status for (status,) in before}
    import_into(settings, store.root)
    import_into(settings, folder)
    assert len(rows(settings, "SELECT * FROM metrics WHERE key = 'm'")) == 50
    assert ("m", 49.5, 49) in rows(settings, _LATEST)
    assert len(rows(settings, "SELECT * FROM runs")) == 5
    statuses = "SELECT status, end_time FROM runs WHERE name = 'run 1'"
    assert rows(settings, statuses) == [("FINISHED", 1_700_000_002_000)]
    after_all = everything(settings)
    import_into(settings, folder)
    assert everything(settings) == after_all


def test_folder_is_not_written_to(settings: Settings, tmp_path: Path) -> None:
    folder = example("3.17", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for path in sorted(before, reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    import_into(settings, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    for path in before:
        path.chmod(0o755)
    shutil.rmtree(folder)
