"""What was read of each run, and whether the database holds it afterwards."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from tandem_metadata.store.dialect.texts import any_of_texts, given_texts
from tandem_metadata.transfer.report import Mismatch, Report

_RUNS: Final = 500
"""Runs whose rows are counted by one statement."""
_TABLES: Final = ("params", "tags", "metrics")


class Expected(Struct):
    """How many rows a run has at least, and, if it is `exact`, at most."""

    params: int = 0
    tags: int = 0
    metrics: int = 0
    exact: bool = True


class Ledger:
    """The runs of one experiment that were written, with the rows that they must have."""

    def __init__(self) -> None:
        self._runs: dict[str, Expected] = {}

    def expect(self, run_id: str, expected: Expected) -> None:
        """Remember what a run must have."""
        self._runs[run_id] = expected

    def check(self, conn: Connection, report: Report) -> None:
        """Count the rows of all these runs, and tell the report what differs."""
        waiting = iter(self._runs.items())
        while part := dict(islice(waiting, _RUNS)):
            for table in _TABLES:
                found = _counts(conn, table, [*part])
                for run_id, expected in part.items():
                    wanted: int = getattr(expected, table)
                    count = found.get(run_id, 0)
                    if count < wanted or (expected.exact and count > wanted):
                        what = f"{table} of run {run_id}"
                        report.mismatches.append(Mismatch(what, f"{wanted}", f"{count}"))


def _counts(conn: Connection, table: str, run_ids: Sequence[str]) -> dict[str, int]:
    found = conn.exec_driver_sql(
        f"SELECT run_uuid, count(*) FROM {table} WHERE run_uuid {any_of_texts(conn)} "
        "GROUP BY run_uuid",
        given_texts(conn, run_ids),
    )
    return {row[0]: row[1] for row in found}
