"""Conditions on logged models, and their order, to SQLAlchemy Core."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, cast, exists, or_, select

from tandem_metadata.database.tables.logged_models import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from tandem_metadata.messages.logged_models import SearchDataset, SearchOrderBy
from tandem_metadata.search.language.fields import Condition, Criterion, Entity
from tandem_metadata.search.language.groups import leaves
from tandem_metadata.search.language.lexer import CLAUSE_LENGTH, is_text
from tandem_metadata.search.language.logged_model_fields import ALIASES, LOGGED_MODELS
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
from tandem_metadata.search.sql.order import MAX_CLAUSES, Ordering, Term, nulls_last
from tandem_shared.errors import InvalidParameter

MAX_DATASETS: Final = 100
"""Datasets that a search can name. Every condition on a metric repeats them."""

_SHOWN: Final = 100
"""The most characters of a field's name that an error repeats."""

_FILTERED: Final = {
    **logged_models.c,
    "experiment_id": cast(logged_models.c.experiment_id, String),
    "status": cast(logged_models.c.status, String),
}
"""Attributes to compare; MLflow's filters compare these two numbers with text."""

_LOGGED: Final = {
    Entity.PARAM: Rows(
        logged_model_params, "param_key", "param_value", {"model_id": logged_models.c.model_id}
    ),
    Entity.TAG: Rows(
        logged_model_tags, "tag_key", "tag_value", {"model_id": logged_models.c.model_id}
    ),
}

_METRICS_PREFIX: Final = "metrics."


def matching_logged_models(
    criteria: Sequence[Criterion], datasets: Sequence[SearchDataset], dialect: str
) -> Matching:
    """What logged models must satisfy; `dialect` is "sqlite" or "postgresql".

    A condition on a metric holds where any value of it does that was logged with one of the
    datasets; without such a condition, models are found that have any metric of the datasets.
    Without datasets all values count. Raises InvalidParameter for too many conditions or datasets.
    """
    check_lookups(each for each in leaves(criteria) if each.field.entity is not Entity.ATTRIBUTE)
    if len(datasets) > MAX_DATASETS:
        raise InvalidParameter(
            f"Invalid datasets: {len(datasets)} are given, at most {MAX_DATASETS} are accepted."
        )
    metric_of = [_mine(logged_model_metrics)]
    if datasets:
        metric_of.append(or_(*(_of(each.dataset_name, each.dataset_digest) for each in datasets)))

    def make(conditions: Sequence[Condition], joins: Joins | None) -> Clause:
        condition = conditions[0]
        entity, key = condition.field.entity, condition.field.key
        if entity is Entity.ATTRIBUTE:
            return holds(_FILTERED[key], condition, dialect)
        if entity is Entity.METRIC:
            mine = [*metric_of, logged_model_metrics.c.metric_name == key]
            value = logged_model_metrics.c.metric_value
            return any_of_several(exists(), mine, value, condition, dialect)
        return of_key(_LOGGED[entity], key, conditions, joins, dialect)

    found = matching(criteria, make, dialect)
    if datasets and not any(map(_needs_metric, criteria)):
        return replace(found, clauses=[*found.clauses, exists().where(*metric_of)])
    return found


def order_logged_models(wanted: Sequence[SearchOrderBy]) -> Ordering:
    """The ordering of logged models: as asked, then the latest created first, then by id.

    The latest value of a metric counts, by time, then step. Models without a value come last in
    either direction. A field that is named again changes nothing. Raises InvalidParameter for a
    field that cannot be sorted by, and for too many of them.
    """
    if len(wanted) > MAX_CLAUSES:
        raise InvalidParameter(f"Invalid order_by: at most {MAX_CLAUSES} fields are accepted.")
    terms: list[Term] = []
    attributes = set()
    for index, order in enumerate(wanted):
        if len(order.field_name) > CLAUSE_LENGTH or not is_text(order.field_name):
            raise _unsortable(index, order.field_name)
        if order.field_name.startswith(_METRICS_PREFIX):
            terms.append(nulls_last(_latest(order), order.ascending))
            continue
        name = ALIASES.get(order.field_name, order.field_name)
        if name not in LOGGED_MODELS.keys[Entity.ATTRIBUTE]:
            raise _unsortable(index, order.field_name)
        if name not in attributes:
            attributes.add(name)
            terms.append(nulls_last(logged_models.c[name], order.ascending))
    for name, ascending in (("creation_timestamp_ms", False), ("model_id", True)):
        if name not in attributes:
            terms.append(nulls_last(logged_models.c[name], ascending))
    return Ordering(terms, logged_models)


def _needs_metric(criterion: Criterion) -> bool:
    """Whether only models with a metric satisfy it."""
    return (
        isinstance(criterion, Condition)
        and criterion.field.entity is Entity.METRIC
        and criterion.operator != "IS NULL"
    )


def _latest(order: SearchOrderBy) -> ColumnElement[Any]:
    """The latest value of the metric, of the model in the enclosing row.

    The primary key serves it. MLflow ranks all values that any model has of the metric.
    """
    columns = logged_model_metrics.c
    return (
        select(columns.metric_value)
        .where(
            _mine(logged_model_metrics),
            columns.metric_name == order.field_name.removeprefix(_METRICS_PREFIX),
            _of(order.dataset_name, order.dataset_digest),
        )
        .order_by(
            columns.metric_timestamp_ms.desc(), columns.metric_step.desc(), columns.run_id.asc()
        )
        .limit(1)
        .correlate(logged_models)
        .scalar_subquery()
    )


def _of(dataset_name: str | None, dataset_digest: str | None) -> Clause:
    """Metrics of a dataset, by name, by digest or by both; None matches any."""
    columns = logged_model_metrics.c
    return and_(
        True,
        *([columns.dataset_name == dataset_name] if dataset_name else []),
        *([columns.dataset_digest == dataset_digest] if dataset_digest else []),
    )


def _mine(table: Any) -> Clause:
    mine: Clause = table.c.model_id == logged_models.c.model_id
    return mine


def _unsortable(index: int, name: str) -> InvalidParameter:
    accepted = ", ".join(sorted([*LOGGED_MODELS.keys[Entity.ATTRIBUTE], *ALIASES]))
    return InvalidParameter(
        f"Invalid order by field name: {name[:_SHOWN]}. Parameter "
        f"'order_by[{index}].field_name' may be metrics.<key>, {accepted}."
    )
