"""Conditions to SQLAlchemy Core, with the same meaning on SQLite and PostgreSQL.

A condition on a metric, a param, a tag or a dataset holds where a row exists that satisfies it, so
`tags.x != 'a'` does not match a run without a tag x. The EXISTS probes are served by the
primary keys (key, run_uuid) and by the index on inputs' destination.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    or_,
    true,
    type_coerce,
)

from tandem_metadata.database.tables.tracking import (
    datasets,
    experiment_tags,
    experiments,
    input_tags,
    inputs,
    latest_metrics,
    params,
    runs,
    tags,
)
from tandem_metadata.search.language.fields import PATTERNS, Condition, Entity, Operand
from tandem_shared.errors import InvalidParameter

RUN_TABLES: Final = {Entity.METRIC: latest_metrics, Entity.PARAM: params, Entity.TAG: tags}
"""The tables of what is logged to runs by key."""

RUN_COLUMNS: Final = {**runs.c, "run_id": runs.c.run_uuid, "run_name": runs.c.name}
"""The columns of runs by the names that clients know."""

MAX_LOOKUPS: Final = 60
"""Conditions that need an EXISTS. PostgreSQL takes seconds to plan more, MLflow on SQLite fails."""

EXPERIMENT_COLUMNS: Final = {
    **experiments.c,
    "experiment_id": type_coerce(experiments.c.experiment_id, BigInteger),
}
"""The columns of experiments. A client may name an id that is too large for the column's type."""

_RUN_NAME: Final = "mlflow.runName"
_CONTEXT: Final = "mlflow.data.context"
_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})

Clause = ColumnElement[bool]


def run_clauses(conditions: Sequence[Condition], dialect: str) -> list[Clause]:
    """What rows of runs must satisfy; `dialect` is "sqlite" or "postgresql".

    Raises InvalidParameter for too many conditions.
    """
    check_run_conditions(conditions)
    return [_run_clause(condition, dialect) for condition in conditions]


def check_run_conditions(conditions: Sequence[Condition]) -> None:
    """Raise InvalidParameter for more conditions on runs than a statement takes."""
    check_lookups(_lookups(conditions))


def experiment_clauses(conditions: Sequence[Condition], dialect: str) -> list[Clause]:
    """What rows of experiments must satisfy; `dialect` is "sqlite" or "postgresql".

    Raises InvalidParameter for too many conditions.
    """
    check_lookups(_lookups(conditions))
    return [_experiment_clause(condition, dialect) for condition in conditions]


def check_lookups(lookups: int) -> None:
    """Raise InvalidParameter for more conditions on what is logged than a statement takes."""
    if lookups > MAX_LOOKUPS:
        raise InvalidParameter(
            f"Invalid filter: it has {lookups} comparisons of metrics, params, tags, datasets and "
            f"run names, at most {MAX_LOOKUPS} are accepted."
        )


def compare(column: ColumnElement[Any], operator: str, value: Operand, dialect: str) -> Clause:
    """The comparison of a column with a value; `dialect` is "sqlite" or "postgresql"."""
    match operator:
        case "=":
            return column == value
        case "!=":
            return column != value
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case ">=":
            return column >= value
        case "IN":
            return column.in_(_members(value))
        case "NOT IN":
            return column.not_in(_members(value))
        case "LIKE":
            return _like(column, str(value), dialect)
        case "ILIKE":
            return _ilike(column, str(value), dialect)
    raise AssertionError(f"an operator that no field has: {operator}")


def compare_mine(
    mine: Clause, column: ColumnElement[Any], operator: str, value: Operand, dialect: str
) -> Clause:
    """As `compare`, for a column of another table, whose rows belong to this one's by `mine`.

    Matching a pattern may take milliseconds on a long value. Without statistics PostgreSQL expects
    few matches, and matches all rows of the table again for each row of the other. A CASE has it
    join the rows first.
    """
    holds = compare(column, operator, value, dialect)
    if operator in PATTERNS and dialect == "postgresql":
        return case((mine, holds))
    return holds


def _lookups(conditions: Sequence[Condition]) -> int:
    return sum(
        condition.field.entity is not Entity.ATTRIBUTE or condition.field.key == "run_name"
        for condition in conditions
    )


def _run_clause(condition: Condition, dialect: str) -> Clause:
    entity, key = condition.field.entity, condition.field.key
    if entity is Entity.DATASET:
        return _dataset_clause(condition, dialect)
    if entity is Entity.ATTRIBUTE and key != "run_name":
        return compare(RUN_COLUMNS[key], condition.operator, condition.value, dialect)
    if entity is Entity.ATTRIBUTE:
        # Runs of MLflow 1.29 and before have their names in the tag only.
        entity, key = Entity.TAG, _RUN_NAME
    table = RUN_TABLES[entity]
    return _keyed_clause(table, table.c.run_uuid == runs.c.run_uuid, key, condition, dialect)


def _experiment_clause(condition: Condition, dialect: str) -> Clause:
    key = condition.field.key
    if condition.field.entity is Entity.ATTRIBUTE:
        return compare(EXPERIMENT_COLUMNS[key], condition.operator, condition.value, dialect)
    mine = experiment_tags.c.experiment_id == experiments.c.experiment_id
    return _keyed_clause(experiment_tags, mine, key, condition, dialect)


def _keyed_clause(
    table: Table, mine: Clause, key: str, condition: Condition, dialect: str
) -> Clause:
    """A condition on the row of that key, of which there is at most one."""
    row = exists().where(mine, table.c.key == key)
    if condition.operator == "IS NULL":
        return ~row
    if condition.operator == "IS NOT NULL":
        return row
    holds = compare_mine(mine, table.c.value, condition.operator, condition.value, dialect)
    if table is not latest_metrics:
        return row.where(holds)
    # A NaN is stored as 0 with is_nan. It differs from every number, and no other comparison holds.
    if condition.operator == "!=":
        return row.where(or_(holds, table.c.is_nan == true()))
    return row.where(holds, table.c.is_nan == false())


def _dataset_clause(condition: Condition, dialect: str) -> Clause:
    key = condition.field.key
    column = input_tags.c.value if key == "context" else datasets.c[key]
    mine = [
        inputs.c.destination_id == runs.c.run_uuid,
        datasets.c.dataset_uuid == inputs.c.source_id,
    ]
    row = exists().where(inputs.c.destination_type == "RUN", inputs.c.source_type == "DATASET")
    if key == "context":
        mine.append(input_tags.c.input_uuid == inputs.c.input_uuid)
        row = row.where(input_tags.c.name == _CONTEXT)
    holds = compare_mine(and_(*mine), column, condition.operator, condition.value, dialect)
    return row.where(*mine, holds)


def _members(value: Operand) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _like(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """LIKE, case-sensitive. A backslash is no escape character, as on SQLite and in MLflow."""
    if dialect == "sqlite":
        # SQLite's LIKE ignores case unless a pragma of the connection is set; GLOB never does.
        return column.bool_op("GLOB")(pattern.translate(_GLOB))
    return column.like(pattern, escape="")


def _ilike(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """LIKE, case-insensitive; on SQLite for the letters A to Z only."""
    if dialect == "sqlite":
        return func.lower(column).like(func.lower(pattern))
    return column.ilike(pattern, escape="")
