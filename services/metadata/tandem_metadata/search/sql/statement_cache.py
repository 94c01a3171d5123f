"""Statements of first pages, kept by the form of the search, without its values.

To make one anew, and to find it among those that SQLAlchemy has compiled, takes as long as to run
it on an experiment of a thousand runs.
"""

from collections.abc import Mapping
from functools import lru_cache
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
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.search.language.fields import Condition, Field
from tandem_metadata.search.sql.compile import run_clauses
from tandem_metadata.search.sql.index_scans import Search
from tandem_metadata.search.sql.order import order_runs

_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
"""The operators whose value goes into the statement as it is."""

_TYPES: Final[Mapping[type, TypeEngine[Any]]] = {
    int: BigInteger(),
    float: Float(53),
    str: String(),
}

_CONDITIONS: Final = 8
_CHARACTERS: Final = 1_000
"""Of the keys that a form names: what is kept is to stay small."""


def find(search: Search) -> tuple[Select[Any], dict[str, Any]] | None:
    """The statement of a search and its parameters; None for one whose form is not kept."""
    conditions = search.conditions
    if (
        search.end is not None
        or len(conditions) > _CONDITIONS
        or any(
            condition.operator not in _COMPARISONS or type(condition.value) not in _TYPES
            for condition in conditions
        )
        or sum(len(condition.field.key) for condition in conditions) > _CHARACTERS
        or sum(map(len, search.order_by)) > _CHARACTERS
    ):
        return None
    form = tuple(
        (condition.field, condition.operator, type(condition.value)) for condition in conditions
    )
    ids = search.experiment_ids
    statement = _statement(
        search.columns,
        len(ids) == 1,
        search.stages,
        form,
        search.order_by,
        search.limit,
        search.dialect,
    )
    values = {f"given_{index}": condition.value for index, condition in enumerate(conditions)}
    return statement, {"given_ids": ids[0] if len(ids) == 1 else ids, **values}


@lru_cache(256)
def _statement(
    columns: tuple[ColumnElement[Any], ...],
    of_one: bool,
    stages: tuple[str, ...],
    form: tuple[tuple[Field, str, type], ...],
    order_by: tuple[str, ...],
    limit: int,
    dialect: str,
) -> Select[Any]:
    ordering = order_runs(order_by)
    experiment_id = type_coerce(runs.c.experiment_id, BigInteger)
    # SQLAlchemy writes lists, and `index_scans.rows`, into the statement anew for each search. Here
    # the limit is part of the form, and a list is only where there are several experiments.
    if of_one:
        among = experiment_id == bindparam("given_ids", type_=BigInteger())
    else:
        among = experiment_id.in_(bindparam("given_ids", expanding=True))
    conditions = [
        Condition(field, operator, bindparam(f"given_{index}", type_=_TYPES[of]))  # type: ignore[arg-type]
        for index, (field, operator, of) in enumerate(form)
    ]
    return (
        select(*columns, *ordering.columns())
        .select_from(ordering.source)
        .where(
            among,
            or_(*(runs.c.lifecycle_stage == stage for stage in stages)),
            *run_clauses(conditions, dialect),
        )
        .order_by(*ordering.clauses())
        .limit(literal_column(str(limit), Integer()))
    )
