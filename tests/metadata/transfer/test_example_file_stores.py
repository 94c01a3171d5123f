"""What releases of MLflow wrote, imported: field by field what MLflow's own FileStore reads."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType
from mlflow.store.model_registry.file_store import FileStore as FileRegistry
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as SqlRegistry
from mlflow.store.tracking.file_store import FileStore as FileTracking
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as SqlTracking

from tandem_metadata.settings import Settings
from tests.metadata.transfer.file_stores import EXAMPLES, example, import_into
from tests.metadata.transfer.rows import rows

_LARGEST = 1.7976931348623157e308
_NAMES = ("Default", "demo", "old", "revived")


@pytest.fixture(params=EXAMPLES)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return example(request.param, tmp_path)


@pytest.fixture
def sql(settings: Settings, folder: Path, tmp_path: Path) -> Any:
    """MLflow's own reader of the database into which the folder was imported."""
    report = import_into(settings, folder)
    assert report.problems == []
    return SqlTracking(settings.backend_store_uri, str(tmp_path / "unused"))


def _experiment(given: Any) -> dict[str, Any]:
    return {
        name: getattr(given, name)
        for name in ("name", "artifact_location", "lifecycle_stage", "creation_time")
    } | {"last_update_time": given.last_update_time}


def _tags(given: Any) -> dict[str, str]:
    return {key: value for key, value in given.tags.items() if not key.startswith("tandem.import")}


def _number(value: float) -> float:
    """Infinities and NaN as the tables have them."""
    if value != value:
        return 0.0
    return max(-_LARGEST, min(_LARGEST, value))


def _inputs(run: Any) -> Any:
    given = run.inputs
    datasets = [
        (dict(each.dataset), sorted((tag.key, tag.value) for tag in each.tags))
        for each in given.dataset_inputs
    ]
    models = [each.model_id for each in given.model_inputs or ()]
    outputs = [
        (each.model_id, each.step) for each in (run.outputs and run.outputs.model_outputs) or ()
    ]
    return sorted(datasets, key=repr), models, outputs


def _all_runs(store: Any, experiment_id: str) -> dict[str, Any]:
    found = store.search_runs([experiment_id], "", ViewType.ALL, 1000)
    return {run.info.run_id: store.get_run(run.info.run_id) for run in found}


def test_experiments_are_what_mlflow_reads(folder: Path, sql: Any) -> None:
    files = FileTracking(str(folder))
    given = {each.name: each for each in files.search_experiments(ViewType.ALL)}
    found = {each.name: each for each in sql.search_experiments(ViewType.ALL)}
    assert sorted(found) == sorted(given) == sorted(_NAMES)
    for name in set(_NAMES) - {"Default"}:  # which the database had before
        assert _experiment(found[name]) == _experiment(given[name])
        assert _tags(found[name]) == given[name].tags
        tag = dict(found[name].tags).get("tandem.import.experimentId", found[name].experiment_id)
        assert tag == given[name].experiment_id


def test_runs_are_what_mlflow_reads(folder: Path, sql: Any) -> None:
    files = FileTracking(str(folder))
    ids = {each.name: each.experiment_id for each in sql.search_experiments(ViewType.ALL)}
    seen = 0
    for experiment in files.search_experiments(ViewType.ALL):
        given = _all_runs_of_files(files, folder, experiment)
        found = _all_runs(sql, ids[experiment.name])
        assert sorted(found) == sorted(given)
        for run_id, run in given.items():
            seen += 1
            _compare_runs(run, found[run_id])
            for metric in run.data.metrics:
                _compare_histories(
                    files.get_metric_history(run_id, metric), sql.get_metric_history(run_id, metric)
                )
    assert seen == 4


def _all_runs_of_files(files: Any, folder: Path, experiment: Any) -> dict[str, Any]:
    """The example archives keep no empty folders, without which MLflow finds no run."""
    for meta in folder.glob("**/meta.yaml"):
        if len(meta.parent.name) == 32 and "inputs" not in meta.parts:
            for below in ("params", "metrics", "artifacts", "tags"):
                (meta.parent / below).mkdir(exist_ok=True)
    return _all_runs(files, experiment.experiment_id)


def _compare_runs(given: Any, found: Any) -> None:
    fields = (
        "run_id",
        "run_name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "lifecycle_stage",
        "artifact_uri",
    )
    for name in fields:
        assert getattr(found.info, name) == getattr(given.info, name), name
    assert found.data.params == given.data.params
    assert found.data.tags == given.data.tags
    assert sorted(found.data.metrics) == sorted(given.data.metrics)
    for key, value in given.data.metrics.items():
        stored = found.data.metrics[key]
        assert stored == value or (stored != stored and value != value) or stored == _number(value)
    assert _inputs(found) == _inputs(given)


def _compare_histories(given: Any, found: Any) -> None:
    def points(history: Any) -> list[Any]:
        return [(m.timestamp, _number(m.value)) for m in history]

    assert points(found) == points(given)
    for one, other in zip(given, found, strict=True):
        # MLflow's reader of files forgets the step of a line with a dataset.
        assert one.step == other.step or (one.dataset_name and other.step == 2)


def test_deleted_runs_keep_their_time(folder: Path, sql: Any, settings: Settings) -> None:
    found = rows(
        settings, "SELECT run_uuid, deleted_time FROM runs WHERE lifecycle_stage = 'deleted'"
    )
    for run_id, deleted in found:
        (meta,) = folder.glob(f"**/{run_id}/meta.yaml")
        assert f"deleted_time: {deleted}\n" in meta.read_text()
    assert len(found) == 2


def test_registered_models_are_what_mlflow_reads(
    folder: Path, sql: Any, settings: Settings
) -> None:
    files, found = FileRegistry(str(folder)), SqlRegistry(settings.backend_store_uri)
    (given,), (model,) = (
        files.search_registered_models(max_results=9),
        found.search_registered_models(),
    )
    for name in ("name", "description", "creation_timestamp", "last_updated_timestamp"):
        assert getattr(model, name) == getattr(given, name), name
    assert model.aliases == {alias: int(number) for alias, number in given.aliases.items()}
    assert model.tags == given.tags == {"domain": "pay/ments"}
    version = found.get_model_version("fraud", 1)
    expected = files.get_model_version("fraud", 1)
    fields = dict(expected)
    fields.pop("metrics", None)
    for name in fields.keys() - {"model_id", "params", "deployment_job_state"}:
        assert getattr(version, name) == getattr(expected, name), name
    assert found.get_model_version_download_uri("fraud", "1") == (
        files.get_model_version_download_uri("fraud", "1")
    )
    stages = "SELECT version, current_stage FROM model_versions"
    assert rows(settings, stages) == [(1, "Staging"), (2, "Deleted_Internal")]
    assert found.create_model_version("fraud", "s3://b/y").version == 3


@pytest.mark.parametrize("folder", ["3.17"], indirect=True)
def test_logged_models_are_what_mlflow_reads(folder: Path, sql: Any, settings: Settings) -> None:
    files = FileTracking(str(folder))
    (experiment,) = files.search_experiments(filter_string="name = 'demo'")
    (given,) = files.search_logged_models([experiment.experiment_id])
    found = sql.get_logged_model(given.model_id)
    for name in (
        "name",
        "artifact_location",
        "creation_timestamp",
        "last_updated_timestamp",
        "model_type",
        "source_run_id",
        "status",
        "status_message",
        "tags",
        "params",
    ):
        assert getattr(found, name) == getattr(given, name), name

    def values(model: Any) -> list[Any]:
        return sorted(
            (m.key, m.value, m.timestamp, m.step, m.run_id, m.dataset_name, m.dataset_digest)
            for m in model.metrics
        )

    assert values(found) == values(given)
    stages = "SELECT name, lifecycle_stage FROM logged_models"
    assert rows(settings, stages) == [("dead", "deleted"), ("lm", "active")]


@pytest.mark.parametrize("folder", ["3.17"], indirect=True)
def test_traces_and_assessments_are_what_mlflow_reads(folder: Path, sql: Any) -> None:
    files = FileTracking(str(folder))
    (trace_folder,) = folder.glob("*/traces/*")
    given = files.get_trace_info(trace_folder.name)
    found = sql.get_trace_info(trace_folder.name)
    for name in (
        "trace_id",
        "request_time",
        "execution_duration",
        "state",
        "request_preview",
        "response_preview",
        "client_request_id",
        "trace_metadata",
    ):
        assert getattr(found, name) == getattr(given, name), name
    tags = {key: value for key, value in found.tags.items() if key != "mlflow.trace.spansLocation"}
    assert tags == given.tags

    def judged(info: Any) -> list[Any]:
        # MLflow's reader of files forgets whether an expectation is valid.
        found = ({"valid": True} | each.to_dictionary() for each in info.assessments)
        return sorted(found, key=itemgetter("assessment_id"))

    assert judged(found) == judged(given)
    assert len(judged(found)) == 2


def test_traces_of_mlflow_2_are_imported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = example("traces-2.22", tmp_path)
    assert import_into(settings, folder).problems == []
    (trace_folder,) = folder.glob("*/traces/*")
    given = FileTracking(str(folder)).get_trace_info(trace_folder.name)
    found = SqlTracking(settings.backend_store_uri, str(tmp_path)).get_trace_info(trace_folder.name)
    assert (found.request_time, found.state) == (given.request_time, given.state)
    assert (found.tags, found.trace_metadata) == (given.tags, given.trace_metadata)
