"""Rows that are copied into a table arrive as they were, on both databases."""

import math
import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.transfer.copying import copy_rows

_RUN = "a" * 32
_RUNS = ("run_uuid", "name", "experiment_id", "start_time")
_METRICS = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
_VALUES = [5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 1 / 3, math.pi * 1e-300]


def _points() -> Iterator[tuple[object, ...]]:
    for step, value in enumerate(_VALUES):
        yield ("loss", value, 1 << 40, _RUN, step, step % 2)


def test_copy_rows_takes_a_generator_and_keeps_every_bit_of_doubles(database: Database) -> None:
    with database.write() as conn:
        assert copy_rows(conn, "runs", _RUNS, [(_RUN, None, 0, 2**62)]) == 1
        assert copy_rows(conn, "metrics", _METRICS, _points()) == len(_VALUES)
    with database.read() as conn:
        found = conn.execute(text("SELECT value, is_nan FROM metrics ORDER BY step")).all()
        run = conn.execute(text("SELECT name, start_time FROM runs")).one()
    # SQLite has no negative zero.
    kept = [value + 0.0 if database.dialect == "sqlite" else value for value in _VALUES]
    assert [value.hex() for value, _ in found] == [value.hex() for value in kept]
    assert [bool(is_nan) for _, is_nan in found] == [False, True] * 3
    assert run == (None, 2**62)


@pytest.mark.parametrize(
    "given", ["", "\\N", "\\.", "a\tb\nc\r\\d", 'say "it"', "üñí ✓ 😀", "\x01"]
)
def test_copy_rows_keeps_texts_that_mean_something_to_copy(database: Database, given: str) -> None:
    with database.write() as conn:
        copy_rows(conn, "runs", _RUNS, [(_RUN, given, 0, 1)])
    with database.read() as conn:
        assert conn.execute(text("SELECT name FROM runs")).scalar_one() == given


def test_copy_rows_keeps_bytes_and_json(database: Database) -> None:
    secret = ("id", "name", bytes(range(256)), b"", 1, "***", 1, 2)
    columns = (
        *("secret_id", "secret_name", "encrypted_value", "wrapped_dek", "kek_version"),
        *("masked_value", "created_at", "last_updated_at"),
    )
    with database.write() as conn:
        copy_rows(conn, "secrets", columns, [secret])
        job = ("j", 1, "n", "{}", 0, 0, 1, '{"b": [1, "\\u00e9"],  "a": null}')
        columns = (
            *("id", "creation_time", "job_name", "params", "status", "retry_count"),
            *("last_update_time", "progress"),
        )
        copy_rows(conn, "jobs", columns, [job])
    with database.read() as conn:
        assert bytes(conn.execute(text("SELECT encrypted_value FROM secrets")).scalar_one()) == (
            bytes(range(256))
        )
        progress = conn.execute(text("SELECT CAST(progress AS TEXT) FROM jobs")).scalar_one()
    assert progress == job[-1]


def test_copy_rows_that_are_refused_leave_nothing_once_rolled_back(database: Database) -> None:
    rows = [(_RUN, "first", 0, 1), (_RUN, "again", 0, 1)]
    refused = pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError))
    with refused, database.write() as conn:
        copy_rows(conn, "runs", _RUNS, rows)
    with database.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM runs")).scalar_one() == 0


def test_copy_rows_whose_source_fails_leave_nothing_once_rolled_back(database: Database) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        yield (_RUN, "first", 0, 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as conn:
        copy_rows(conn, "runs", _RUNS, rows())
    with database.write() as conn:
        assert conn.execute(text("SELECT count(*) FROM runs")).scalar_one() == 0
        assert copy_rows(conn, "runs", _RUNS, [(_RUN, "later", 0, 1)]) == 1


def test_copy_rows_of_no_rows_is_nothing(database: Database) -> None:
    with database.write() as conn:
        assert copy_rows(conn, "runs", _RUNS, []) == 0
