"""What the target would refuse or change, found before anything is written.

SQLite enforces neither lengths nor types, so its files hold what PostgreSQL does not take.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tandem_metadata.database.pool import Dialect
from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import Column, Kind, Shape
from tandem_metadata.transfer.databases.source import LENGTH, Source

LARGEST: Final = 2**31 - 1
"""Of PostgreSQL's `integer`."""

TOO_LONG: Final = "longer than {} characters"
NUL: Final = "with a NUL, which becomes U+FFFD"
NO_JSON: Final = "with NaN or Infinity in JSON, which become null"
NAN: Final = "NaN, which becomes NULL"

_SAMPLES: Final = 3
_SHOWN: Final = 60  # characters of a key


@dataclass(frozen=True, slots=True)
class Finding:
    """Values of a column that the target does not take as they are."""

    table: str
    column: str
    problem: str
    count: int
    samples: tuple[str, ...]
    """Keys of some of the rows."""
    mended: bool
    """Whether they are written changed. If not, nothing is written."""

    def __str__(self) -> str:
        rows = "1 value" if self.count == 1 else f"{self.count:,} values"
        return f"{rows} {self.problem}, as of {'; '.join(self.samples)}"


@dataclass(frozen=True, slots=True)
class _Check:
    column: Column
    problem: str
    condition: str
    mended: bool = False


def find(
    source: Source,
    shapes: Mapping[str, Shape],
    into: Mapping[str, Shape],
    conditions: Mapping[str, str],
    *,
    to: Dialect,
    truncate: bool,
    renumbered: bool,
) -> list[Finding]:
    """Look through the rows that are to be taken, those for which `conditions` hold.

    With `truncate`, texts that are too long are mended. With `renumbered`, ids of experiments may
    be of any size.
    """
    found: list[Finding] = []
    for name, shape in shapes.items():
        checks = [
            check
            for column in shape.columns
            for check in _checks(
                column, into[name].column(column.name), source.dialect, to, truncate, renumbered
            )
        ]
        found += _of_table(source, shape, checks, conditions.get(name, ""))
    return found


def _of_table(
    source: Source, shape: Shape, checks: Sequence[_Check], kept: str
) -> Iterator[Finding]:
    if not checks:
        return
    counts = ", ".join(f"count(CASE WHEN {check.condition} THEN 1 END)" for check in checks)
    where = f" WHERE {kept}" if kept else ""
    numbers = source.scalars(f"SELECT {counts} FROM {quoted(shape.name)}{where}")
    for check, count in zip(checks, numbers, strict=True):
        if not count:
            continue
        condition = f"({check.condition}) AND ({kept})" if kept else check.condition
        mended = check.mended
        problem = check.problem
        if check.column.kind is Kind.JSON and not _all_mendable(source, shape, check, condition):
            mended, problem = False, "that is not JSON"
        samples = tuple(_samples(source, shape, condition))
        yield Finding(shape.name, check.column.name, problem, count, samples, mended)


def _samples(source: Source, shape: Shape, condition: str) -> Iterator[str]:
    columns = ", ".join(quoted(name) for name in shape.key or shape.names[:1])
    statement = f"SELECT {columns} FROM {quoted(shape.name)} WHERE {condition} LIMIT {_SAMPLES}"
    for row in source.all(statement):
        yield " ".join(_short(value) for value in row)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _all_mendable(source: Source, shape: Shape, check: _Check, condition: str) -> bool:
    column = quoted(check.column.name)
    try:
        for (value,) in source.all(
            f"SELECT CAST({column} AS TEXT) FROM {quoted(shape.name)} WHERE {condition}"
        ):
            json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _checks(
    column: Column, into: Column, dialect: Dialect, to: Dialect, truncate: bool, renumbered: bool
) -> Iterator[_Check]:
    name = quoted(column.name)
    if column.nullable and not into.nullable:
        yield _Check(column, "NULL, which the target does not take", f"{name} IS NULL")
    if to == "sqlite":
        if dialect == "postgresql" and column.kind is Kind.DOUBLE:
            nan = f"{name} = 'NaN'::float8"
            problem = NAN if into.nullable else "NaN, which SQLite does not store"
            yield _Check(column, problem, nan, mended=into.nullable)
        return
    if dialect == "postgresql":
        if into.length and (column.length is None or column.length > into.length):
            condition = f"char_length({name}) > {into.length}"
            yield _Check(column, TOO_LONG.format(into.length), condition, mended=truncate)
        return
    yield from _of_sqlite(column, into, truncate, renumbered)


def _of_sqlite(column: Column, into: Column, truncate: bool, renumbered: bool) -> Iterator[_Check]:
    """What SQLite stores in a column of a kind, and PostgreSQL does not."""
    name = quoted(column.name)
    kind = into.kind
    if kind in (Kind.INTEGER, Kind.BIGINT):
        yield _Check(column, "not an integer", f"typeof({name}) NOT IN ('integer', 'null')")
        if kind is Kind.INTEGER and not (renumbered and column.name == "experiment_id"):
            outside = f"typeof({name}) = 'integer' AND {name} NOT BETWEEN -{LARGEST} AND {LARGEST}"
            yield _Check(column, f"beyond {LARGEST}", outside)
    elif kind is Kind.DOUBLE:
        yield _Check(column, "not a number", f"typeof({name}) NOT IN ('real', 'integer', 'null')")
    elif kind is Kind.BOOLEAN:
        yield _Check(column, "neither 0 nor 1", f"{name} IS NOT NULL AND {name} NOT IN (0, 1)")
    elif kind is Kind.BYTES:
        yield _Check(column, "not bytes", f"typeof({name}) NOT IN ('blob', 'null')")
    elif kind is Kind.JSON:
        invalid = f"{name} IS NOT NULL AND NOT json_valid(CAST({name} AS TEXT))"
        yield _Check(column, NO_JSON, invalid, mended=True)
    elif kind is Kind.TEXT:
        yield _Check(column, "not text", f"typeof({name}) NOT IN ('text', 'null')")
        yield _Check(column, NUL, f"instr(CAST({name} AS BLOB), x'00') > 0", mended=True)
        if into.length:
            # SQLite itself counts characters up to the first NUL. Most texts have too few bytes.
            longer = (
                f"length(CAST({name} AS BLOB)) > {into.length} AND {LENGTH}({name}) > {into.length}"
            )
            yield _Check(column, TOO_LONG.format(into.length), longer, mended=truncate)
