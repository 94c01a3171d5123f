"""Exports of a service that runs: opened by MLflow's own server, and read by URL as users do."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource

from tandem_metadata.__main__ import main
from tests.harness import commands
from tests.harness.processes import Process, environment
from tests.system import services, tracking_content

ROOT = "mlflow-artifacts://127.0.0.1:5500/"


@pytest.fixture(autouse=True)
def client_state() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri("")


def _export(database: str, *arguments: str) -> str:
    line = ["tandem-metadata", "export", "--backend-store-uri", database, *arguments]
    done = commands.run(main, line, environment())
    assert done.status == 0, done.err
    return done.out


def _trace(url: str, experiment_id: str) -> None:
    client = MlflowClient(url)
    root = client.start_trace(
        "agent", inputs={"q": "Grüße"}, tags={"k": "v"}, experiment_id=experiment_id
    )
    child = client.start_span("call", root.trace_id, root.span_id, inputs={"n": 1})
    child.set_attribute("mlflow.llm.model", "m")
    client.end_span(root.trace_id, child.span_id, outputs={"n": 2})
    client.end_trace(root.trace_id, outputs={"a": [1, None]})
    mlflow.flush_trace_async_logging()
    mlflow.set_tracking_uri(url)
    source = AssessmentSource("HUMAN", "bob")
    mlflow.log_feedback(trace_id=root.trace_id, name="good", value=0.5, source=source)
    mlflow.log_expectation(trace_id=root.trace_id, name="list", value=["a", 1], source=source)


def _traces(url: str, experiment_id: str) -> list[dict[str, Any]]:
    found = MlflowClient(url).search_traces(locations=[experiment_id], include_spans=True)
    return [each.to_dict() for each in found]


def test_mlflows_server_shows_the_same_of_an_export_to_sqlite(
    database: str, tmp_path: Path
) -> None:
    place = tmp_path / "export.db"
    with services.metadata_service(tmp_path, database, ROOT) as service:
        mlflow.set_tracking_uri(service.url)
        tracking_content.fill(service.url, "exported")
        experiment = MlflowClient(service.url).get_experiment_by_name("exported")
        assert experiment is not None
        _trace(service.url, experiment.experiment_id)
        made = tracking_content.read(service.url)
        traces = _traces(service.url, experiment.experiment_id)
        out = _export(database, "--to", str(place), "--format", "sqlite")
        assert f"sqlite:///{place}" in out
    assert len(made["runs"]) == 4
    (trace,) = traces
    assert len(trace["data"]["spans"]) == 2
    assert len(trace["info"]["assessments"]) == 2
    with services.mlflow_server(
        tmp_path, database=f"sqlite:///{place}", artifact_root=ROOT
    ) as server:
        assert tracking_content.read(server.url) == made
        assert _traces(server.url, experiment.experiment_id) == traces
        client = MlflowClient(server.url)
        run = client.create_run(client.create_experiment("new")).info.run_id
        client.log_metric(run, "m", 1.0)
        assert client.get_run(run).data.metrics == {"m": 1.0}


class _Ranges(io.RawIOBase):
    """A file of a URL that is read by its parts, as analytical programs do."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._size = int(requests.head(url, timeout=30).headers["content-length"])
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[
            whence
        ] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        headers = {"Range": f"bytes={self._place}-{end - 1}"}
        answer = requests.get(self._url, headers=headers, timeout=30)
        assert answer.status_code == 206
        buffer[: len(answer.content)] = answer.content
        self._place = end
        return len(answer.content)


@pytest.fixture
def points(database: str, tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """A service of two workers, and an experiment in which a run has 1,000 points."""
    with services.metadata_service(tmp_path, database, ROOT, "--workers", "2") as service:
        client = MlflowClient(service.url)
        experiment = client.create_experiment("points")
        run = client.create_run(experiment, start_time=1)
        metrics = [mlflow.entities.Metric("loss", 1 / (n + 1), n, n) for n in range(1000)]
        client.log_batch(run.info.run_id, metrics, [mlflow.entities.Param("lr", "0.1")])
        yield service, experiment


def test_pandas_reads_an_experiment_by_url(points: tuple[Process, str]) -> None:
    service, experiment = points
    base = f"{service.url}/api/3.0/tandem/experiments/{experiment}/export"
    metrics = pd.read_parquet(f"{base}/metrics.parquet")
    assert list(metrics.value) == [1 / (n + 1) for n in range(1000)]
    assert list(metrics.step) == [*range(1000)]
    assert str(metrics.timestamp.dtype) == "datetime64[ms, UTC]"
    runs = pd.read_parquet(f"{base}/runs.parquet?filter=params.lr='0.1'")
    joined = runs.merge(metrics, on="run_id")
    assert len(joined) == 1000
    assert list(pd.read_parquet(f"{base}/runs.parquet?filter=params.lr='1'").columns) == [
        *runs.columns
    ]


def test_parts_of_an_export_fit_together_whichever_worker_answers(
    points: tuple[Process, str],
) -> None:
    service, experiment = points
    url = f"{service.url}/api/3.0/tandem/experiments/{experiment}/export/metrics.parquet"
    for _ in range(5):
        table = pq.read_table(io.BufferedReader(_Ranges(url), 1024))
        assert table.column("value").to_pylist() == [1 / (n + 1) for n in range(1000)]


def test_polars_reads_an_experiment_by_url(points: tuple[Process, str]) -> None:
    pl = pytest.importorskip("polars")
    service, experiment = points
    base = f"{service.url}/api/3.0/tandem/experiments/{experiment}/export"
    frame = pl.scan_parquet(f"{base}/metrics.parquet").filter(pl.col("step") < 10).collect()
    assert frame["value"].to_list() == [1 / (n + 1) for n in range(10)]
    assert pl.read_parquet(f"{base}/runs.parquet?filter=params.lr='0.1'").height == 1


def test_an_export_by_url_needs_read_on_the_experiment(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.metadata_service(
        tmp_path, database, ROOT, *services.GUARDED, variables=services.ADMIN
    ) as service:
        admin = ("admin", services.ADMIN_PASSWORD)
        api = f"{service.url}/api"
        for name in ("reader", "stranger"):
            user = {"username": name, "password": services.ADMIN_PASSWORD}
            requests.post(f"{api}/2.0/mlflow/users/create", json=user, auth=admin, timeout=30)
        grant = {"experiment_id": "0", "username": "reader", "permission": "READ"}
        path = "2.0/mlflow/experiments/permissions/create"
        assert requests.post(f"{api}/{path}", json=grant, auth=admin, timeout=30).ok
        url = f"{api}/3.0/tandem/experiments/0/export/runs.parquet"
        statuses = {
            name: requests.request(
                method, url, auth=(name, services.ADMIN_PASSWORD), timeout=30
            ).status_code
            for name in ("admin", "reader", "stranger")
            for method in ("HEAD", "GET")
        }
        assert statuses == {"admin": 200, "reader": 200, "stranger": 403}
        assert requests.get(url, timeout=30).status_code == 401
        basic = requests.auth._basic_auth_str("reader", services.ADMIN_PASSWORD)
        frame = pd.read_parquet(url, storage_options={"Authorization": basic})
        assert len(frame) == 0
