"""Rows in every table of a database, made from its catalog: whatever a revision has, is filled."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.transfer.copying import copy_rows
from tandem_metadata.transfer.databases import catalog
from tandem_metadata.transfer.databases.catalog import Column, Kind, Shape

ROWS: Final = 3
_EXPERIMENTS: Final = (1, 7, 2_000_000_000)
_DOUBLES: Final = (0.1 + 0.2, 5e-324, -1.7976931348623157e308)
_TEXTS: Final = ("tab\tnew\nline\\N \\. end", "üñí ✓ 😀 'q' \"d\"", "")
_JSON: Final = ('{"b": [1.50, null],  "a": "\\u00e9"}', "[]", "1.5")
_KEPT: Final = frozenset({"alembic_version", "alembic_version_auth"})
_CHOSEN: Final[Mapping[str, Sequence[str]]] = {
    "lifecycle_stage": ("active", "deleted", "active"),
    "source_type": ("LOCAL", "JOB", "PROJECT"),
    "runs.status": ("RUNNING", "FINISHED", "KILLED"),
    "workspace": ("default", "default", "default"),
}
"""Values where the database allows a few only; others of that name may have any."""


def fill(
    conn: Connection, experiments: Sequence[int] = _EXPERIMENTS, *, without: Sequence[str] = ()
) -> int:
    """Add three rows to each table but those of `without`; returns the number of all of them."""
    shapes = catalog.read(conn)
    made: dict[str, list[dict[str, Any]]] = {}
    number = 0
    for shape in catalog.parents_first(shapes):
        if shape.name in _KEPT or shape.name in without:
            continue
        rows = [_row(shape, i, made, experiments) for i in range(ROWS)]
        made[shape.name] = rows
        given = [tuple(row.values()) for row in rows]
        number += copy_rows(conn, shape.name, shape.names, given)
    return number


def _row(
    shape: Shape, i: int, made: Mapping[str, list[dict[str, Any]]], experiments: Sequence[int]
) -> dict[str, Any]:
    row = {column.name: _value(shape, column, i, experiments) for column in shape.columns}
    for key in shape.foreign_keys:
        if key.table in made:
            parent = made[key.table][i]
            for own, referred in zip(key.columns, key.referred, strict=True):
                row[own] = parent[referred]
    return row


def _value(shape: Shape, column: Column, i: int, experiments: Sequence[int]) -> Any:
    unique = {*shape.key, *(name for key in shape.uniques for name in key)}
    if column.name == "experiment_id":
        return str(experiments[i]) if column.kind is Kind.TEXT else experiments[i]
    chosen = _CHOSEN.get(f"{shape.name}.{column.name}") or _CHOSEN.get(column.name)
    if chosen:
        return chosen[i]
    if column.nullable and i == 2:
        return None
    if column.kind is Kind.TEXT:
        text = f"{shape.name[:12]} {column.name[:12]} {i}"
        if column.name not in unique and not column.name.endswith(("_id", "_type")):
            text += _TEXTS[i]
        return text[: column.length]
    values: Mapping[Kind, Any] = {
        Kind.BOOLEAN: i % 2,
        Kind.BYTES: bytes(range(256)) * i,
        Kind.DATE: f"2026-0{i + 1}-28",
        Kind.DOUBLE: _DOUBLES[i],
        Kind.INTEGER: i + 5,
        Kind.BIGINT: 2**60 + i,
        Kind.JSON: _JSON[i],
    }
    return values[column.kind]
