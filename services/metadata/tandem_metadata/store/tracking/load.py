"""What runs have logged, read for many runs at once."""

import math
import operator
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, Table, select

from tandem_metadata.database.tables.tracking import (
    datasets,
    input_tags,
    inputs,
    latest_metrics,
    params,
    runs,
    tags,
)
from tandem_metadata.messages.datasets import (
    Dataset,
    DatasetInput,
    InputTag,
    ModelInput,
    ModelOutput,
    RunInputs,
    RunOutputs,
)
from tandem_metadata.messages.metrics import Metric
from tandem_metadata.messages.runs import Param, Run, RunData, RunInfo, RunTag
from tandem_metadata.store.dialect import logging_order
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking import load_sql
from tandem_shared.wire.codec import json_double

T = TypeVar("T")
ByRun = defaultdict[str, list[T]]

_by_key = operator.attrgetter("key")
_info_columns = operator.itemgetter(
    *([*runs.c.keys()].index(name) for name in ("run_uuid", *load_sql.INFO_COLUMNS))
)


def get(conn: Connection, run_ids: Collection[str]) -> dict[str, Run]:
    """The runs that exist, active or deleted, by id, each with all it logged.

    Metrics, params and tags come as they were first logged, or else by key, see `logging_order`;
    datasets by name and digest, models by id.
    """
    return {run_id: run for part in parts(conn, run_ids) for run_id, run in part.runs.items()}


class Part(NamedTuple):
    """Some of the runs that were asked for."""

    runs: dict[str, Run]
    snapshot: str | None
    """No part of a run is older than this, if the database tells it; see `pg_snapshot`."""


def parts(conn: Connection, run_ids: Collection[str]) -> Iterator[Part]:
    """As `get`, a part at a time, so that no more than one part's objects are in memory."""
    for part in load_sql.read(conn, run_ids):
        found: dict[str, Run] = {}
        with_datasets = [row.run_id for row in part.runs if row.has_datasets]
        with_models = [row.run_id for row in part.runs if row.has_models]
        datasets = datasets_of(conn, with_datasets) if with_datasets else {}
        models_in, models_out = models_of(conn, with_models) if with_models else ({}, {})
        metrics, params, tags = _logged(part, by_key=not logging_order.is_kept(conn))
        for run_id, info, *_ in part.runs:
            found[run_id] = Run(
                info=_info(run_id, *info),
                data=RunData(metrics[run_id], params[run_id], tags[run_id]),
                inputs=RunInputs(datasets.get(run_id, []), models_in.get(run_id, [])),
                outputs=RunOutputs(models_out.get(run_id, [])),
            )
        yield Part(found, part.snapshot)


def _logged(
    part: load_sql.Rows, *, by_key: bool
) -> tuple[ByRun[Metric], ByRun[Param], ByRun[RunTag]]:
    ids, keys, values, timestamps, steps = part.metrics
    if not math.isfinite(sum(values)):
        values = [*map(json_double, values)]
    metrics = _by_run(ids, map(Metric, keys, values, timestamps, steps), by_key=by_key)
    ids, keys, values = part.params
    params = _by_run(ids, map(Param, keys, values))
    ids, keys, values = part.tags
    tags = _by_run(ids, map(RunTag, keys, [value or "" for value in values]), by_key=by_key)
    return metrics, params, tags


def _by_run(ids: Iterable[str], items: Iterable[T], *, by_key: bool = False) -> ByRun[T]:
    """The items of each run, in their order or by key."""
    found: ByRun[T] = defaultdict(list)
    for run_id, item in zip(ids, items, strict=True):
        found[run_id].append(item)
    if by_key:
        for each in found.values():
            each.sort(key=_by_key)
    return found


def info(row: Row[Any]) -> RunInfo:
    """The RunInfo of a row, which begins with the columns of the runs table."""
    return _info(*_info_columns(row))


def _info(
    run_id: str,
    experiment_id: int,
    status: str,
    stage: str,
    name: str | None,
    user_id: str | None,
    start_time: int | None,
    end_time: int | None,
    artifact_uri: str | None,
) -> RunInfo:
    return RunInfo(
        run_id=run_id,
        run_uuid=run_id,
        experiment_id=str(experiment_id),
        status=status,
        lifecycle_stage=stage,
        run_name=name,
        user_id=user_id,
        start_time=start_time,
        end_time=end_time or None,  # 0 is protobuf's way to say none
        artifact_uri=artifact_uri or None,
    )


def metrics_of(conn: Connection, ids: Sequence[str], most: int | None = None) -> ByRun[Metric]:
    """The latest metrics of each run, in the order of `get`; `most` at most."""
    found: ByRun[Metric] = defaultdict(list)
    for row in _of_runs(conn, latest_metrics, ids, most):
        value = "NaN" if row.is_nan else json_double(row.value)
        found[row.run_uuid].append(Metric(row.key, value, row.timestamp, row.step))
    return found


def params_of(conn: Connection, ids: Sequence[str], most: int | None = None) -> ByRun[Param]:
    """The params of each run, in the order of `get`; `most` at most."""
    found: ByRun[Param] = defaultdict(list)
    for row in _of_runs(conn, params, ids, most, updated=False):
        found[row.run_uuid].append(Param(row.key, row.value))
    return found


def tags_of(conn: Connection, ids: Sequence[str], most: int | None = None) -> ByRun[RunTag]:
    """The tags of each run, in the order of `get`; `most` at most."""
    found: ByRun[RunTag] = defaultdict(list)
    for row in _of_runs(conn, tags, ids, most):
        found[row.run_uuid].append(RunTag(row.key, row.value or ""))
    return found


def datasets_of(
    conn: Connection, ids: Sequence[str], most: int | None = None
) -> ByRun[DatasetInput]:
    """The datasets that each run reads, by name and digest; at most `most` rows of their tags."""
    columns = datasets.c
    # One row for each tag, and one for a dataset without tags.
    statement: Select[Any] = (
        select(
            inputs.c.destination_id,
            inputs.c.input_uuid,
            columns.name,
            columns.digest,
            columns.dataset_source_type,
            columns.dataset_source,
            columns.dataset_schema,
            columns.dataset_profile,
            input_tags.c.name.label("tag"),
            input_tags.c.value.label("tag_value"),
        )
        .select_from(inputs)
        .join(datasets, inputs.c.source_id == columns.dataset_uuid)
        .outerjoin(input_tags, input_tags.c.input_uuid == inputs.c.input_uuid)
        .where(
            inputs.c.source_type == "DATASET",
            inputs.c.destination_type == "RUN",
            any_of(conn, inputs.c.destination_id, ids),
        )
        .order_by(columns.name, columns.digest, inputs.c.input_uuid, input_tags.c.name)
        .limit(most)
    )
    found: ByRun[DatasetInput] = defaultdict(list)
    uses: dict[str, DatasetInput] = {}
    for row in conn.execute(statement):
        if (use := uses.get(row.input_uuid)) is None:
            use = uses[row.input_uuid] = DatasetInput(_dataset(row), [])
            found[row.destination_id].append(use)
        if row.tag is not None:
            use.tags.append(InputTag(row.tag, row.tag_value))
    return found


def models_of(
    conn: Connection, ids: Sequence[str], most: int | None = None
) -> tuple[ByRun[ModelInput], ByRun[ModelOutput]]:
    """The models that each run reads, and those it wrote, by id; `most` of both at most."""
    columns = inputs.c
    statement = (
        select(columns.source_type, columns.source_id, columns.destination_id, columns.step)
        .where(
            columns.source_type.in_(("RUN_INPUT", "RUN_OUTPUT")),
            columns.destination_type.in_(("MODEL_INPUT", "MODEL_OUTPUT")),
            any_of(conn, columns.source_id, ids),
        )
        .order_by(columns.destination_id, columns.step)
        .limit(most)
    )
    read: ByRun[ModelInput] = defaultdict(list)
    written: ByRun[ModelOutput] = defaultdict(list)
    for row in conn.execute(statement):
        if row.source_type == "RUN_INPUT":
            read[row.source_id].append(ModelInput(row.destination_id))
        else:
            written[row.source_id].append(ModelOutput(row.destination_id, row.step))
    return read, written


def _of_runs(
    conn: Connection, table: Table, ids: Sequence[str], most: int | None, *, updated: bool = True
) -> Sequence[Row[Any]]:
    order = logging_order.first_logged(conn, table, table.c.key, updated=updated)
    statement = (
        select(table)
        .where(any_of(conn, table.c.run_uuid, ids))
        .order_by(table.c.run_uuid, order)
        .limit(most)
    )
    return conn.execute(statement).all()


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        name=row.name,
        digest=row.digest,
        source_type=row.dataset_source_type,
        source=row.dataset_source,
        schema=row.dataset_schema or None,
        profile=row.dataset_profile or None,
    )
