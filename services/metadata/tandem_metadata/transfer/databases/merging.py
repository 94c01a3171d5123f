"""A target that holds rows gets those that it lacks; what it has stays as it is.

Only what was unfinished there, a run or a trace, is brought to its end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases import conflicts, sequences, staging
from tandem_metadata.transfer.databases.catalog import Shape
from tandem_metadata.transfer.databases.identifiers import UNFINISHED
from tandem_metadata.transfer.databases.plan import Plan
from tandem_metadata.transfer.databases.staging import WHY, count, differs, is_there, same, staged
from tandem_metadata.transfer.report import Mismatch, Report

Writing = Callable[[], AbstractContextManager[Connection]]
"""Opens a transaction of the connection that has the temporary tables."""

_BATCH: Final = 5_000
_BATCHES: Final = {"spans": 500, "assessments": 1_000, "trace_request_metadata": 1_000}
"""Rows that are written at once, where they are long."""

_TAKEN: Final = f"s.{WHY} IS NULL"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a table has of the rows that are to be taken."""

    shape: Shape
    missing: int
    """Rows that it is to get."""
    differing: int
    """Rows that it has with other values, which stay."""


def compare(conn: Connection, plan: Plan, report: Report) -> list[Compared]:
    """Stage the rows, and count what is there, what is missing and what is left out.

    Writes to temporary tables only. The tables come in the order in which they are to be written.
    """
    staging.fill(conn, plan, report)
    _use_there_datasets(conn, plan, report)
    left_out = conflicts.mark(conn, plan.shapes, report)
    compared = []
    for shape in conflicts.ordered(plan.shapes):
        found = plan.checksums[shape.name].rows
        there = count(conn, shape, f"{_TAKEN} AND {is_there(shape)}")
        differing = 0
        if there:
            unequal = is_there(shape, differs(shape, conn.dialect.name))
            differing = count(conn, shape, f"{_TAKEN} AND {unequal}")
        missing = found - there - left_out[shape.name]
        report.found(shape.name, found)
        report.already_there(shape.name, there)
        report.imported(shape.name, missing)
        compared.append(Compared(shape, missing, differing))
    return compared


def write(
    writing: Writing, compared: Sequence[Compared], report: Report, *, batches: bool = False
) -> None:
    """Write what is missing; with `batches`, in transactions so short that others do not wait.

    What is not as counted then is in `report.mismatches`. Without batches, `writing` opens one
    transaction, which the caller rolls back in that case.
    """
    updated: dict[str, int] = {}
    for each in compared:
        with writing() as conn:
            updated[each.shape.name] = _finish(conn, each)
        if each.missing:
            written = sum(_insert(writing, each.shape, batches))
            if written != each.missing:
                report.mismatches.append(
                    Mismatch(each.shape.name, f"{each.missing} rows", f"{written} rows")
                )
    with writing() as conn:
        sequences.advance(conn, [each.shape for each in compared if each.missing])
        for each in compared:
            if left := count(conn, each.shape, f"{_TAKEN} AND NOT {is_there(each.shape)}"):
                report.mismatches.append(Mismatch(each.shape.name, "0 missing", f"{left} missing"))
    _tell(compared, updated, report)


def _tell(compared: Sequence[Compared], updated: Mapping[str, int], report: Report) -> None:
    for name, number in updated.items():
        if number:
            report.notes.append(
                f"{number:,} rows of {name} were unfinished, and brought up to date."
            )
    for each in compared:
        if stay := each.differing - updated.get(each.shape.name, 0):
            report.notes.append(
                f"{stay:,} rows of {each.shape.name} differ from those of the source, and stay as "
                "they are."
            )


def _insert(writing: Writing, shape: Shape, batches: bool) -> Iterator[int]:
    columns = ", ".join(quoted(name) for name in shape.names)
    values = ", ".join(f"s.{quoted(name)}" for name in shape.names)
    statement = (
        f"INSERT INTO {quoted(shape.name)} ({columns}) SELECT {values} "
        f"FROM {staged(shape.name)} AS s WHERE {_TAKEN} AND NOT {is_there(shape)}"
    )
    if not batches:
        with writing() as conn:
            yield conn.exec_driver_sql(statement).rowcount
        return
    size = _BATCHES.get(shape.name, _BATCH)
    with writing() as conn:
        last = conn.exec_driver_sql(f"SELECT max(rowid) FROM {staged(shape.name)}").scalar() or 0
    for first in range(0, last, size):
        with writing() as conn:
            chosen = f"{statement} AND s.rowid > {first} AND s.rowid <= {first + size}"
            yield conn.exec_driver_sql(chosen).rowcount


def _finish(conn: Connection, each: Compared) -> int:
    """Bring rows up to date that were unfinished when they came, and latest metrics."""
    shape = each.shape
    if not each.differing:
        return 0
    if shape.name == "latest_metrics":
        newer = (
            "(s.step, s.timestamp, CASE WHEN s.is_nan THEN 0 ELSE s.value END) > "
            "(t.step, t.timestamp, CASE WHEN t.is_nan THEN 0 ELSE t.value END)"
        )
        return _update(conn, shape, ("value", "timestamp", "step", "is_nan"), newer)
    if shape.name not in UNFINISHED:
        return 0
    column, values, changed = UNFINISHED[shape.name]
    known = ", ".join(repr(value) for value in values)
    dialect = conn.dialect.name
    condition = f"t.{quoted(column)} IN ({known}) AND {differs(shape, dialect, changed)}"
    return _update(conn, shape, changed, condition)


def _update(conn: Connection, shape: Shape, columns: Sequence[str], condition: str) -> int:
    changes = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in columns)
    return conn.exec_driver_sql(
        f"UPDATE {quoted(shape.name)} AS t SET {changes} FROM {staged(shape.name)} AS s "
        f"WHERE {_TAKEN} AND {same(shape.key, 't', 's')} AND {condition}"
    ).rowcount


def _use_there_datasets(conn: Connection, plan: Plan, report: Report) -> None:
    """Have inputs name the target's datasets where it has the same under other ids."""
    shape = plan.shape("datasets")
    if shape is None or plan.shape("inputs") is None:
        return
    there = f"FROM {staged('datasets')} AS s JOIN datasets AS t ON {same(shape.key, 't', 's')}"
    other = "s.dataset_uuid <> t.dataset_uuid"
    number = conn.exec_driver_sql(f"SELECT count(*) {there} WHERE {other}").scalar_one()
    if number:
        named = f"{there} WHERE {other} AND s.dataset_uuid = i.source_id"
        conn.exec_driver_sql(
            f"UPDATE {staged('inputs')} AS i SET source_id = (SELECT t.dataset_uuid {named}) "
            f"WHERE i.source_type = 'DATASET' AND EXISTS (SELECT 1 {named})"
        )
        report.notes.append(f"{number:,} datasets of inputs have other ids in the target.")
