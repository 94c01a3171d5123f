"""Whether the tables of a revision that Tandem does not know fit what its statements need.

`tables` says what that is, and `trace_schema` for traces. Looked at are tables, columns, types,
NULLs, defaults, keys, CHECKs and foreign keys. Triggers, policies of rows and collations are not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.types import TypeEngine

from tandem_metadata.database import conditions, trace_schema
from tandem_metadata.database.tables import METADATA

_WHOLE: Final = frozenset({"INTEGER", "BIGINT"})
_DOUBLES: Final = frozenset({"FLOAT", "DOUBLE", "DOUBLE_PRECISION"})

_SQL_NAMES: Final = {
    "String": "VARCHAR",
    "Text": "TEXT",
    "BigInteger": "BIGINT",
    "Integer": "INTEGER",
    "Float": "FLOAT",
    "Boolean": "BOOLEAN",
    "NullType": "of an unknown type",
}
_RENAMED: Final = frozenset({"registered_models", "model_versions"})
"""Tables whose rows are renamed and deleted."""
_DELETED: Final = frozenset(
    {*_RENAMED, "trace_info", "spans", "assessments", "evaluation_datasets"}
)
"""Tables whose rows are deleted, not only marked as deleted."""


class _Found(NamedTuple):
    """What the database says of one table."""

    dialect: str
    columns: Mapping[str, Mapping[str, Any]]
    primary_key: frozenset[str]
    unique: Sequence[frozenset[str]]
    """Columns of the primary key, and of every other unique key of all rows."""
    partly_unique: Sequence[str]
    """Names of indexes that are unique among some rows, or by an expression."""
    checks: Sequence[Mapping[str, Any]]
    foreign_keys: Sequence[Mapping[str, Any]]
    has_rowid: bool


def misfits(conn: Connection) -> list[str]:
    """What does not fit, each as a phrase that names the table and, if it is one, the column."""
    needed = {**METADATA.tables, **trace_schema.find(conn).tables()}
    found = _reflect(conn, sorted(needed))
    return [
        *(
            phrase
            for name, table in sorted(needed.items())
            for phrase in (_misfits(table, found[name]) if name in found else [f"no table {name}"])
        ),
        *_references(conn),
    ]


def _reflect(conn: Connection, names: Sequence[str]) -> dict[str, _Found]:
    """The tables that Tandem needs, as far as they are there; a few statements for all."""
    inspector = inspect(conn)
    kinds: dict[str, Mapping[Any, Any]] = {
        "columns": inspector.get_multi_columns(filter_names=names),
        "pk": inspector.get_multi_pk_constraint(filter_names=names),
        "unique": inspector.get_multi_unique_constraints(filter_names=names),
        "indexes": inspector.get_multi_indexes(filter_names=names),
        "checks": inspector.get_multi_check_constraints(filter_names=names),
        "foreign keys": inspector.get_multi_foreign_keys(filter_names=names),
        "options": inspector.get_multi_table_options(filter_names=names),
    }
    tables: dict[str, dict[str, Any]] = {}
    for kind, every in kinds.items():
        for (_, name), one in every.items():
            tables.setdefault(name, {})[kind] = one
    return {name: _found(conn.dialect.name, one) for name, one in tables.items()}


def _found(dialect: str, one: Mapping[str, Any]) -> _Found:
    primary_key = frozenset((one.get("pk") or {}).get("constrained_columns", ()))
    unique = [frozenset(each["column_names"]) for each in one.get("unique", ())]
    partly = []
    for index in one.get("indexes", ()):
        if not index["unique"]:
            continue
        options = index.get("dialect_options", {})
        if None in index["column_names"] or any(key.endswith("_where") for key in options):
            partly.append(index["name"])
        else:
            unique.append(frozenset(index["column_names"]))
    return _Found(
        dialect,
        {column["name"]: column for column in one["columns"]},
        primary_key,
        [primary_key, *unique] if primary_key else unique,
        partly,
        one.get("checks", ()),
        one.get("foreign keys", ()),
        (one.get("options") or {}).get("sqlite_with_rowid", True),
    )


def _misfits(table: Table, found: _Found) -> Iterator[str]:
    for column in table.c:
        if column.name not in found.columns:
            yield f"table {table.name} has no column {column.name}"
        elif why := _column_misfit(column, found, table.autoincrement_column):
            yield f"column {column.name} of table {table.name} {why}"
    for name, given in found.columns.items():
        if name not in table.c and _must_be_given(given):
            yield (
                f"table {table.name} has a column {name}, which Tandem does not know, and which "
                "has no default although it is NOT NULL"
            )
    if not found.has_rowid:
        yield f"table {table.name} is WITHOUT ROWID"
    yield from _key_misfits(table, found)
    yield from _check_misfits(table, found)
    yield from _foreign_key_misfits(table, found)


def _column_misfit(column: Column[Any], found: _Found, numbered: Column[Any] | None) -> str:
    """What is wrong with a column; "" if nothing is."""
    given = found.columns[column.name]
    if not _type_fits(column.type, given["type"], found.dialect):
        return f"is {_shown(given['type'])}, where Tandem needs {_shown(column.type)}"
    if column.nullable and not given["nullable"] and "filled" not in column.info:
        return "is NOT NULL, and Tandem leaves it empty"
    generated = given.get("computed") or (given.get("identity") or {}).get("always")
    if generated and column.computed is None:
        return "is always generated, and Tandem writes it"
    if column.computed is not None and not generated:
        return "is not generated, and Tandem leaves it to the database"
    if column is numbered and not _numbers(given, found):
        return "has no default, and Tandem leaves it to the database"
    return ""


def _numbers(given: Mapping[str, Any], found: _Found) -> bool:
    """Whether the database numbers new rows in this column."""
    if found.dialect == "sqlite":  # where only a key of just this type is the rowid
        return found.primary_key == {given["name"]} and _name(given["type"]) == "INTEGER"
    return bool(given["default"] or given.get("identity"))


def _must_be_given(given: Mapping[str, Any]) -> bool:
    return not (
        given["nullable"]
        or given["default"] is not None
        or given.get("computed")
        or given.get("identity")
    )


def _type_fits(needed: TypeEngine[Any], given: TypeEngine[Any], dialect: str) -> bool:
    """Whether a column takes every value that Tandem may write, and gives it back as it was.

    Declared lengths count on SQLite too, although it enforces none: other programs rely on them.
    """
    name = _name(given)
    if isinstance(needed, String):
        length = getattr(given, "length", None)
        return name in ("VARCHAR", "TEXT") and (
            length is None or (needed.length is not None and length >= needed.length)
        )
    if isinstance(needed, BigInteger):
        return name == "BIGINT"
    if isinstance(needed, Integer):
        return name in _WHOLE
    if isinstance(needed, JSON):
        return name == "JSON"
    if isinstance(needed, Float):
        return name in _DOUBLES or (dialect == "sqlite" and name == "REAL")
    return isinstance(needed, Boolean) and name == "BOOLEAN"


def _name(given: TypeEngine[Any]) -> str:
    return type(given).__name__


def _shown(of: TypeEngine[Any]) -> str:
    length = getattr(of, "length", None)
    name = _SQL_NAMES.get(_name(of), _name(of))
    return f"{name}({length})" if length else name


def _key_misfits(table: Table, found: _Found) -> Iterator[str]:
    """A key that Tandem relies on must be there, and no other may refuse its rows."""
    needed = [frozenset(column.name for column in table.primary_key)]
    needed += [
        frozenset(column.name for column in each.columns)
        for each in table.constraints
        if isinstance(each, UniqueConstraint)
    ]
    needed += [
        frozenset(column.name for column in each.columns) for each in table.indexes if each.unique
    ]
    for key in needed:
        exact = "upserted" in table.info and key is needed[0]
        if not any(_is_key(key, given, table, exact) for given in found.unique):
            yield f"({_list(key)}) is not a unique key of table {table.name}"
    for given in found.unique:
        if not any(given >= key for key in needed):
            yield (
                f"table {table.name} has a unique key ({_list(given)}), which Tandem does not know"
            )
    for name in found.partly_unique:
        yield f"table {table.name} has a unique index {name}, which Tandem does not know"


def _is_key(needed: frozenset[str], given: frozenset[str], table: Table, exact: bool) -> bool:
    """Whether a unique key keeps Tandem's rows apart by the needed columns.

    Columns that Tandem does not know have one value in all its rows, such as the workspace.
    """
    return given == needed or (
        not exact and given > needed and not (given - needed) & set(table.c.keys())
    )


def _check_misfits(table: Table, found: _Found) -> Iterator[str]:
    allowed = conditions.allowed_values(table)
    for check in found.checks:
        named = conditions.columns(check["sqltext"], found.columns) & set(table.c.keys())
        chosen = conditions.parse(check["sqltext"])
        wanted = allowed.get(chosen.column) if chosen else None
        if named and not (chosen and wanted and chosen.values >= wanted):
            yield (
                f"table {table.name} has a CHECK {check['name'] or ''} on {_list(named)}, which "
                "Tandem does not know"
            )


def _foreign_key_misfits(table: Table, found: _Found) -> Iterator[str]:
    """Keys by which a rename goes along must do so; new ones may refuse rows."""
    needed = {
        (key.referred_table.name, frozenset(key.column_keys)): key.onupdate
        for key in table.foreign_key_constraints
    }
    updated = set()
    for key in found.foreign_keys:
        named = frozenset(key["constrained_columns"]) & set(table.c.keys())
        known = (key["referred_table"], named)
        if named and known not in needed:
            yield (
                f"table {table.name} has a foreign key of {_list(named)} to table "
                f"{key['referred_table']}, which Tandem does not know"
            )
        if key.get("options", {}).get("onupdate", "").upper() == "CASCADE":
            updated.add(known)
    for (referred, columns), onupdate in needed.items():
        if onupdate and (referred, columns) not in updated:
            yield (
                f"table {table.name} has no foreign key of {_list(columns)} to table {referred} "
                "that follows its updates"
            )


def _references(conn: Connection) -> Iterator[str]:
    """Other tables must let go of what Tandem renames and deletes."""
    for (_, name), keys in inspect(conn).get_multi_foreign_keys().items():
        for key in keys:
            options = {kind: text.upper() for kind, text in key.get("options", {}).items()}
            to = key["referred_table"]
            lets_go = options.get("ondelete") in ("CASCADE", "SET NULL", "SET DEFAULT")
            follows = to not in _RENAMED or options.get("onupdate") == "CASCADE"
            if name not in METADATA.tables and to in _DELETED and not (lets_go and follows):
                yield (
                    f"table {name} has a foreign key to table {to} that would keep its rows from "
                    f"being {'renamed or ' if to in _RENAMED else ''}deleted"
                )


def _list(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names))
