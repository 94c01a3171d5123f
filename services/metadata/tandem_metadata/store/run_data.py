"""What runs have logged, read for many runs at once: one statement a table."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, FromClause, Row, Select, select

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
from tandem_metadata.store.membership import among
from tandem_metadata.tables.tracking import (
    datasets,
    input_tags,
    inputs,
    latest_metrics,
    params,
    tags,
)
from tandem_shared.wire import json_double

T = TypeVar("T")
ByRun = defaultdict[str, list[T]]


def load(conn: Connection, infos: Sequence[RunInfo]) -> list[Run]:
    """Runs, in the order given, each with all it logged.

    Metrics, params and tags come by key, datasets by name and digest, models by id.
    """
    if not infos:
        return []
    ids = [info.run_id for info in infos]
    run_metrics, run_params = metrics_of(conn, ids), params_of(conn, ids)
    run_tags, run_datasets = tags_of(conn, ids), datasets_of(conn, ids)
    models_in, models_out = models_of(conn, ids)
    return [
        Run(
            info=info,
            data=RunData(run_metrics[run_id], run_params[run_id], run_tags[run_id]),
            inputs=RunInputs(run_datasets[run_id], models_in[run_id]),
            outputs=RunOutputs(models_out[run_id]),
        )
        for run_id, info in zip(ids, infos, strict=True)
    ]


def info(row: Row[Any]) -> RunInfo:
    """What a row of the runs table says of the run."""
    return RunInfo(
        run_id=row.run_uuid,
        run_uuid=row.run_uuid,
        experiment_id=str(row.experiment_id),
        status=row.status,
        lifecycle_stage=row.lifecycle_stage,
        run_name=row.name,
        user_id=row.user_id,
        start_time=row.start_time,
        end_time=row.end_time or None,  # 0 is protobuf's way to say none
        artifact_uri=row.artifact_uri or None,
    )


def metrics_of(conn: Connection, ids: Sequence[str]) -> ByRun[Metric]:
    """The latest metrics of each run, by key."""
    found: ByRun[Metric] = defaultdict(list)
    for row in _of_runs(conn, latest_metrics, ids):
        value = "NaN" if row.is_nan else json_double(row.value)
        found[row.run_uuid].append(Metric(row.key, value, row.timestamp, row.step))
    return found


def params_of(conn: Connection, ids: Sequence[str]) -> ByRun[Param]:
    """The params of each run, by key."""
    found: ByRun[Param] = defaultdict(list)
    for row in _of_runs(conn, params, ids):
        found[row.run_uuid].append(Param(row.key, row.value))
    return found


def tags_of(conn: Connection, ids: Sequence[str]) -> ByRun[RunTag]:
    """The tags of each run, by key."""
    found: ByRun[RunTag] = defaultdict(list)
    for row in _of_runs(conn, tags, ids):
        found[row.run_uuid].append(RunTag(row.key, row.value or ""))
    return found


def datasets_of(conn: Connection, ids: Sequence[str]) -> ByRun[DatasetInput]:
    """The datasets that each run reads, by name and digest."""
    columns = datasets.c
    # A row a tag, or one for a dataset without tags.
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
            among(conn, inputs.c.destination_id, ids),
        )
        .order_by(columns.name, columns.digest, inputs.c.input_uuid, input_tags.c.name)
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


def models_of(conn: Connection, ids: Sequence[str]) -> tuple[ByRun[ModelInput], ByRun[ModelOutput]]:
    """The models that each run reads, and those it wrote, by id."""
    columns = inputs.c
    statement = (
        select(columns.source_type, columns.source_id, columns.destination_id, columns.step)
        .where(
            columns.source_type.in_(("RUN_INPUT", "RUN_OUTPUT")),
            columns.destination_type.in_(("MODEL_INPUT", "MODEL_OUTPUT")),
            among(conn, columns.source_id, ids),
        )
        .order_by(columns.destination_id, columns.step)
    )
    read: ByRun[ModelInput] = defaultdict(list)
    written: ByRun[ModelOutput] = defaultdict(list)
    for row in conn.execute(statement):
        if row.source_type == "RUN_INPUT":
            read[row.source_id].append(ModelInput(row.destination_id))
        else:
            written[row.source_id].append(ModelOutput(row.destination_id, row.step))
    return read, written


def _of_runs(conn: Connection, table: FromClause, ids: Sequence[str]) -> Sequence[Row[Any]]:
    statement = (
        select(table)
        .where(among(conn, table.c.run_uuid, ids))
        .order_by(table.c.run_uuid, table.c.key)
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
