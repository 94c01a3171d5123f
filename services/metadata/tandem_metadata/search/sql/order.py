"""The order of search results, and where a page ends in it.

Each term is a rank and a value. The rank is 0 where there is a value; null values and NaN have
ranks of their own. The ranks and values of a row are its position. The next page begins after that
position, whatever was added or removed meanwhile. A term of a NOT NULL column has no rank, and a
term whose rank only puts nulls last is sorted by NULLS LAST, so that an index can serve both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    and_,
    case,
    false,
    literal,
    true,
)

from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.fields import Entity, Order, Resource
from tandem_metadata.search.language.lexer import is_text, shown
from tandem_metadata.search.language.parser import parse_sort_key
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql.tracking_compile import RUN_COLUMNS, RUN_TABLES
from tandem_shared.errors import InvalidParameter

MAX_CLAUSES: Final = 32
"""Each clause may join a table, and SQLite joins at most 64."""

LATEST_FIRST: Final = RUNS.order(parse_sort_key("start_time DESC"))
"""How runs are sorted where nothing else is asked for."""

_MAX_CACHED: Final = 1_000
"""Characters of the clauses of an ordering that is cached."""

_RANKS: Final = range(-1, 3)
_INT64: Final = 2**63

Position = Sequence[tuple[int, str | None]]
"""A rank and, where the rank is 0, the value as text, for each term."""


@dataclass(frozen=True, slots=True)
class Term:
    """A sort criterion: by rank, and by value within rank 0, where it is not null.

    Without a rank every row has rank 0. With `nulls_last` the rank is 1 for nulls and 0 otherwise.
    """

    rank: ColumnElement[int] | None
    value: ColumnElement[Any]
    ascending: bool
    nulls_last: bool = False

    def clauses(self) -> list[ColumnElement[Any]]:
        """Its arguments of ORDER BY."""
        value = self.value.asc() if self.ascending else self.value.desc()
        if self.nulls_last:
            return [value.nulls_last()]
        return [value] if self.rank is None else [self.rank, value]

    def after(
        self, rank: int, written: str | None
    ) -> list[tuple[ColumnElement[bool], ColumnElement[bool]]]:
        """Conditions, and whether a row is after that rank and value; the first that holds counts.

        None holds for an equal row. Raises ValueError for a rank or a value that no row can have.
        """
        results: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = []
        if self.rank is not None:
            results += [(self.rank > rank, true()), (self.rank < rank, false())]
        if rank not in (_RANKS if self.rank is not None else (0,)):
            raise ValueError("no such rank")
        if rank == 0:
            value = _read(self.value, written)
            further = self.value > value if self.ascending else self.value < value
            results += [(further, true()), (self.value != value, false())]
        return results


@dataclass(frozen=True, slots=True)
class Ordering:
    """The criteria of a search, most significant first, and the rows to search in.

    `source` is the searched table with what the criteria need joined to it, one row each.
    """

    terms: list[Term]
    source: FromClause

    def columns(self) -> list[ColumnElement[Any]]:
        """What to select beside the table's own columns, for `position`."""
        labelled: list[ColumnElement[Any]] = []
        for index, term in enumerate(self.terms):
            rank = literal(0) if term.rank is None else term.rank
            labelled += [rank.label(f"rank_{index}"), term.value.label(f"value_{index}")]
        return labelled

    def clauses(self) -> list[ColumnElement[Any]]:
        """The arguments of ORDER BY."""
        return [argument for term in self.terms for argument in term.clauses()]

    def position(self, row: Any) -> Position:
        """The position of a row that has `columns`."""
        fields = row._mapping
        return [
            (fields[f"rank_{index}"], _written(fields[f"value_{index}"]))
            for index in range(len(self.terms))
        ]

    def after(self, position: Position) -> ColumnElement[bool]:
        """What rows after the position satisfy.

        Raises ValueError when the position is none of this ordering.
        """
        if len(position) != len(self.terms):
            raise ValueError("the position has another number of terms")
        # One flat CASE: nested ORs overflow SQLite's parser. Its results are booleans: PostgreSQL
        # estimates that a comparison with a CASE holds for 0.5 % of the rows, and then chooses
        # nested loops.
        results: list[tuple[ColumnElement[bool], ColumnElement[bool]]] = []
        for term, (rank, written) in zip(self.terms, position, strict=True):
            results += term.after(rank, written)
        return and_(*self._bound(position), case(*results, else_=false()))

    def _bound(self, position: Position) -> list[ColumnElement[bool]]:
        """What lets an index on a NOT NULL first term be entered, which the CASE does not."""
        term, written = self.terms[0], position[0][1]
        if term.rank is not None:
            return []
        value = _read(term.value, written)
        return [term.value >= value if term.ascending else term.value <= value]


@dataclass(frozen=True, slots=True)
class RunOrdering(Ordering):
    """The ordering of runs, and what it goes by first."""

    first: Order

    @property
    def latest_first(self) -> bool:
        """Whether it is by start time alone, the latest first."""
        return len(self.terms) == 2 and self.first == LATEST_FIRST

    @property
    def metric(self) -> str | None:
        """The key of the metric that it goes by first, if it does."""
        return self.first.field.key if self.first.field.entity is Entity.METRIC else None


def order_runs(clauses: Sequence[str]) -> RunOrdering:
    """The ordering of runs: as asked, then the latest started first, then by id.

    NaN comes after numbers, and null after NaN, in either direction. Raises
    InvalidParameter for a clause that names no field of runs or names one again.
    """
    if sum(map(len, clauses)) > _MAX_CACHED:
        return _order_runs(clauses)
    return _cached_run_ordering(tuple(clauses))


@lru_cache(maxsize=256)
def _cached_run_ordering(clauses: tuple[str, ...]) -> RunOrdering:
    """Clients use few orderings, and making one costs as much as a small query."""
    return _order_runs(clauses)


def _order_runs(clauses: Sequence[str]) -> RunOrdering:
    source: FromClause = runs
    terms: list[Term] = []
    seen = set()
    wanted = parsed(clauses, RUNS)
    for order in wanted:
        field = (order.field.entity, order.field.key)
        if field in seen:
            name = f"{order.field.entity.value} {shown(order.field.key)}"
            raise InvalidParameter(
                f"`order_by` contains duplicate fields: it names the {name} twice; remove one."
            )
        seen.add(field)
        if order.field.entity is Entity.ATTRIBUTE:
            terms.append(nulls_last(RUN_COLUMNS[order.field.key], order.ascending))
            continue
        rows = RUN_TABLES[order.field.entity].alias()
        mine = and_(rows.c.run_uuid == runs.c.run_uuid, rows.c.key == order.field.key)
        source = source.outerjoin(rows, mine)
        if order.field.entity is Entity.METRIC:
            terms.append(_nan_last(rows.c.value, rows.c.is_nan, order.ascending))
        else:
            terms.append(nulls_last(rows.c.value, order.ascending))
    if (Entity.ATTRIBUTE, "start_time") not in seen:
        terms.append(nulls_last(runs.c.start_time, ascending=False))
    terms.append(not_null(runs.c.run_uuid, ascending=True))
    return RunOrdering(terms, source, wanted[0] if wanted else LATEST_FIRST)


def order_experiments(clauses: Sequence[str]) -> Ordering:
    """The ordering of experiments: as asked, else the latest created first.

    Ties go by id, descending where an order was asked for, and null times count as the smallest,
    as in MLflow on SQLite. Raises InvalidParameter for a clause that names no field of experiments.
    """
    wanted = {order.field.key: order.ascending for order in reversed(parsed(clauses, EXPERIMENTS))}
    terms = [nulls_smallest(experiments.c[key], up) for key, up in reversed(wanted.items())]
    if not wanted:
        terms.append(nulls_smallest(experiments.c.creation_time, ascending=False))
    if "experiment_id" not in wanted:
        terms.append(nulls_smallest(experiments.c.experiment_id, ascending=not wanted))
    return Ordering(terms, experiments)


def parsed(clauses: Sequence[str], resource: Resource) -> list[Order]:
    """The fields to sort by; raises InvalidParameter for a clause that names none."""
    if len(clauses) > MAX_CLAUSES:  # before millions of them are parsed
        raise InvalidParameter(f"Invalid order_by: at most {MAX_CLAUSES} clauses are accepted.")
    return [resource.order(parse_sort_key(clause)) for clause in clauses]


def nulls_last(value: ColumnElement[Any], ascending: bool) -> Term:
    """The term that sorts nulls last in either direction."""
    return Term(case((value.is_(None), 1), else_=0), value, ascending, nulls_last=True)


def not_null(value: ColumnElement[Any], ascending: bool) -> Term:
    """The term of a NOT NULL column."""
    return Term(None, value, ascending)


def nulls_smallest(value: ColumnElement[Any], ascending: bool) -> Term:
    """The term that sorts a null as the smallest value."""
    return Term(case((value.is_(None), -1 if ascending else 1), else_=0), value, ascending)


def _nan_last(value: ColumnElement[float], is_nan: ColumnElement[bool], ascending: bool) -> Term:
    rank = case((is_nan == true(), 1), (value.is_(None), 2), else_=0)
    return Term(rank, case((is_nan == false(), value)), ascending)


def _written(value: object) -> str | None:
    """A value as text that keeps every digit of a double."""
    return value if value is None or isinstance(value, str) else repr(value)


def _read(column: ColumnElement[Any], written: str | None) -> str | int | float:
    """What `_written` wrote for a value of that column; ValueError when it cannot have."""
    if written is None or not is_text(written):
        raise ValueError("not a value")
    if isinstance(column.type, Float):
        return float(written)
    if isinstance(column.type, Integer | BigInteger):
        number = int(written)
        if not -_INT64 <= number < _INT64:
            raise ValueError("not a 64-bit number")
        return number
    return written
