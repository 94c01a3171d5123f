"""Inputs, logged models, traces and registered models of file stores that are spoiled."""

from pathlib import Path
from typing import Final

from tests.metadata.transfer.file_stores import MadeUp, document, put
from tests.metadata.transfer.odd_stores import GOOD, ONE, OTHER, Oddities

ALL: Final = Oddities()
odd: Final = ALL.odd


@odd(skips={f"1/{GOOD}/inputs/i/meta.yaml": "is not in the experiment's datasets"}, rows=ONE)
def input_whose_dataset_is_gone(store: MadeUp, experiment: Path) -> None:
    given = {"source_type": "DATASET", "source_id": "gone", "destination_type": "RUN"}
    document(experiment / GOOD / "inputs" / "i" / "meta.yaml", given)


@odd(skips={"1/datasets/d/meta.yaml": "it lacks name or digest"}, rows=ONE)
def dataset_without_digest(store: MadeUp, experiment: Path) -> None:
    document(experiment / "datasets" / "d" / "meta.yaml", {"name": "iris"})


@odd(skips={"1/models/m-1/meta.yaml": "it is empty"}, rows={"SELECT * FROM logged_models": []})
def logged_model_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    put(experiment / "models" / "m-1" / "meta.yaml", "")


@odd(
    skips={
        "1/models/m-1/metrics/acc:1": "is not in the database",
        "1/models/m-1/metrics/acc:3": "3 fields",
    },
    rows={
        "SELECT metric_name, metric_value, dataset_name FROM logged_model_metrics": [
            ("acc", 0.75, "iris")
        ]
    },
)
def logged_model_with_metrics_of_unknown_runs(store: MadeUp, experiment: Path) -> None:
    folder = experiment / "models" / "m-1"
    document(folder / "meta.yaml", {"model_id": "m-1", "name": "m", "status": 2})
    lines = (f"10 0.5 1 {OTHER}", f"10 0.5 1 {GOOD} iris d", "10 0.5 1", f"10 0.75 1 {GOOD} iris d")
    put(folder / "metrics" / "acc", "\n".join(lines) + "\n")


@odd(
    skips={"1/traces/tr-1/trace_info.yaml": "cannot be read"}, rows={"SELECT * FROM trace_info": []}
)
def trace_without_its_document(store: MadeUp, experiment: Path) -> None:
    (experiment / "traces" / "tr-1").mkdir(parents=True)


@odd(
    skips={
        "1/traces/tr-1/assessments/a-1.yaml": "it is empty",
        "1/traces/tr-1/assessments/a-2.yaml": "",
    },
    rows={
        "SELECT request_id, timestamp_ms, status FROM trace_info": [("tr-1", 1500, "OK")],
        "SELECT assessment_id, valid FROM assessments": [("a-3", False)],
    },
)
def trace_with_bad_assessments(store: MadeUp, experiment: Path) -> None:
    info = {"trace_id": "tr-1", "request_time": "1970-01-01T00:00:01.500Z", "state": "OK"}
    folder = store.trace(experiment, "tr-1", info) / "assessments"
    put(folder / "a-1.yaml", "")
    document(folder / "a-2.yaml", {"assessment_id": "a-2", "assessment_name": "neither"})
    given = {"assessment_id": "a-3", "assessment_name": "ok", "feedback": {"value": True}}
    document(folder / "a-3.yaml", given | {"valid": False})


@odd(
    skips={"models/m/version-2/meta.yaml": "it is empty", "models/m/aliases/lost": "version '9'"},
    rows={
        "SELECT name, version FROM model_versions": [("m", 1)],
        "SELECT alias, version FROM registered_model_aliases": [("champion", 1)],
    },
)
def registered_model_with_bad_parts(store: MadeUp, experiment: Path) -> None:
    folder = store.registered("m", {}, {})
    put(folder / "version-2" / "meta.yaml", "")
    put(folder / "aliases" / "champion", "1")
    put(folder / "aliases" / "lost", "9")


@odd(
    mends={
        "models/new name/meta.yaml": "the folder's name counts",
        "models/new name/version-1/meta.yaml": "another model",
    },
    rows={"SELECT name, version FROM model_versions": [("new name", 1)]},
)
def registered_model_whose_folder_was_renamed(store: MadeUp, experiment: Path) -> None:
    store.registered("old name", {}).rename(store.root / "models" / "new name")
