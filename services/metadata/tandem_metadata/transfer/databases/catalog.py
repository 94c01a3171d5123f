"""What tables a database has: their columns, keys, and which refer to which.

It is read from the database itself, so that tables of every revision are taken over, whether or
not the service uses them.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Connection,
    Date,
    Float,
    Integer,
    LargeBinary,
    String,
    inspect,
)

from tandem_shared.settings import SettingsError


class Kind(enum.Enum):
    """What values a column has."""

    BOOLEAN = enum.auto()
    BYTES = enum.auto()
    DATE = enum.auto()
    DOUBLE = enum.auto()
    INTEGER = enum.auto()
    """Of 32 bits on PostgreSQL, of 64 on SQLite."""
    BIGINT = enum.auto()
    JSON = enum.auto()
    TEXT = enum.auto()


_KINDS: Final = (
    (Boolean, Kind.BOOLEAN),
    (LargeBinary, Kind.BYTES),
    (Date, Kind.DATE),
    (Float, Kind.DOUBLE),
    (BigInteger, Kind.BIGINT),
    (Integer, Kind.INTEGER),
    (JSON, Kind.JSON),
    (String, Kind.TEXT),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is written; generated ones are left to the database."""

    name: str
    kind: Kind
    length: int | None
    """Characters that a text may have."""
    nullable: bool
    numbered: bool
    """Whether PostgreSQL numbers new rows by a sequence of this column."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns of a table that name a row of another."""

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The primary key."""
    uniques: tuple[tuple[str, ...], ...]
    """Other unique keys of all rows."""
    foreign_keys: tuple[ForeignKey, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, in their order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def read(conn: Connection) -> dict[str, Shape]:
    """All tables, by name.

    Raises SettingsError for a column of a type that no revision of MLflow's schema has.
    """
    inspector = inspect(conn)
    keys = inspector.get_multi_pk_constraint()
    uniques = inspector.get_multi_unique_constraints()
    indexes = inspector.get_multi_indexes()
    foreign = inspector.get_multi_foreign_keys()
    shapes = {}
    for at, columns in inspector.get_multi_columns().items():
        name = at[1]
        primary = keys.get(at)
        key = tuple(primary["constrained_columns"]) if primary else ()
        found = [tuple(each["column_names"]) for each in uniques.get(at, ())]
        found += list(_unique_indexes(indexes.get(at, ())))
        shapes[name] = Shape(
            name,
            tuple(_column(name, each) for each in columns if not each.get("computed")),
            key,
            tuple(dict.fromkeys(each for each in found if set(each) != set(key))),
            tuple(
                ForeignKey(
                    tuple(each["constrained_columns"]),
                    each["referred_table"],
                    tuple(each["referred_columns"]),
                )
                for each in foreign.get(at, ())
            ),
        )
    return shapes


def _unique_indexes(indexes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for index in indexes:
        partial = any(name.endswith("_where") for name in index.get("dialect_options", ()))
        if index["unique"] and None not in index["column_names"] and not partial:
            yield tuple(index["column_names"])


def _column(table: str, found: Mapping[str, Any]) -> Column:
    type_ = found["type"]
    kind = next((kind for of, kind in _KINDS if isinstance(type_, of)), None)
    if kind is None:
        raise SettingsError(
            f"Column {found['name']} of table {table} is of the type {type_!r}, which no table of "
            "MLflow's has."
        )
    default = str(found.get("default") or "")
    return Column(
        found["name"],
        kind,
        type_.length if kind is Kind.TEXT else None,
        bool(found["nullable"]),
        numbered=default.startswith("nextval(") or bool(found.get("identity")),
    )


def parents_first(shapes: Mapping[str, Shape]) -> list[Shape]:
    """The tables in an order in which each follows those that its foreign keys refer to."""
    ordered: dict[str, Shape] = {}

    def add(shape: Shape, above: frozenset[str]) -> None:
        for key in shape.foreign_keys:
            if key.table in shapes and key.table not in above:
                add(shapes[key.table], above | {key.table})
        ordered.setdefault(shape.name, shape)

    for name in sorted(shapes):
        add(shapes[name], frozenset({name}))
    return list(ordered.values())
