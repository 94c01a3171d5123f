"""Runs of a file store, and the datasets that they use."""

import os
from typing import Final

from tandem_metadata.transfer.file_store import documents, files
from tandem_metadata.transfer.file_store.documents import META, integer, mapping, text
from tandem_metadata.transfer.file_store.files import Problems, Unreadable
from tandem_metadata.transfer.file_store.records import Dataset, Experiment, Input, Run

RUNS: Final = "runs"
PARAMS: Final = "params"
TAGS: Final = "tags of runs"
EXPERIMENT_TAGS: Final = "tags of experiments"
INPUTS: Final = "inputs and outputs"
DATASETS: Final = "datasets"

NO_META: Final = "it is no run: it has no meta.yaml"

_STATUSES: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_SOURCE_TYPES: Final = {1: "NOTEBOOK", 2: "JOB", 3: "PROJECT", 4: "LOCAL", 5: "UNKNOWN"}
_NAME_TAG: Final = "mlflow.runName"
_KINDS: Final = {
    ("inputs", "DATASET"): "dataset",
    ("inputs", "MODEL"): "model",
    ("outputs", "RUN_OUTPUT"): "output",
}


def run(experiment: Experiment, folder: str, problems: Problems) -> Run | None:
    """A run; None if the folder gives none, which is told."""
    path = os.path.join(experiment.path, folder)
    made = _info(experiment, folder, path, problems)
    if made is None:
        return None
    made.params = files.values(os.path.join(path, "params"), PARAMS, problems)
    made.tags = files.values(os.path.join(path, "tags"), TAGS, problems)
    made.name = made.name or made.tags.get(_NAME_TAG, "")
    for below in ("inputs", "outputs"):
        for each in files.folders(os.path.join(path, below)):
            if found := _input(os.path.join(path, below, each), below, problems):
                made.inputs.append(found)
    return made


def experiment_tags(experiment: Experiment, problems: Problems) -> dict[str, str]:
    """The tags of an experiment."""
    return files.values(os.path.join(experiment.path, "tags"), EXPERIMENT_TAGS, problems)


def datasets(experiment: Experiment, problems: Problems) -> list[Dataset]:
    """The datasets that an experiment's runs may use."""
    found = []
    folder = os.path.join(experiment.path, "datasets")
    for name in files.folders(folder):
        path = os.path.join(folder, name, META)
        try:
            document = documents.load(path)
        except Unreadable as error:
            problems.skip(DATASETS, path, str(error))
            continue
        title, digest = text(document, "name"), text(document, "digest")
        if not title or not digest:
            problems.skip(DATASETS, path, "it lacks name or digest")
            continue
        found.append(
            Dataset(
                folder=name,
                name=title,
                digest=digest,
                source_type=text(document, "source_type") or "",
                source=text(document, "source") or "",
                schema=text(document, "schema"),
                profile=text(document, "profile"),
                path=path,
            )
        )
    return found


def _info(experiment: Experiment, folder: str, path: str, problems: Problems) -> Run | None:
    meta = os.path.join(path, META)
    if not os.path.lexists(meta):
        problems.skip(RUNS, path, NO_META)
        return None
    try:
        document = documents.load(meta)
    except Unreadable as error:
        problems.skip(RUNS, meta, str(error))
        return None
    run_id = text(document, "run_id", "run_uuid")
    if run_id != folder:
        of = f"of run {run_id}" if run_id else "of no run"
        problems.skip(RUNS, meta, f"it is {of}, and not of the folder that it is in")
        return None
    status = document.get("status", 1)
    status = _STATUSES.get(status, status) if isinstance(status, int) else status
    if status not in _STATUSES.values():
        problems.skip(RUNS, meta, f"its status {str(status)[:20]!r} is none of MLflow's")
        return None
    stage = text(document, "lifecycle_stage") or "active"
    if stage not in ("active", "deleted"):
        problems.skip(RUNS, meta, f"its lifecycle_stage {stage[:20]!r} is none of MLflow's")
        return None
    owner = text(document, "experiment_id")
    if owner not in (None, experiment.folder, experiment.moved_from):
        reason = f"it names experiment {owner}; the folder that it is in counts"
        problems.mend(RUNS, meta, reason)
    kind = document.get("source_type")
    return Run(
        run_id=run_id,
        path=path,
        name=text(document, "run_name", "name") or "",
        source_type=(_SOURCE_TYPES.get(kind) if isinstance(kind, int) else None) or "UNKNOWN",
        source_name=text(document, "source_name") or "",
        entry_point_name=text(document, "entry_point_name") or "",
        user_id=text(document, "user_id") or "",
        status=str(status),
        start_time=integer(document, "start_time"),
        end_time=integer(document, "end_time"),
        source_version=text(document, "source_version") or "",
        lifecycle_stage=stage,
        artifact_uri=text(document, "artifact_uri") or None,
        deleted_time=integer(document, "deleted_time") if stage == "deleted" else None,
    )


def _input(path: str, below: str, problems: Problems) -> Input | None:
    meta = os.path.join(path, META)
    try:
        document = documents.load(meta)
    except Unreadable as error:
        problems.skip(INPUTS, meta, str(error))
        return None
    kind = _KINDS.get((below, text(document, "source_type") or ""))
    source = text(document, "source_id")
    if kind is None or not source:
        problems.skip(INPUTS, meta, "it names no dataset and no model")
        return None
    if kind == "output":
        source = text(document, "destination_id") or source
    step = integer(document, "step") or 0
    return Input(kind, source, step, mapping(document, "tags"), meta)
