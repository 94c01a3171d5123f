"""Conditions on evaluation datasets to SQLAlchemy Core, and their order."""

from collections.abc import Sequence
from typing import Final

from tandem_metadata.database.tables.evaluation import (
    evaluation_dataset_tags,
    evaluation_datasets,
)
from tandem_metadata.search.language.evaluation_dataset_fields import EVALUATION_DATASETS
from tandem_metadata.search.language.fields import Condition, Criterion, Entity
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.sql.compile import (
    Clause,
    Joins,
    Matching,
    Rows,
    check_lookups,
    holds,
    matching,
    of_key,
)
from tandem_metadata.search.sql.order import Ordering, not_null, nulls_smallest, parsed

_TAGS: Final = Rows(
    evaluation_dataset_tags, "key", "value", {"dataset_id": evaluation_datasets.c.dataset_id}
)


def matching_evaluation_datasets(criteria: Sequence[Criterion], dialect: str) -> Matching:
    """What datasets must satisfy; `dialect` is "sqlite" or "postgresql".

    Raises InvalidParameter for too many conditions.
    """
    check_lookups(each for each in leaves(criteria) if each.field.entity is Entity.TAG)

    def make(conditions: Sequence[Condition], joins: Joins | None) -> Clause:
        condition = conditions[0]
        key = condition.field.key
        if condition.field.entity is Entity.ATTRIBUTE:
            return holds(evaluation_datasets.c[key], condition, dialect)
        return of_key(_TAGS, key, conditions, joins, dialect)

    return matching(criteria, make, dialect)


def order_evaluation_datasets(clauses: Sequence[str]) -> Ordering:
    """The ordering of datasets: as asked, else the latest created first; then by id, descending.

    A missing time counts as the smallest. Raises InvalidParameter for a clause that names no field
    to sort by.
    """
    columns = evaluation_datasets.c
    wanted: dict[str, bool] = {}
    for order in parsed(clauses, EVALUATION_DATASETS):
        wanted.setdefault(order.field.key, order.ascending)
    terms = [
        not_null(columns.name, up) if key == "name" else nulls_smallest(columns[key], up)
        for key, up in (wanted or {"created_time": False}).items()
    ]
    return Ordering([*terms, not_null(columns.dataset_id, ascending=False)], evaluation_datasets)
