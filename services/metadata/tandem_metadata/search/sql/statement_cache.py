"""Statements of first pages, cached by the shape of the search, without its values.

Building a statement and looking it up in SQLAlchemy's cache takes as long as executing it for 1,000
runs.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import count
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Select,
    String,
    bindparam,
    literal_column,
    or_,
    select,
)
from sqlalchemy.types import TypeEngine

from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.search.language.fields import Condition, Field
from tandem_metadata.search.language.groups import Group, leaves, mapped
from tandem_metadata.search.sql.index_scans import Search, run_experiment_id
from tandem_metadata.search.sql.order import order_runs
from tandem_metadata.search.sql.tracking_compile import matching_runs

_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
"""Operators whose value is one parameter of the statement."""

_TYPES: Final[Mapping[type, TypeEngine[Any]]] = {
    int: BigInteger(),
    float: Float(53),
    str: String(),
}

Blank = tuple[Field, str, bool, type]
"""A condition with its value's type for the value."""

_MAX_CONDITIONS: Final = 8
_MAX_CHARACTERS: Final = 1_000
"""Of the keys in a shape. Cached statements stay small."""


def find(search: Search) -> tuple[Select[Any], dict[str, Any]] | None:
    """The statement of a search and its parameters; None if its shape is not cached."""
    conditions = list(leaves(search.criteria))
    if (
        search.end is not None
        or len(conditions) > _MAX_CONDITIONS
        or any(
            condition.operator not in _COMPARISONS or type(condition.value) not in _TYPES
            for condition in conditions
        )
        or sum(len(condition.field.key) for condition in conditions) > _MAX_CHARACTERS
        or sum(map(len, search.order_by)) > _MAX_CHARACTERS
    ):
        return None
    shape = mapped(search.criteria, _blank)
    ids = search.experiment_ids
    statement = _statement(
        search.columns,
        len(ids) == 1,
        search.stages,
        shape,
        search.order_by,
        search.limit,
        search.dialect,
    )
    values = {f"given_{index}": condition.value for index, condition in enumerate(conditions)}
    return statement, {"given_ids": ids[0] if len(ids) == 1 else ids, **values}


def _blank(condition: Condition) -> Blank:
    return condition.field, condition.operator, condition.negated, type(condition.value)


@lru_cache(256)
def _statement(
    columns: tuple[ColumnElement[Any], ...],
    of_one: bool,
    stages: tuple[str, ...],
    shape: tuple[Blank | Group[Blank], ...],
    order_by: tuple[str, ...],
    limit: int,
    dialect: str,
) -> Select[Any]:
    ordering = order_runs(order_by)
    # SQLAlchemy renders lists and literal parameters anew at each execution. So the limit is part
    # of the shape, and only a search of several experiments has a list.
    if of_one:
        among = run_experiment_id == bindparam("given_ids", type_=BigInteger())
    else:
        among = run_experiment_id.in_(bindparam("given_ids", expanding=True))
    numbers = count()

    def condition(blank: Blank) -> Condition:
        field, operator, negated, of = blank
        value: Any = bindparam(f"given_{next(numbers)}", type_=_TYPES[of])
        return Condition(field, operator, value, negated)

    found = matching_runs(mapped(shape, condition), dialect)
    return (
        select(*columns, *ordering.columns())
        .select_from(found.joins.to(ordering.source))
        .where(
            among,
            or_(*(runs.c.lifecycle_stage == stage for stage in stages)),
            *found.clauses,
        )
        .order_by(*ordering.clauses())
        .limit(literal_column(str(limit), Integer()))
    )
