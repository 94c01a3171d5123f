"""Rows whose foreign keys name rows that are missing: SQLite checks keys only if it is told to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import ForeignKey, Shape, parents_first
from tandem_metadata.transfer.databases.source import Source


class Orphans(NamedTuple):
    """Rows of a table without what they belong to."""

    table: str
    parents: str
    rows: int


class Kept(NamedTuple):
    """Which rows remain without the orphans."""

    conditions: Mapping[str, str]
    """A condition of SQL by table, of those that have orphans."""
    orphans: Sequence[Orphans]


def find(source: Source, shapes: Mapping[str, Shape]) -> Kept:
    """The orphans among rows of these tables, and those who would be if these were dropped."""
    conditions: dict[str, str] = {}
    found = []
    for shape in parents_first(shapes):
        keys = [key for key in shape.foreign_keys if _counts(key, shape, shapes)]
        if source.dialect != "sqlite" or not keys:
            continue

        condition = " AND ".join(_is_there(key, shape, conditions) for key in keys)
        statement = f"SELECT count(*) FROM {quoted(shape.name)} WHERE NOT ({condition})"
        (count,) = source.scalars(statement)
        if count:
            conditions[shape.name] = condition
            parents = ", ".join(dict.fromkeys(key.table for key in keys))
            found.append(Orphans(shape.name, parents, count))
    return Kept(conditions, found)


def _counts(key: ForeignKey, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    return key.table in shapes and key.table != shape.name


def _is_there(key: ForeignKey, shape: Shape, conditions: Mapping[str, str]) -> str:
    """A condition on a row of the table: it names a row that is kept, or none."""
    own = [f"{quoted(shape.name)}.{quoted(name)}" for name in key.columns]
    parent = quoted(key.table)
    same = " AND ".join(
        f"{parent}.{quoted(name)} = {mine}" for name, mine in zip(key.referred, own, strict=True)
    )
    kept = f" AND ({conditions[key.table]})" if key.table in conditions else ""
    missing = " OR ".join(f"{mine} IS NULL" for mine in own)
    return f"({missing} OR EXISTS (SELECT 1 FROM {parent} WHERE {same}{kept}))"
