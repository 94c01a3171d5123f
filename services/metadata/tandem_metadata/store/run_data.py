"""What runs have logged, read for many runs at once."""

import operator
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
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
from tandem_metadata.store import run_rows
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

_by_key = operator.attrgetter("key")


def load(conn: Connection, infos: Sequence[RunInfo]) -> list[Run]:
    """Runs, in the order given, each with all it logged.

    Metrics, params and tags come by key, datasets by name and digest, models by id.
    """
    if not infos:
        return []
    rows = run_rows.logged(conn, [info.run_id for info in infos])
    return _assembled(conn, {info.run_id: info for info in infos}, rows)


def get(conn: Connection, run_ids: Collection[str]) -> dict[str, Run]:
    """The runs that there are, be they active or deleted, as `load` has them, by id."""
    infos: dict[str, RunInfo] = {}
    logged = []
    for row in run_rows.whole(conn, run_ids):
        if row[0] == run_rows.INFO:
            infos[row[1]] = _info(row[1], *msgspec.json.decode(row[3] or "[]"))
        else:
            logged.append(row)
    return {run.info.run_id: run for run in _assembled(conn, infos, logged)}


def _assembled(
    conn: Connection, infos: Mapping[str, RunInfo], rows: Iterable[run_rows.LoggedRow]
) -> list[Run]:
    data = {run_id: RunData([], [], []) for run_id in infos}
    uses: tuple[set[str], set[str]] = (set(), set())
    for kind, run_id, key, text, number, timestamp, step, is_nan in rows:
        if kind == run_rows.METRIC:
            value = "NaN" if is_nan else json_double(number)  # type: ignore[arg-type]
            data[run_id].metrics.append(Metric(key, value, timestamp, step))  # type: ignore[arg-type]
        elif kind == run_rows.PARAM:
            data[run_id].params.append(Param(key, text))  # type: ignore[arg-type]
        elif kind == run_rows.TAG:
            data[run_id].tags.append(RunTag(key, text or ""))
        else:
            uses[kind - run_rows.DATASET].add(run_id)
    for each in data.values():
        each.metrics.sort(key=_by_key)
        each.params.sort(key=_by_key)
        each.tags.sort(key=_by_key)
    with_datasets, with_models = (sorted(ids) for ids in uses)
    datasets = datasets_of(conn, with_datasets) if with_datasets else {}
    models_in, models_out = models_of(conn, with_models) if with_models else ({}, {})
    return [
        Run(
            info=info,
            data=data[run_id],
            inputs=RunInputs(datasets.get(run_id, []), models_in.get(run_id, [])),
            outputs=RunOutputs(models_out.get(run_id, [])),
        )
        for run_id, info in infos.items()
    ]


def info(row: Row[Any]) -> RunInfo:
    """What a row of the runs table says of the run."""
    return _info(row.run_uuid, *(getattr(row, name) for name in run_rows.INFO_COLUMNS))


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
