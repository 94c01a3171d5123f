"""`tandem-metadata import` of databases that servers filled: to PostgreSQL and back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai import datasets

from tandem_metadata.__main__ import main
from tests.harness import commands
from tests.harness.processes import environment
from tests.metadata.spans.exports import export, span
from tests.metadata.transfer.databases import dump
from tests.postgresql import PostgreSQL
from tests.system import services, tracking_content

_ROOT = "mlflow-artifacts://127.0.0.1:5500/"


@pytest.fixture(autouse=True)
def client_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield
    mlflow.set_tracking_uri("")


@pytest.fixture
def target(postgresql: PostgreSQL) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    name = postgresql.create()
    yield postgresql.uri(name)
    postgresql.drop(name)


def _import(*arguments: str, status: int = 0) -> str:
    done = commands.run(main, ["tandem-metadata", "import", *arguments], environment())
    assert done.status == status, done
    return done.out + done.err


@contextmanager
def _server(kind: str, directory: Path, database: str) -> Iterator[str]:
    if kind == "tandem":
        with services.metadata_service(directory, database, _ROOT) as service:
            yield service.url
        return
    address = database.replace("postgresql://", "postgresql+psycopg://")
    with services.mlflow_server(directory, database=address, artifact_root=_ROOT) as server:
        yield server.url


def _fill(url: str) -> None:
    """Runs, models, prompts, traces with assessments, scorers, datasets and a webhook."""
    tracking_content.fill(url, "one")
    mlflow.set_tracking_uri(url)
    experiment = mlflow.set_experiment("traced").experiment_id

    root = span(attributes={"mlflow.spanInputs": {"q": "ü\u0001"}, "x": [1.5, None]})
    answer = requests.post(
        f"{url}/v1/traces",
        data=export(root, span(b"\1" * 8, root.span_id)).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment},
        timeout=60,
    )
    assert answer.ok, answer.text
    trace_id = f"tr-{root.trace_id.hex()}"
    source = AssessmentSource("HUMAN", "ann")
    mlflow.log_assessment(trace_id, Feedback(name="good", value={"a": [1]}, source=source))
    mlflow.log_expectation(trace_id=trace_id, name="wanted", value="hellohello")
    dataset = datasets.create_dataset(name="questions", experiment_id=[experiment])
    dataset.merge_records([{"inputs": {"q": 1}, "expectations": {"answer": 1.0}}])
    MlflowClient().create_webhook("hook", "https://93.184.215.14/x", ["registered_model.created"])


def _read(url: str) -> dict[str, Any]:
    read = tracking_content.read(url)
    mlflow.set_tracking_uri(url)
    experiments = [each.experiment_id for each in MlflowClient().search_experiments()]
    found = mlflow.search_traces(locations=experiments, return_type="list", include_spans=False)
    read["traces"] = sorted(each.to_json() for each in found)
    read["evaluation"] = [
        each.to_dict() for each in mlflow.genai.search_datasets(experiment_ids=experiments)
    ]
    webhooks = requests.get(f"{url}/api/2.0/mlflow/webhooks", timeout=30).json()
    read["webhooks"] = webhooks["webhooks"]
    return read


@pytest.mark.parametrize("made_by", ["mlflow", "tandem"])
def test_what_servers_made_goes_to_postgresql_and_back_and_both_servers_read_the_same(
    made_by: str, target: str, tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path / 'source.db'}"
    with _server(made_by, tmp_path, source) as url:
        _fill(url)
        expected = _read(url)
    assert len(expected["traces"]) == 1
    assert len(expected["evaluation"]) == len(expected["webhooks"]) == 1
    report = tmp_path / "report.json"
    said = _import(source, "--to", target, "--report", str(report))
    assert "Checksums" in said
    told = json.loads(report.read_text())
    assert told["mismatches"] == []
    assert all(each["source"] == each["target"] for each in told["checksums"])
    back = f"sqlite:///{tmp_path / 'back.db'}"
    _import(target, "--to", back)
    before, between, after = dump(source), dump(target), dump(back)
    for name, rows in before.items():
        assert between[name] == rows, name
        assert after[name] == rows, name
    for database, kind in ((target, "mlflow"), (target, "tandem"), (back, "mlflow")):
        with _server(kind, tmp_path, database) as url:
            assert _read(url) == expected


def test_services_on_the_target_answer_and_write_while_rows_come(
    target: str, tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path / 'source.db'}"
    with _server("tandem", tmp_path, source) as url:
        skipped, taken = (_many_points(url, name) for name in ("theirs", "more"))
    with _server("tandem", tmp_path, target) as url:
        client = MlflowClient(url)
        # It has the id that an experiment of the source has.
        own = client.create_run(client.create_experiment("own")).info.run_id
        stop = threading.Event()
        logged: list[int] = []
        failed: list[Exception] = []

        def write() -> None:
            while not stop.is_set():
                try:
                    client.log_metric(own, "m", len(logged), step=len(logged))
                    logged.append(1)
                except Exception as error:
                    failed.append(error)
                    return

        thread = threading.Thread(target=write)
        thread.start()
        said = _import(source, "--to", target, "--strict", status=1)
        stop.set()
        thread.join()
        assert not failed
        assert "experiments 1 theirs: the target has another experiment of this id" in said
        assert len(client.get_metric_history(own, "m")) == len(logged) > 0
        assert len(client.get_metric_history(taken, "loss")) == 5000
        assert client.get_experiment_by_name("more") is not None
        with pytest.raises(mlflow.MlflowException, match=skipped):
            client.get_run(skipped)


def _many_points(url: str, name: str) -> str:
    client = MlflowClient(url)
    run_id: str = client.create_run(client.create_experiment(name)).info.run_id
    for first in range(0, 5000, 1000):
        points = [
            mlflow.entities.Metric("loss", step / 7, step, step)
            for step in range(first, first + 1000)
        ]
        client.log_batch(run_id, points)
    return run_id
