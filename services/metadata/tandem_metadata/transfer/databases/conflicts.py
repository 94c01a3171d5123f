"""Staged rows that are left out: what has their id or name in the target is something else.

What belongs to such a row is left out with it, so that nothing is taken by half.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import ForeignKey, Shape, parents_first
from tandem_metadata.transfer.databases.identifiers import IDENTITY, REFERENCES, Reference
from tandem_metadata.transfer.databases.staging import (
    WHY,
    count,
    differs,
    is_there,
    same,
    staged,
)
from tandem_metadata.transfer.report import MOST_LISTED, Report

_BELONGS: Final = "belongs to something that was skipped"


@dataclass(frozen=True, slots=True)
class _Parent:
    """A table that rows refer to, and by which of their columns."""

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    condition: str = ""


def ordered(shapes: Sequence[Shape]) -> list[Shape]:
    """The tables, each after those that its rows belong to, with or without a foreign key."""
    by_name = {shape.name: shape for shape in shapes}
    extended = {
        shape.name: dataclasses.replace(
            shape,
            foreign_keys=tuple(
                ForeignKey(each.columns, each.table, each.referred) for each in _parents(shape)
            ),
        )
        for shape in shapes
    }
    return [by_name[each.name] for each in parents_first(extended)]


def _parents(shape: Shape) -> Iterator[_Parent]:
    for key in shape.foreign_keys:
        yield _Parent(key.columns, key.table, key.referred)
    for reference in REFERENCES:
        if reference.table == shape.name:
            condition = _of_kind(reference)
            yield _Parent((reference.column,), reference.parent, (reference.referred,), condition)


def _of_kind(reference: Reference) -> str:
    if reference.kind is None:
        return ""
    kinds = ", ".join(f"'{kind}'" for kind in reference.kinds)
    return f" AND s.{quoted(reference.kind)} IN ({kinds})"


def mark(conn: Connection, shapes: Sequence[Shape], report: Report) -> dict[str, int]:
    """Mark the rows that are left out, list them in the report, and count them by table."""
    left_out: dict[str, int] = {}
    for shape in ordered(shapes):
        for parent in _parents(shape):
            if left_out.get(parent.table):
                _mark_children(conn, shape, parent)
        _mark(conn, shape, *_another(conn, shape))
        for unique in shape.uniques:
            _mark(conn, shape, *_taken(shape, unique))
        left_out[shape.name] = count(conn, shape, f"s.{WHY} IS NOT NULL")
        if left_out[shape.name]:
            _list(conn, shape, report)
    return left_out


def _mark_children(conn: Connection, shape: Shape, parent: _Parent) -> None:
    where = " AND ".join(
        f"p.{quoted(theirs)} = s.{quoted(own)}"
        for own, theirs in zip(parent.columns, parent.referred, strict=True)
    )
    exists = f"EXISTS (SELECT 1 FROM {staged(parent.table)} AS p WHERE p.{WHY} IS NOT NULL"
    _mark(conn, shape, f"{_BELONGS} ({parent.table})", f"{exists} AND {where}){parent.condition}")


def _another(conn: Connection, shape: Shape) -> tuple[str, str]:
    """Rows of the same key that are of different things."""
    dialect = conn.dialect.name
    if shape.name == "experiments":
        # An experiment may be renamed; two databases count from 1, but not at the same moment.
        named, made = (differs(shape, dialect, [name]) for name in ("name", "creation_time"))
        other = f"s.experiment_id <> 0 AND {named} AND ({made} OR s.creation_time IS NULL)"
        return "the target has another experiment of this id", is_there(shape, other)
    if columns := IDENTITY.get(shape.name):
        reason = f"the target has another of this name or id (its {', '.join(columns)} differs)"
        return reason, is_there(shape, differs(shape, dialect, columns))
    return "", ""


def _taken(shape: Shape, unique: Sequence[str]) -> tuple[str, str]:
    """Rows that the target has under another key."""
    key = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in shape.key)
    exists = f"EXISTS (SELECT 1 FROM {quoted(shape.name)} AS t WHERE {same(unique, 't', 's')}"
    reason = f"the target has another with this {' and '.join(unique)}"
    return reason, f"{exists} AND NOT ({key})) AND NOT {is_there(shape)}"


def _mark(conn: Connection, shape: Shape, reason: str, condition: str) -> None:
    if condition:
        conn.exec_driver_sql(
            f"UPDATE {staged(shape.name)} AS s SET {WHY} = '{reason}' "
            f"WHERE s.{WHY} IS NULL AND {condition}"
        )


def _list(conn: Connection, shape: Shape, report: Report) -> None:
    belongs = f"substr(s.{WHY}, 1, {len(_BELONGS)}) = '{_BELONGS}'"
    key = ", ".join(f"s.{quoted(name)}" for name in shape.key)
    label = ", s.name" if shape.name == "experiments" else ""
    found = conn.exec_driver_sql(
        f"SELECT s.{WHY}, {key}{label} FROM {staged(shape.name)} AS s "
        f"WHERE s.{WHY} IS NOT NULL AND NOT {belongs} LIMIT {MOST_LISTED}"
    )
    for why, *values in found:
        report.skip(shape.name, f"{shape.name} {' '.join(map(str, values))}", why)
    grouped = conn.exec_driver_sql(
        f"SELECT s.{WHY}, count(*) FROM {staged(shape.name)} AS s WHERE {belongs} GROUP BY s.{WHY}"
    )
    for why, number in grouped:
        report.skip(shape.name, f"{number:,} rows of {shape.name}", why, number)
