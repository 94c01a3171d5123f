"""Conditions on runs and on experiments to SQLAlchemy Core.

EXISTS probes of runs are served by the primary keys (key, run_uuid) and by the index on inputs'
destination.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, exists, type_coerce

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
from tandem_metadata.search.language.fields import Condition, Criterion, Entity
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.sql.compile import (
    Clause,
    Joins,
    Matching,
    Rows,
    any_of_several,
    check_lookups,
    holds,
    matching,
    of_key,
)

RUN_TABLES: Final = {Entity.METRIC: latest_metrics, Entity.PARAM: params, Entity.TAG: tags}
"""The tables of what is logged to runs by key."""

RUN_COLUMNS: Final = {**runs.c, "run_id": runs.c.run_uuid, "run_name": runs.c.name}
"""The columns of runs by the names that clients know."""

EXPERIMENT_COLUMNS: Final = {
    **experiments.c,
    "experiment_id": type_coerce(experiments.c.experiment_id, BigInteger),
}
"""The columns of experiments. A client may name an id that is too large for the column's type."""

_LOGGED: Final = {
    entity: Rows(table, "key", "value", {"run_uuid": runs.c.run_uuid})
    for entity, table in RUN_TABLES.items()
}
_EXPERIMENT_TAGS: Final = Rows(
    experiment_tags, "key", "value", {"experiment_id": experiments.c.experiment_id}
)
_RUN_NAME: Final = "mlflow.runName"
_CONTEXT: Final = "mlflow.data.context"


def matching_runs(criteria: Sequence[Criterion], dialect: str) -> Matching:
    """What runs must satisfy; `dialect` is "sqlite" or "postgresql".

    Raises InvalidParameter for too many conditions.
    """
    check_run_criteria(criteria)

    def make(conditions: Sequence[Condition], joins: Joins | None) -> Clause:
        condition = conditions[0]
        entity, key = condition.field.entity, condition.field.key
        if entity is Entity.DATASET:
            return _dataset_clause(condition, dialect)
        if _is_run_name(condition):
            # Runs of MLflow 1.29 and before have their names in the tag only.
            entity, key = Entity.TAG, _RUN_NAME
        elif entity is Entity.ATTRIBUTE:
            return holds(RUN_COLUMNS[key], condition, dialect)
        return of_key(_LOGGED[entity], key, conditions, joins, dialect)

    return matching(criteria, make, dialect)


def check_run_criteria(criteria: Sequence[Criterion]) -> None:
    """Raise InvalidParameter for more conditions on runs than a statement takes."""
    check_lookups(
        each
        for each in leaves(criteria)
        if each.field.entity is not Entity.ATTRIBUTE or _is_run_name(each)
    )


def matching_experiments(criteria: Sequence[Criterion], dialect: str) -> Matching:
    """What experiments must satisfy; `dialect` is "sqlite" or "postgresql".

    Raises InvalidParameter for too many conditions.
    """
    check_lookups(each for each in leaves(criteria) if each.field.entity is Entity.TAG)

    def make(conditions: Sequence[Condition], joins: Joins | None) -> Clause:
        condition = conditions[0]
        key = condition.field.key
        if condition.field.entity is Entity.ATTRIBUTE:
            return holds(EXPERIMENT_COLUMNS[key], condition, dialect)
        return of_key(_EXPERIMENT_TAGS, key, conditions, joins, dialect)

    return matching(criteria, make, dialect)


def _is_run_name(condition: Condition) -> bool:
    return condition.field.entity is Entity.ATTRIBUTE and condition.field.key == "run_name"


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
    return any_of_several(row, mine, column, condition, dialect)
