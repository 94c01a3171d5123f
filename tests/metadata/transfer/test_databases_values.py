"""Values that SQLite stores and PostgreSQL does not, and those that both store differently."""

from pathlib import Path

import pytest

from tandem_metadata.transfer.databases.importing import Refused
from tandem_metadata.transfer.report import Report
from tests.metadata.transfer.databases import execute, filled, insert_run, one_value, prepare, take

# Long texts


def _with_long_texts(source: str) -> None:
    execute(
        source,
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
        f" VALUES (1, '{'é' * 300}', '{'l' * 600}', 'active')",
        insert_run("a" * 32, 1, name=f"'{'n' * 600}'", user_id=f"'{'u' * 300}'"),
    )


def test_texts_that_are_too_long_are_all_listed_and_nothing_is_written(
    source: str, empty: str
) -> None:
    _with_long_texts(source)
    report = Report("a", "b")
    with pytest.raises(Refused, match="--truncate"):
        take(source, empty, report=report)
    assert {each.path for each in report.problems} == {
        "experiments.name",
        "experiments.artifact_location",
        "runs.name",
        "runs.user_id",
    }
    assert "1 value longer than 256 characters, as of 1" in report.problems[0].reason
    assert execute(empty, "SELECT 1 FROM runs") == []


def test_texts_that_are_too_long_are_cut_if_asked_for(source: str, empty: str) -> None:
    _with_long_texts(source)
    report = take(source, empty, truncate=True)
    assert len(report.problems) == 4
    assert not any(each.skipped for each in report.problems)
    assert one_value(empty, "SELECT name FROM experiments WHERE experiment_id = 1") == "é" * 256
    assert execute(empty, "SELECT name, user_id FROM runs") == [("n" * 250, "u" * 256)]
    assert not report.mismatches


# NUL


def test_nul_becomes_a_replacement_character_and_is_reported(source: str, empty: str) -> None:
    execute(
        source,
        insert_run("a" * 32),
        "INSERT INTO params VALUES ('p', 'a' || char(0) || 'b', '" + "a" * 32 + "')",
        "INSERT INTO tags VALUES ('t' || char(0), '"
        + "x" * 7999
        + "' || char(0) || 'tail', '"
        + "a" * 32
        + "')",
    )
    report = take(source, empty, truncate=True)
    assert one_value(empty, "SELECT value FROM params") == "a\ufffdb"
    assert execute(empty, "SELECT key, value FROM tags") == [("t\ufffd", "x" * 7999 + "\ufffd")]
    assert sorted(each.path for each in report.problems) == [
        *("params.value", "tags.key", "tags.value", "tags.value"),
    ]


# Other types


def test_values_that_are_no_booleans_numbers_or_texts_are_listed(source: str, empty: str) -> None:
    run_id = "a" * 32
    execute(
        source,
        insert_run(run_id, start_time="'soon'"),
        f"INSERT INTO latest_metrics VALUES ('m', 'much', 1, 2.5, 0, '{run_id}')",
        f"INSERT INTO params VALUES ('p', x'ff00', '{run_id}')",
    )
    report = Report("a", "b")
    with pytest.raises(Refused):
        take(source, empty, report=report)
    assert {each.path for each in report.problems} == {
        *("runs.start_time", "latest_metrics.value", "latest_metrics.step", "params.value"),
    }


# Columns that are generated, and doubles


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


# JSON and bytes


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
    assert one_value(empty, "SELECT progress FROM jobs") == {"a": None, "b": [None, "NaN"]}
    assert execute(empty, "SELECT encrypted_value, wrapped_dek FROM secrets") == [
        (b"\x00\xff'", b"\\")
    ]
    for broken in ("{broken", "[" * 100_000 + "NaN" + "]" * 100_000):
        execute(source, f"UPDATE jobs SET progress = '{broken}'")
        with pytest.raises(Refused):
            take(source, empty)
