"""Ages, the tag `tandem.retention`, and what is old enough."""

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.rules import retention
from tandem_shared.clock import now_ms
from tests.metadata.cleanup.conftest import Gc
from tests.metadata.cleanup.world import World

DAY = 86_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30d", 30 * DAY),
        ("0d", 0),
        ("1d2h3m4s", DAY + 7_384_000),
        ("1.5h", 5_400_000),
        (" 90d ", 90 * DAY),
        ("10s", 10_000),
    ],
)
def test_an_age_is_read(text: str, milliseconds: int) -> None:
    assert retention.milliseconds(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "d", "90", "90 d", "-1d", "90D", "3m2d", "1y", "1e9d", "400000d", "9" * 5000 + "d"]
)
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        retention.milliseconds(text)


def _fill(database: Database) -> int:
    """Three experiments: with a tag of 90 days, of 10 days, and without; returns now."""
    now = now_ms()
    with database.write() as conn:
        world = World(conn)
        for number, tag in ((1, "90d"), (2, "10d"), (3, None)):
            world.put("experiments", experiment_id=number, name=str(number),
                      lifecycle_stage="active", artifact_location="")  # fmt: skip
            if tag:
                world.put("experiment_tags", experiment_id=number, key=retention.TAG, value=tag)
            for age in (5, 20, 50, 100):
                name = f"{number}-{age}"
                world.run(f"run-{name}", number, "deleted", deleted_time=now - age * DAY)
                world.trace(f"tr-{name}", number, "x", at=now - age * DAY)
            world.run(f"active-{number}", number, "active", start_time=1, end_time=1)
    return now


def _left(database: Database, table: str, key: str) -> set[str]:
    with database.read() as conn:
        return {row[0] for row in conn.exec_driver_sql(f"SELECT {key} FROM {table}")}


def test_tags_replace_the_age_of_deleted_runs_and_give_one_to_traces(
    database: Database, gc: Gc
) -> None:
    _fill(database)
    status, report = gc("--yes")
    assert (status, report["failed"]) == (0, [])
    assert _left(database, "runs", "run_uuid") == {
        "active-1", "active-2", "active-3",
        "run-1-5", "run-1-20", "run-1-50",
        "run-2-5",
        "run-3-5", "run-3-20",
    }  # fmt: skip
    assert _left(database, "trace_info", "request_id") == {
        "tr-1-5", "tr-1-20", "tr-1-50",
        "tr-2-5",
        "tr-3-5", "tr-3-20", "tr-3-50", "tr-3-100",
    }  # fmt: skip


def test_an_age_of_the_command_is_for_experiments_without_a_tag(database: Database, gc: Gc) -> None:
    _fill(database)
    assert gc("--yes", "--older-than", "60d")[0] == 0
    runs = _left(database, "runs", "run_uuid")
    assert {"run-1-50", "run-3-50"} <= runs
    assert not {"run-1-100", "run-2-20", "run-3-100"} & runs


@pytest.mark.parametrize("value", ["90", "three months", "90m", "0d", ""])
def test_a_tag_without_an_age_is_reported_and_keeps_its_experiment(
    database: Database, gc: Gc, value: str
) -> None:
    now = _fill(database)
    with database.write() as conn:
        world = World(conn)
        world.put("experiments", experiment_id=4, name="4", lifecycle_stage="deleted",
                  last_update_time=now - 1000 * DAY, artifact_location="")  # fmt: skip
        for number in (3, 4):
            world.put("experiment_tags", experiment_id=number, key=retention.TAG, value=value)
    status, report = gc("--yes")
    # Anybody who may tag an experiment could make a command fail that looks after all of them.
    assert status == 0
    assert [each["experiment_id"] for each in report["invalid_retention"]] == ["3", "4"]
    assert {each["value"] for each in report["invalid_retention"]} == {value}
    assert {"run-3-100"} <= _left(database, "runs", "run_uuid")
    assert {"tr-3-100"} <= _left(database, "trace_info", "request_id")
    assert 4 in _left(database, "experiments", "experiment_id")
    assert "run-1-100" not in _left(database, "runs", "run_uuid")


def test_a_run_without_a_time_of_deletion_counts_by_its_end_then_by_its_start(
    database: Database, gc: Gc
) -> None:
    now = now_ms()
    with database.write() as conn:
        world = World(conn)
        for name, start, end in (
            ("ended", now, now - 40 * DAY), ("ended-now", now - 40 * DAY, now),
            ("begun", now - 40 * DAY, None), ("timeless", None, None),
        ):  # fmt: skip
            world.run(name, 0, "deleted", deleted_time=None, start_time=start, end_time=end)
    assert gc("--yes")[0] == 0
    assert _left(database, "runs", "run_uuid") == {"ended-now", "timeless"}
    assert gc("--yes", "--run-ids", "timeless")[0] == 0
    assert _left(database, "runs", "run_uuid") == {"ended-now"}
