"""Datasets and models that runs read, and models that they write."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select

from tandem_metadata.database.tables.tracking import datasets, input_tags, inputs
from tandem_metadata.messages.datasets import (
    Dataset,
    DatasetInput,
    DatasetSummary,
    ModelInput,
    ModelOutput,
)
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking import experiments, runs
from tandem_shared.errors import InvalidParameter, invalid_value, missing_value

MAX_EXPERIMENTS = 20
MAX_SUMMARIES = 1000

_CONTEXT_TAG = "mlflow.data.context"
_NAME = 500
_DIGEST = 36
_SOURCE_TYPE = 36
_SOURCE = 65_535
_SCHEMA = 1_048_575
_PROFILE = 16_777_215
_TAG_KEY = 255
_TAG_VALUE = 500
_MODEL_ID = 36


def log_inputs(
    conn: Connection, run_id: str, used: Sequence[DatasetInput], models: Sequence[ModelInput]
) -> None:
    """Add datasets and models to the inputs of an active run.

    Experiment, name and digest identify a dataset; its other fields stay as they first came. A run
    uses a dataset once, with the tags of the first use. Raises NotFound for an unknown run, and
    InvalidParameter for a deleted one or for what cannot be stored.
    """
    limits.check_count("datasets", used)
    for index, use in enumerate(used):
        _check_use(use, f"datasets[{index}]")
    tags = [tag for use in used for tag in use.tags]
    limits.check_count("datasets[*].tags", tags, limits.ALL_DATASET_TAGS)
    _check_models(models)
    experiment_id = runs.check_active(conn, run_id).experiment_id
    first_uses: dict[tuple[str, str], DatasetInput] = {}
    for use in used:
        first_uses.setdefault((use.dataset.name, use.dataset.digest), use)
    if first_uses:
        _use(conn, run_id, _ids(conn, experiment_id, first_uses), first_uses)
    _link(
        conn,
        [
            _edge(("RUN_INPUT", run_id), ("MODEL_INPUT", model_id))
            for model_id in sorted({model.model_id for model in models})
        ],
    )


def log_outputs(conn: Connection, run_id: str, models: Sequence[ModelOutput]) -> None:
    """Add models to the outputs of an active run; the same model at the same step may come again.

    Raises NotFound for an unknown run, and InvalidParameter for a deleted one, for a model id that
    cannot be stored, and for a model that the run wrote at another step.
    """
    _check_models(models)
    runs.check_active(conn, run_id)
    if not models:
        return
    steps: dict[str, int] = {}
    for model in models:
        steps.setdefault(model.model_id, model.step)
    _link(
        conn,
        [
            _edge(("RUN_OUTPUT", run_id), ("MODEL_OUTPUT", model_id), steps[model_id])
            for model_id in sorted(steps)
        ],
    )
    written = select(inputs.c.destination_id, inputs.c.step).where(
        inputs.c.source_type == "RUN_OUTPUT",
        inputs.c.source_id == run_id,
        inputs.c.destination_type == "MODEL_OUTPUT",
        any_of(conn, inputs.c.destination_id, sorted(steps)),
    )
    stored = {row.destination_id: row.step for row in conn.execute(written)}
    for model in models:
        if stored[model.model_id] != model.step:
            raise InvalidParameter(
                f"Run {run_id} has written model '{model.model_id}' at step "
                f"{stored[model.model_id]} already; it cannot be at step {model.step} too."
            )


def summaries(conn: Connection, experiment_ids: Sequence[str]) -> list[DatasetSummary]:
    """The datasets that runs of the experiments use, each once for every context.

    At most 1000, by experiment, name and digest; none for an unknown experiment. Raises
    InvalidParameter for no experiment, more than 20, and ids that are no numbers.
    """
    if not experiment_ids:
        raise missing_value(
            "experiment_ids", "SearchDatasets request must specify at least one experiment_id"
        )
    if len(experiment_ids) > MAX_EXPERIMENTS:
        raise InvalidParameter(
            f"SearchDatasets request cannot specify more than {MAX_EXPERIMENTS} experiment_ids. "
            f"{len(experiment_ids)} are given; ask for the others in further requests."
        )
    numbers = experiments.possible_ids(conn, experiment_ids)
    columns = (datasets.c.experiment_id, datasets.c.name, datasets.c.digest, input_tags.c.value)
    statement = (
        select(*columns)
        .distinct()
        .select_from(datasets)
        .join(
            inputs,
            and_(inputs.c.source_type == "DATASET", inputs.c.source_id == datasets.c.dataset_uuid),
        )
        .outerjoin(
            input_tags,
            and_(input_tags.c.input_uuid == inputs.c.input_uuid, input_tags.c.name == _CONTEXT_TAG),
        )
        .where(any_of(conn, datasets.c.experiment_id, numbers))
        .order_by(*columns)
        .limit(MAX_SUMMARIES)
    )
    return [
        DatasetSummary(str(number), name, digest, context)
        for number, name, digest, context in conn.execute(statement)
    ]


def _check_use(use: DatasetInput, path: str) -> None:
    dataset = use.dataset
    limits.check_text(f"{path}.dataset.name", dataset.name, _NAME)
    limits.check_text(f"{path}.dataset.digest", dataset.digest, _DIGEST)
    limits.check_text(f"{path}.dataset.source_type", dataset.source_type, _SOURCE_TYPE)
    limits.check_length(f"{path}.dataset.source", dataset.source, _SOURCE)
    limits.check_length(f"{path}.dataset.schema", dataset.schema or "", _SCHEMA)
    limits.check_length(f"{path}.dataset.profile", dataset.profile or "", _PROFILE)
    limits.check_count(f"{path}.tags", use.tags, limits.DATASET_TAGS)
    seen: set[str] = set()
    for index, tag in enumerate(use.tags):
        limits.check_text(f"{path}.tags[{index}].key", tag.key, _TAG_KEY)
        limits.check_length(f"{path}.tags[{index}].value", tag.value, _TAG_VALUE)
        if tag.key in seen:
            raise invalid_value(f"{path}.tags[{index}].key", tag.key, "it is given more than once")
        seen.add(tag.key)


def _check_models(models: Sequence[ModelInput | ModelOutput]) -> None:
    limits.check_count("models", models)
    for index, model in enumerate(models):
        limits.check_text(f"models[{index}].model_id", model.model_id, _MODEL_ID)


def _ids(
    conn: Connection, experiment_id: int, uses: dict[tuple[str, str], DatasetInput]
) -> dict[tuple[str, str], str]:
    """The ids of datasets by name and digest; adds new ones."""
    rows = [_row(experiment_id, uses[name].dataset) for name in sorted(uses)]
    bulk.insert(conn, datasets, rows, bulk.UNLESS_THERE)
    found = select(datasets.c.name, datasets.c.digest, datasets.c.dataset_uuid).where(
        datasets.c.experiment_id == experiment_id,
        any_of(conn, datasets.c.name, sorted({name for name, _ in uses})),
        any_of(conn, datasets.c.digest, sorted({digest for _, digest in uses})),
    )
    return {(name, digest): identity for name, digest, identity in conn.execute(found)}


def _row(experiment_id: int, dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset_uuid": uuid.uuid4().hex,
        "experiment_id": experiment_id,
        "name": dataset.name,
        "digest": dataset.digest,
        "dataset_source_type": dataset.source_type,
        "dataset_source": dataset.source,
        "dataset_schema": dataset.schema,
        "dataset_profile": dataset.profile,
    }


def _use(
    conn: Connection,
    run_id: str,
    ids: dict[tuple[str, str], str],
    uses: dict[tuple[str, str], DatasetInput],
) -> None:
    """Link datasets to the run; only new links get tags."""
    edges = {
        name: _edge(("DATASET", ids[name]), ("RUN", run_id))
        for name in sorted(uses, key=lambda name: ids[name])
    }
    _link(conn, list(edges.values()))
    made = select(inputs.c.input_uuid).where(
        any_of(conn, inputs.c.input_uuid, [edge["input_uuid"] for edge in edges.values()])
    )
    new = set(conn.execute(made).scalars())
    rows = [
        {"input_uuid": edge["input_uuid"], "name": tag.key, "value": tag.value}
        for name, edge in edges.items()
        if edge["input_uuid"] in new
        for tag in uses[name].tags
    ]
    bulk.insert(conn, input_tags, rows)


def _edge(source: tuple[str, str], destination: tuple[str, str], step: int = 0) -> dict[str, Any]:
    return {
        "input_uuid": uuid.uuid4().hex,
        "source_type": source[0],
        "source_id": source[1],
        "destination_type": destination[0],
        "destination_id": destination[1],
        "step": step,
    }


def _link(conn: Connection, edges: Sequence[dict[str, Any]]) -> None:
    bulk.insert(conn, inputs, edges, bulk.UNLESS_THERE)
