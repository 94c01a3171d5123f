"""Which rows belong to an experiment, a run, a logged model or a trace, table by table.

Rows that the database deletes by itself are here too: thousands at once would keep others waiting.
What a revision lacks is left out.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Table, and_, inspect, select

from tandem_metadata.cleanup.items import Kind
from tandem_metadata.database import trace_schema
from tandem_metadata.database.head import evaluation, review, rollups
from tandem_metadata.database.tables import logged_models, scorers, traces, tracking
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.store.dialect.in_list import any_of

Where = Callable[[Connection, FromClause, Sequence[Any]], ColumnElement[bool]]
"""Whether a row of a table, or of an alias of it, belongs to what has these keys."""

ROLLUPS: Final = (
    rollups.sql_assessment_daily_rollups,
    rollups.sql_span_cost_daily_rollups,
    rollups.sql_trace_metric_daily_rollups,
)
"""Sums of an experiment's traces, by day."""


class Part(NamedTuple):
    """Rows of one table."""

    table: Table
    where: Where


class Schema(NamedTuple):
    """What the database has."""

    names: frozenset[str]
    traces: TraceSchema

    def has(self, table: Table) -> bool:
        """Whether the table is there."""
        return table.name in self.names


def find(conn: Connection) -> Schema:
    """What the database has now: MLflow may migrate it while it is in use."""
    return Schema(frozenset(inspect(conn).get_table_names()), trace_schema.of(conn, fresh=True))


def of(kind: Kind, schema: Schema) -> list[Part]:
    """The rows of things of a kind, in the order in which they go; the last ones are their own.

    Keys are ids; of experiments they are numbers.
    """
    if kind is Kind.TRACE:
        return _of_traces(schema.traces)
    if kind is Kind.EXPERIMENT:
        return [each for each in _OF_EXPERIMENTS if schema.has(each.table)]
    return _OF_RUNS if kind is Kind.RUN else _OF_LOGGED_MODELS


def _keyed(column: str) -> Where:
    return lambda conn, table, keys: any_of(conn, table.c[column], keys)


def _typed(end: str, *types: str) -> Where:
    """By one end of a link, or of an input: its type, and the id in it."""

    def where(conn: Connection, table: FromClause, keys: Sequence[Any]) -> ColumnElement[bool]:
        ids = any_of(conn, table.c[f"{end}_id"], [str(each) for each in keys])
        return and_(table.c[f"{end}_type"].in_(types), ids)

    return where


def _through(column: str, of: Table, of_column: str, of_where: Where) -> Where:
    """By a column of another table's rows."""
    return lambda conn, table, keys: table.c[column].in_(
        select(of.c[of_column]).where(of_where(conn, of, keys))
    )


def _inputs(*which: Where) -> list[Part]:
    """Inputs with their tags."""
    found = []
    for each in which:
        tags = _through("input_uuid", tracking.inputs, "input_uuid", each)
        found += [Part(tracking.input_tags, tags), Part(tracking.inputs, each)]
    return found


def _links(type: str) -> list[Part]:
    return [Part(traces.entity_associations, _typed(each, type)) for each in _ENDS]


def _of_traces(schema: TraceSchema) -> list[Part]:
    found = [
        (schema.span_metrics, "trace_id"),
        (schema.spans, "trace_id"),
        (schema.assessments, "trace_id"),
        (schema.trace_metrics, "request_id"),
        (schema.trace_tags, "request_id"),
        (schema.trace_request_metadata, "request_id"),
    ]
    parts = [Part(table, _keyed(column)) for table, column in found if table is not None]
    parts += _links("trace")
    if schema.review_items is not None:
        parts.append(Part(schema.review_items, _typed("item", "trace")))
    return [*parts, Part(schema.trace_info, _keyed("request_id"))]


_ENDS: Final = ("source", "destination")

_OF_RUNS: Final = [
    Part(tracking.metrics, _keyed("run_uuid")),
    Part(tracking.latest_metrics, _keyed("run_uuid")),
    Part(tracking.params, _keyed("run_uuid")),
    Part(tracking.tags, _keyed("run_uuid")),
    Part(logged_models.logged_model_metrics, _keyed("run_id")),
    *_inputs(_typed("destination", "RUN"), _typed("source", "RUN_INPUT", "RUN_OUTPUT")),
    *_links("run"),
    Part(tracking.runs, _keyed("run_uuid")),
]

_OF_LOGGED_MODELS: Final = [
    Part(logged_models.logged_model_metrics, _keyed("model_id")),
    Part(logged_models.logged_model_params, _keyed("model_id")),
    Part(logged_models.logged_model_tags, _keyed("model_id")),
    *_inputs(_typed("destination", "MODEL_INPUT", "MODEL_OUTPUT")),
    *_links("model"),
    Part(logged_models.logged_models, _keyed("model_id")),
]

_OF_EXPERIMENTS: Final = [
    # Rows of things that lie in other experiments, or are gone: foreign keys ask for this one.
    Part(logged_models.logged_model_metrics, _keyed("experiment_id")),
    Part(logged_models.logged_model_params, _keyed("experiment_id")),
    Part(logged_models.logged_model_tags, _keyed("experiment_id")),
    Part(traces.spans, _keyed("experiment_id")),
    *_inputs(_through("source_id", tracking.datasets, "dataset_uuid", _keyed("experiment_id"))),
    Part(tracking.datasets, _keyed("experiment_id")),
    Part(evaluation.online_scoring_configs, _keyed("experiment_id")),
    Part(
        scorers.scorer_versions,
        _through("scorer_id", scorers.scorers, "scorer_id", _keyed("experiment_id")),
    ),
    Part(scorers.scorers, _keyed("experiment_id")),
    Part(
        review.review_queue_items,
        _through("queue_id", review.review_queues, "queue_id", _keyed("experiment_id")),
    ),
    Part(review.review_queues, _keyed("experiment_id")),
    Part(review.label_schemas, _keyed("experiment_id")),
    Part(review.issues, _keyed("experiment_id")),
    *(Part(each, _keyed("experiment_id")) for each in ROLLUPS),
    Part(rollups.sql_trace_rollup_rebuild_queue, _keyed("experiment_id")),
    *_links("experiment"),
    Part(tracking.experiment_tags, _keyed("experiment_id")),
    Part(tracking.experiments, _keyed("experiment_id")),
]
