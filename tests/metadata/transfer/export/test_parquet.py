"""`tandem-metadata export --format parquet`: what the files hold, read by pyarrow and pandas."""

import datetime
import importlib.util
import math
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.transfer.export import parquet
from tests.metadata.cli.commands import Command, assert_error
from tests.metadata.transfer.export.content import POINTS, Content, T

FILES = {"runs.parquet", "params.parquet", "tags.parquet", "metrics.parquet"}


def _rows(place: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(place / f"{name}.parquet").to_pylist()


def _ids(place: Path) -> set[str]:
    return {row["run_id"] for row in _rows(place, "runs")}


def _moment(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC).replace(
        microsecond=milliseconds % 1000 * 1000
    )


def test_parquet_has_the_columns_and_values_of_runs(
    export: Command, content: Content, tmp_path: Path
) -> None:
    status, out, err = export("--to", str(tmp_path / "out"), "--format", "parquet")
    assert (status, err) == (0, "")
    assert [line.split() for line in out.splitlines()[:-1]] == [
        ["runs", "5"],
        ["params", "4"],
        ["tags", "6"],
        ["metrics", "11"],
    ]
    place = tmp_path / "out"
    assert {each.name for each in place.iterdir()} == FILES
    (row,) = (row for row in _rows(place, "runs") if row["run_id"] == content.run)
    assert row == {
        "run_id": content.run,
        "experiment_id": content.first,
        "experiment_name": "first",
        "run_name": "run é",
        "user_id": "me",
        "status": "FINISHED",
        "lifecycle_stage": "active",
        "start_time": _moment(T),
        "end_time": _moment(T + 5),
        "deleted_time": None,
        "artifact_uri": row["artifact_uri"],
        "source_type": "UNKNOWN",
        "source_name": "",
        "source_version": "",
        "entry_point_name": "",
    }
    assert row["artifact_uri"].endswith(f"/{content.run}/artifacts")
    assert {(row["key"], row["value"]) for row in _rows(place, "params")} == {
        ("lr", "0.1"),
        ("a/ b", "日本 'q' %\n"),
    }
    tags = {(row["run_id"], row["key"]): row["value"] for row in _rows(place, "tags")}
    assert tags[content.run, "empty"] == ""
    assert tags[content.run, "mlflow.runName"] == "run é"


def test_parquet_has_metrics_in_order_with_nan_and_infinities_as_such(
    export: Command, content: Content, tmp_path: Path
) -> None:
    export("--to", str(tmp_path / "out"), "--format", "parquet")
    rows = _rows(tmp_path / "out", "metrics")
    assert [row["run_id"] for row in rows] == sorted(row["run_id"] for row in rows)
    found = [
        (row["key"], row["value"], row["timestamp"].astimezone(datetime.UTC), row["step"])
        for row in rows
        if row["run_id"] == content.run
    ]
    expected = [
        (key, float(value), _moment(timestamp), step) for key, value, timestamp, step in POINTS
    ]
    assert repr(found) == repr(expected)  # NaN equals nothing
    schema = pq.read_schema(tmp_path / "out" / "metrics.parquet")
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "run_id": "string",
        "key": "string",
        "step": "int64",
        "timestamp": "timestamp[ms, tz=UTC]",
        "value": "double",
    }
    frame = pd.read_parquet(tmp_path / "out" / "metrics.parquet")
    assert str(frame["timestamp"].dtype) == "datetime64[ms, UTC]"
    odd = frame[(frame.run_id == content.run) & (frame.key == "odd")]
    assert math.isnan(odd.value.iloc[0])
    assert list(odd.value.iloc[1:3]) == [math.inf, -math.inf]


def test_parquet_takes_experiments_by_id_or_name_and_runs_by_filter_and_stage(
    export: Command, content: Content, tmp_path: Path
) -> None:
    chosen: dict[tuple[str, ...], set[str]] = {
        ("--experiment", content.second): {content.other},
        ("--experiment", "2nd é", "--experiment", content.second): {content.other},
        ("--experiment", "first", "--runs", "active"): {content.run, content.bare},
        ("--experiment", "first", "--runs", "deleted"): {content.deleted},
        ("--experiment", "first"): {content.run, content.bare, content.deleted},
        ("--filter", "metrics.loss <= 0.25"): {content.run, content.other},
        ("--filter", "metrics.loss <= 0.25 AND NOT params.lr = '1'", "--experiment", "first"): {
            content.run
        },
        ("--filter", "metrics.loss < 0"): set(),
    }
    for number, (flags, ids) in enumerate(chosen.items()):
        place = tmp_path / str(number)
        assert export("--to", str(place), "--format", "parquet", *flags)[0] == 0, flags
        assert _ids(place) == ids, flags
        for name in ("params", "tags", "metrics"):
            assert {row["run_id"] for row in _rows(place, name)} <= ids
    assert len(_rows(tmp_path / "5", "metrics")) == len(POINTS) + 2


def test_parquet_of_the_same_rows_is_the_same_bytes(
    export: Command, content: Content, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        export("--to", str(tmp_path / name), "--format", "parquet")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_parquet_of_many_runs_and_points_has_several_row_groups(
    export: Command, database: Database, tmp_path: Path
) -> None:
    """More runs than one statement reads, and more points than a row group has."""
    number = "CAST(n AS VARCHAR)"
    series = (
        "SELECT n FROM generate_series(1, {}) AS s (n)"
        if database.dialect == "postgresql"
        else "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) "
        "SELECT n FROM s"
    )
    zero = "false" if database.dialect == "postgresql" else "0"
    with database.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id, start_time) "
            f"SELECT {number}, {number}, 'RUNNING', 'active', 0, n "
            f"FROM ({series.format(1100)}) AS t"
        )
        conn.exec_driver_sql(
            "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) "
            f"SELECT CAST(n % 1100 + 1 AS VARCHAR), 'm', n, n, n, {zero} "
            f"FROM ({series.format(210_000)}) AS t".replace("%", "%%" if "gen" in series else "%")
        )
    status, out, _ = export("--to", str(tmp_path / "out"), "--format", "parquet")
    assert status == 0, out
    file = pq.ParquetFile(tmp_path / "out" / "metrics.parquet")
    assert file.metadata.num_rows == 210_000
    assert 2 <= file.num_row_groups <= 3
    values = file.read(["value"]).column("value").to_pylist()
    assert sorted(values) == [*range(1, 210_001)]
    assert len(_ids(tmp_path / "out")) == 1100


def test_parquet_export_refuses_what_is_there_and_replaces_only_its_own(
    export: Command, content: Content, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    to = ("--to", str(place), "--format", "parquet")
    assert export(*to)[0] == 0
    assert_error(export(*to), f"{place} exists")
    assert export(*to, "--overwrite", "--experiment", "first")[0] == 0
    assert _ids(place) == {content.run, content.bare, content.deleted}
    (place / "mine.txt").write_text("mine")
    assert_error(export(*to, "--overwrite"), "--overwrite replaces folders that hold nothing but")
    assert (place / "mine.txt").read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert_error(export("--to", str(link), "--format", "parquet"), f"{link} exists")
    assert {each.name for each in tmp_path.iterdir() if each.name[0] == "."} == set()


def test_parquet_export_says_what_is_wrong(
    export: Command, content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = ("--to", str(tmp_path / "out"), "--format", "parquet")
    assert_error(export(*to, "--experiment", "nobody"), "ID or name 'nobody'")
    assert_error(export(*to, "--filter", "metrics.loss <"), "filter")
    assert_error(
        export("--to", str(tmp_path / "no" / "out"), "--format", "parquet"), "does not exist"
    )
    assert not (tmp_path / "out").exists()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyarrow" else found(name)
    )
    assert_error(export(*to), "pip install 'tandem-metadata[parquet]'")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_export_that_is_ended_leaves_nothing_and_what_was_there(
    export: Command,
    content: Content,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    place = tmp_path / "exports"
    place.mkdir()
    to = ("--to", str(place / "out"), "--format", "parquet")
    assert export(*to)[0] == 0
    before = {each.name: each.read_bytes() for each in (place / "out").iterdir()}
    write = parquet.write

    def write_and_end(*given: Any) -> int:
        write(*given)
        signal.raise_signal(number)
        raise AssertionError

    monkeypatch.setattr(parquet, "write", write_and_end)
    assert export(*to, "--overwrite")[0] == 128 + number
    assert [each.name for each in place.iterdir()] == ["out"]
    assert {each.name: each.read_bytes() for each in (place / "out").iterdir()} == before


def test_an_export_that_fails_leaves_nothing(
    export: Command, content: Content, tmp_path: Path, database: Database
) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE tags")
    place = tmp_path / "exports"
    place.mkdir()
    with pytest.raises(Exception, match="tags"):
        export("--to", str(place / "out"), "--format", "parquet")
    assert [*place.iterdir()] == []
