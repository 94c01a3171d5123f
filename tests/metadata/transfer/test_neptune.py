"""Runs of Neptune become runs of MLflow's, once."""

import math
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.neptune import exported, runs
from tandem_metadata.transfer.neptune.importing import NeptuneImport, Options
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Report
from tandem_shared.settings import SettingsError
from tests.metadata.transfer import neptune_export
from tests.metadata.transfer.neptune_export import PROJECT, TIME, TIME_MS, point, value

ROOT = "mlflow-artifacts://artifacts.example.com/"

_SYSTEM = [
    value("sys/name", "string", "wide-resnet"),
    value("sys/custom_run_id", "string", "RUN-1"),
    value("sys/owner", "string", "ann"),
    value("sys/creation_time", "datetime", TIME),
    value("sys/modification_time", "datetime", TIME + timedelta(days=2)),
    value("sys/running_time", "float", 90.5),
    value("sys/failed", "bool", True),
    value("sys/tags", "string_set", ["best", "paper"]),
    value("sys/description", "string", "a note"),
]
_PARAMS = [
    value("config/lr", "float", 0.1),
    value("config/layers", "int", 12),
    value("config/name (old)", "string", "üñí"),
    value("config/on", "bool", False),
    value("config/when", "datetime", TIME),
]


def _take(folder: Path, database: Database, settings: Settings, **options: object) -> Report:
    report = Report(str(folder), "the target", dry_run=bool(options.get("dry_run")))
    given = {"artifacts_root": ROOT, "without_files": True, **options}
    importing = NeptuneImport(
        str(folder), settings, database, report, Options(**given)  # type: ignore[arg-type]
    )  # fmt: skip
    with Progress() as progress:
        importing.run(progress)
    return report


def _rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.read() as conn:
        return [tuple(row) for row in conn.execute(text(statement))]


def test_a_run_keeps_its_name_times_owner_state_params_and_tags(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(tmp_path, "RUN-1", _SYSTEM, _PARAMS)
    report = _take(tmp_path, database, settings)
    assert not report.problems
    (experiment,) = _rows(
        database,
        "SELECT experiment_id, name, artifact_location FROM experiments WHERE experiment_id <> 0",
    )
    assert experiment[1:] == (PROJECT, f"{ROOT}{experiment[0]}")
    run_id = runs.run_id(PROJECT, "RUN-1")
    assert _rows(
        database,
        "SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time,"
        " lifecycle_stage, artifact_uri FROM runs",
    ) == [
        (
            *(run_id, experiment[0], "wide-resnet", "ann", "FAILED", TIME_MS, TIME_MS + 90_500),
            *("active", f"{ROOT}{experiment[0]}/{run_id}/artifacts"),
        )
    ]
    assert dict(_rows(database, "SELECT key, value FROM params")) == {  # type: ignore[arg-type]
        "config/lr": "0.1",
        "config/layers": "12",
        "config/name _old_": "üñí",
        "config/on": "False",
        "config/when": "2025-11-03T10:00:00.250+00:00",
    }
    tags = dict(_rows(database, "SELECT key, value FROM tags"))  # type: ignore[arg-type]
    assert tags["neptune.project"] == PROJECT
    assert tags["neptune.run_id"] == "RUN-1"
    assert tags["neptune.sys/tags"] == "best, paper"
    assert tags["mlflow.runName"] == "wide-resnet"
    assert tags["mlflow.user"] == "ann"
    assert tags["mlflow.note.content"] == "a note"


def test_points_keep_steps_times_and_values_and_the_latest_is_known(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    earlier = TIME - timedelta(seconds=1)
    neptune_export.write(
        tmp_path,
        "RUN-1",
        [point("loss", "1", 0.5), point("loss", "2", 0.25), point("loss", "2", 0.25)],
        [point("acc/top 1", "3", math.nan), point("acc/top 1", "0", math.inf, time=earlier)],
    )
    _take(tmp_path, database, settings)
    found = "SELECT key, value, timestamp, step, is_nan FROM metrics ORDER BY key, step"
    assert _rows(database, found) == [
        ("acc/top 1", 1.7976931348623157e308, TIME_MS - 1000, 0, False),
        ("acc/top 1", 0.0, TIME_MS, 3, True),
        ("loss", 0.5, TIME_MS, 1, False),
        ("loss", 0.25, TIME_MS, 2, False),
    ]
    found = "SELECT key, value, step, is_nan FROM latest_metrics ORDER BY key"
    assert _rows(database, found) == [("acc/top 1", 0.0, 3, True), ("loss", 0.25, 2, False)]


def test_fractions_of_steps_become_whole_numbers_for_all_runs_of_a_project(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(tmp_path, "RUN-1", [point("loss", "1", 0.5), point("loss", "2", 0.4)])
    neptune_export.write(tmp_path, "RUN-2", [point("loss", "0.25", 0.5)])
    neptune_export.write(tmp_path, "A-1", [point("loss", "7", 0.5)], project="team/other")
    _take(tmp_path, database, settings)
    assert _rows(database, "SELECT step FROM metrics ORDER BY step") == [
        (7,),
        (25,),
        (100,),
        (200,),
    ]
    found = "SELECT value FROM experiment_tags WHERE key = 'neptune.stepMultiplier' ORDER BY value"
    assert _rows(database, found) == [("1",), ("100",)]
    neptune_export.write(tmp_path, "RUN-3", [point("loss", "0.3333", 0.5)])
    report = _take(tmp_path, database, settings)
    assert "they are rounded to 100 a step" in report.notes[0]
    assert _rows(database, "SELECT count(*) FROM metrics WHERE step = 33") == [(1,)]


def test_a_second_import_adds_only_new_runs(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(tmp_path, "RUN-1", _PARAMS)
    _take(tmp_path, database, settings)
    neptune_export.write(tmp_path, "RUN-2", _PARAMS)
    with database.write() as conn:
        conn.execute(text("UPDATE experiments SET name = 'renamed' WHERE experiment_id <> 0"))
    report = _take(tmp_path, database, settings)
    assert report.count("runs") == {
        "found": 2,
        "imported": 1,
        "already there": 1,
        "skipped": 0,
    }
    assert len(_rows(database, "SELECT 1 FROM runs")) == 2
    assert len(_rows(database, "SELECT 1 FROM experiments")) == 2


def test_forked_trashed_and_running_runs_are_so_in_mlflow_too(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(
        tmp_path,
        "child",
        [value("sys/forking/parent", "string", "parent"), value("sys/state", "string", "Running")],
    )
    neptune_export.write(tmp_path, "gone", [value("sys/trashed", "bool", True)])
    _take(tmp_path, database, settings)
    found = "SELECT name, status, lifecycle_stage FROM runs ORDER BY name"
    assert _rows(database, found) == [
        ("child", "RUNNING", "active"),
        ("gone", "FINISHED", "deleted"),
    ]
    assert _rows(database, "SELECT value FROM tags WHERE key = 'mlflow.parentRunId'") == [
        (runs.run_id(PROJECT, "parent"),)
    ]


def test_what_cannot_be_taken_is_reported_and_nothing_else_suffers(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(
        tmp_path,
        "RUN-1",
        [
            value("../up", "string", "x"),
            value("a b", "int", 1),
            value("a@b", "string", "x" * 9000),
            {"attribute_path": "odd", "attribute_type": "tensor", "string_value": "x"},
        ],
    )
    neptune_export.write(tmp_path, "RUN-2", [value("p", "int", 2)], first=1)
    folder = tmp_path / neptune_export.sanitized(PROJECT)
    (folder / "broken-0_part_0.parquet").write_bytes(b"PAR1 nothing")
    report = _take(tmp_path, database, settings)
    reasons = {each.reason for each in report.problems}
    assert any("part 0 is missing" in each for each in reasons)
    assert any("broken-0_part_0.parquet" in each for each in reasons)
    assert any("cut to 8000 of 9000" in each for each in reasons)
    assert report.count("runs")["imported"] == 1
    assert report.count("runs")["skipped"] == 2
    assert _rows(database, "SELECT key, length(value) FROM params ORDER BY key") == [
        ("a b", 1),
        ("a_b", 8000),
    ]


def test_a_dry_run_counts_and_writes_nothing(
    tmp_path: Path, database: Database, settings: Settings
) -> None:
    neptune_export.write(tmp_path, "RUN-1", [*_PARAMS, point("loss", "1", 0.5)])
    report = _take(tmp_path, database, settings, dry_run=True)
    assert report.count("runs")["imported"] == 1
    assert report.count("points")["imported"] == 1
    assert _rows(database, "SELECT 1 FROM runs") == []
    assert len(_rows(database, "SELECT 1 FROM experiments")) == 1


def test_the_place_of_artifacts_must_be_known(tmp_path: Path, database: Database) -> None:
    neptune_export.write(tmp_path, "RUN-1", _PARAMS)
    with pytest.raises(SettingsError, match="--artifacts-root"):
        _take(tmp_path, database, Settings(), artifacts_root=None)


def test_exports_are_told_from_other_folders(tmp_path: Path) -> None:
    assert not exported.is_export(str(tmp_path))
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "meta.yaml").touch()
    assert not exported.is_export(str(tmp_path))
    neptune_export.write(tmp_path / "data", "RUN-1", _PARAMS)
    assert exported.is_export(str(tmp_path))
    assert exported.is_export(str(tmp_path / "data"))
    assert exported.files_folder(str(tmp_path)) == str(tmp_path / "files")
