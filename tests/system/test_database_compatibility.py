"""One database, used by Tandem and by MLflow's own server, in turn and at once."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.metadata.database import mlflow_tables
from tests.postgresql import PostgreSQL
from tests.system import services, trace_content, tracking_content

ARTIFACT_ROOT = "mlflow-artifacts://127.0.0.1:5500/"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, as both servers understand it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mlflow.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = server.create()
    # MLflow would look for psycopg 2 without the driver's name.
    yield server.uri(name).replace("postgresql://", "postgresql+psycopg://")
    server.drop(name)


@contextlib.contextmanager
def _tandem(directory: Path, address: str) -> Iterator[str]:
    with services.metadata_service(directory, address, ARTIFACT_ROOT) as service:
        yield service.url


@contextlib.contextmanager
def _mlflow(directory: Path, address: str) -> Iterator[str]:
    """MLflow's own server over the given database, which it makes if it is empty."""
    with services.mlflow_server(directory, database=address, artifact_root=ARTIFACT_ROOT) as server:
        yield server.url


def test_mlflow_upgrades_and_reads_what_tandem_made_and_both_go_on(
    address: str, tmp_path: Path
) -> None:
    with _tandem(tmp_path, address) as tandem:
        tracking_content.fill(tandem, "before")
        traces = trace_content.fill(tandem, 1)
        made, traced = tracking_content.read(tandem), trace_content.read(tandem, traces)
    _expect_everything(made, runs_of_traces=1)
    services.mlflow_upgrade(address)
    with _mlflow(tmp_path, address) as mlflow, _tandem(tmp_path, address) as tandem:
        assert tracking_content.read(mlflow) == made
        _take_turns(mlflow, tandem)
        trace_content.take_turns(mlflow, tandem, traces, traced)


def test_mlflow_upgrades_and_reads_traces_of_the_first_revision_and_both_go_on(
    address: str, tmp_path: Path
) -> None:
    # psycopg, which loads them, has no driver in its addresses.
    mlflow_tables.load(address.replace("+psycopg", ""))
    with _tandem(tmp_path, address) as tandem:
        traces = trace_content.fill(tandem, 1)
        traced = trace_content.read(tandem, traces)
    services.mlflow_upgrade(address)
    with _mlflow(tmp_path, address) as mlflow, _tandem(tmp_path, address) as tandem:
        trace_content.take_turns(mlflow, tandem, traces, traced)


def test_tandem_reads_and_writes_what_mlflow_made_and_both_go_on(
    address: str, tmp_path: Path
) -> None:
    with _mlflow(tmp_path, address) as mlflow:
        tracking_content.fill(mlflow, "before")
        made = tracking_content.read(mlflow)
        _expect_everything(made)
        with _tandem(tmp_path, address) as tandem:
            assert tracking_content.read(tandem) == made
            _take_turns(mlflow, tandem)


def _expect_everything(made: dict[str, Any], *, runs_of_traces: int = 0) -> None:
    """That what was read is what `fill` wrote once, and not nothing on both sides."""
    assert {kind: len(found) for kind, found in made.items() if kind != "history"} == {
        "experiments": 3,
        "runs": 4 + runs_of_traces,
        "run": 4 + runs_of_traces,
        "datasets": 2,
        "models": 2,
        "prompts": 1,
        "versions": 6,
        "model": 3,
        "version": 6,
        "location": 6,
        "logged": 3,
        "logged model": 3,
    }
    histories = made["history"].values()
    values = {metric["value"] for history in histories for metric in history["metrics"]}
    # MLflow keeps infinities as the largest doubles.
    assert {"NaN", sys.float_info.max, -sys.float_info.max} <= values
    assert max(len(history["metrics"]) for history in histories) == 19


def _take_turns(mlflow: str, tandem: str) -> None:
    for writer, name in ((tandem, "by Tandem"), (mlflow, "by MLflow")):
        tracking_content.fill(writer, name)
        read = tracking_content.read(tandem)
        assert read == tracking_content.read(mlflow)
        assert {name, f"{name}, deleted"} <= {found["name"] for found in read["experiments"]}
        assert f"model {name}" in {found["name"] for found in read["models"]}
