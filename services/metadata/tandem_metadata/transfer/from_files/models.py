"""Logged models on their way into the database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from tandem_metadata.database.tables import logged_models as tables
from tandem_metadata.database.tables import tracking
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking.metrics import stored_value
from tandem_metadata.transfer.file_store import metrics, models
from tandem_metadata.transfer.file_store.records import LoggedModel, ModelPoint
from tandem_metadata.transfer.from_files.texts import Texts
from tandem_metadata.transfer.report import Report

PENDING: Final = 1
"""The status of a model that is being written."""

_MODEL: Final = (
    "model_id",
    "experiment_id",
    "name",
    "artifact_location",
    "creation_timestamp_ms",
    "last_updated_timestamp_ms",
    "status",
    "lifecycle_stage",
    "model_type",
    "source_run_id",
    "status_message",
)
_PARAM: Final = ("model_id", "experiment_id", "param_key", "param_value")
_TAG: Final = ("model_id", "experiment_id", "tag_key", "tag_value")
_ENDED: Final = ("model_id", "status", "last_updated_timestamp_ms")
_METRIC: Final = (
    "model_id",
    "metric_name",
    "metric_timestamp_ms",
    "metric_step",
    "metric_value",
    "experiment_id",
    "run_id",
    "dataset_name",
    "dataset_digest",
)


class Owned(NamedTuple):
    """Points of a logged model, and the experiment of the database that has the model."""

    number: int
    model: LoggedModel
    points: Sequence[ModelPoint]


def known(conn: Connection, model_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Experiment and status of those models that the database has."""
    columns = tables.logged_models.c
    found = conn.execute(
        select(columns.model_id, columns.experiment_id, columns.status).where(
            any_of(conn, columns.model_id, model_ids)
        )
    )
    return {row.model_id: (row.experiment_id, row.status) for row in found}


def put(
    conn: Connection | None,
    number: int,
    new: Sequence[tuple[LoggedModel, str]],
    pending: Sequence[LoggedModel],
    texts: Texts,
    report: Report,
) -> None:
    """Write new models, each with its location, and what is new of those that were pending."""
    rows = [_row(number, model, location, texts) for model, location in new]
    _insert(conn, tables.logged_models, _MODEL, rows)
    report.imported(models.MODELS, len(rows))
    every = [*(model for model, _ in new), *pending]
    params, tags = [], []
    for model in every:
        for key, value in _fit(
            texts, model.params, "logged_model_params", "param", models.PARAMS, model
        ):
            params.append((model.model_id, number, key, value))
        for key, value in _fit(texts, model.tags, "logged_model_tags", "tag", models.TAGS, model):
            tags.append((model.model_id, number, key, value))
    for kind, table, columns, given in (
        (models.PARAMS, tables.logged_model_params, _PARAM, params),
        (models.TAGS, tables.logged_model_tags, _TAG, tags),
    ):
        written = _insert(conn, table, columns, given)
        report.found(kind, len(given))
        report.imported(kind, written)
        report.already_there(kind, len(given) - written)
    if conn is not None:
        ended = [
            (model.model_id, model.status, model.last_update_time)
            for model in pending
            if model.status != PENDING
        ]
        bulk.update(conn, tables.logged_models, _ENDED, ended)


def put_points(
    conn: Connection | None, given: Iterable[Owned], texts: Texts, report: Report
) -> list[Owned]:
    """Write points of models that are there; returns those whose runs are not."""
    owned = [*given]
    run_ids = {point.run_id for each in owned for point in each.points}
    there = _runs(conn, run_ids) if conn is not None and run_ids else run_ids
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    left = []
    for each in owned:
        missing = [point for point in each.points if point.run_id not in there]
        if missing:
            left.append(Owned(each.number, each.model, missing))
        for point in each.points:
            if point.run_id in there:
                _take_point(rows, each, point, texts, report)
    written = _insert(conn, tables.logged_model_metrics, _METRIC, [*rows.values()])
    report.found(metrics.OF_MODELS, len(rows))
    report.imported(metrics.OF_MODELS, written)
    report.already_there(metrics.OF_MODELS, len(rows) - written)
    return left


def skip_points(given: Iterable[Owned], report: Report) -> None:
    """Tell of points whose runs are nowhere."""
    for each in given:
        for point in each.points:
            report.found(metrics.OF_MODELS)
            reason = f"its run {point.run_id[:64]} is not in the database"
            report.skip(metrics.OF_MODELS, point.where, reason)


def _take_point(
    rows: dict[tuple[Any, ...], tuple[Any, ...]],
    owner: Owned,
    point: ModelPoint,
    texts: Texts,
    report: Report,
) -> None:
    """The database has one value for each run, time and step: of one dataset the greatest."""

    def fit(column: str, text: str) -> str:
        return texts.fit("logged_model_metrics", column, text, metrics.OF_MODELS, point.where)

    dataset = tuple(
        None if text is None else fit(column, text)
        for column, text in (
            ("dataset_name", point.dataset_name),
            ("dataset_digest", point.dataset_digest),
        )
    )
    key = (owner.model.model_id, fit("metric_name", point.key), point.timestamp, point.step)
    value = stored_value(point.value)[0]
    row = (*key, value, owner.number, point.run_id, *dataset)
    identity = (*key, point.run_id)
    before = rows.get(identity)
    if before is None or (before[-2:] == dataset and value > before[4]):
        rows[identity] = row
    elif before[-2:] != dataset:
        report.found(metrics.OF_MODELS)
        reason = "the database has one value for a run, time and step, and that is of a dataset"
        report.skip(metrics.OF_MODELS, point.where, f"{reason} that comes before")


def _row(number: int, model: LoggedModel, location: str, texts: Texts) -> tuple[Any, ...]:
    def fit(column: str, text: str | None) -> str | None:
        return texts.fit_or_none("logged_models", column, text, models.MODELS, model.path)

    return (
        fit("model_id", model.model_id),
        number,
        fit("name", model.name),
        fit("artifact_location", location),
        model.creation_time,
        model.last_update_time,
        model.status,
        model.lifecycle_stage,
        fit("model_type", model.model_type),
        fit("source_run_id", model.source_run_id),
        fit("status_message", model.status_message),
    )


def _fit(
    texts: Texts, given: Mapping[str, str], table: str, prefix: str, kind: str, model: LoggedModel
) -> Iterable[tuple[str, str]]:
    path = f"{model.path}/{prefix}s"
    return texts.fit_all(table, given, kind, path, f"{prefix}_key", f"{prefix}_value").items()


def _runs(conn: Connection, run_ids: Iterable[str]) -> set[str]:
    columns = tracking.runs.c
    found = select(columns.run_uuid).where(any_of(conn, columns.run_uuid, sorted(run_ids)))
    return set(conn.execute(found).scalars())


def _insert(
    conn: Connection | None, table: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> int:
    if conn is None:
        return len(rows)
    return bulk.insert_rows(conn, table, columns, rows, bulk.UNLESS_THERE)
