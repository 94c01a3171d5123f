"""The stock client with MLFLOW_TRACKING_TOKEN, against two workers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.harness.processes import Process, environment, eventually
from tests.system import services

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def service(directory: Path) -> Iterator[Process]:
    variables = {"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    with services.metadata_service(
        directory,
        f"sqlite:///{directory}/mlflow.db",
        "mlflow-artifacts://127.0.0.1:5500/",
        "--app-name",
        "basic-auth",
        "--auth-database-uri",
        f"sqlite:///{directory}/basic_auth.db",
        "--workers",
        "2",
        variables=variables,
    ) as process:
        yield process


def _token(directory: Path, *arguments: str) -> str:
    """What `tandem-metadata token …` prints, for the accounts of the service."""
    found = [
        "--backend-store-uri",
        f"sqlite:///{directory}/mlflow.db",
        "--auth-database-uri",
        f"sqlite:///{directory}/basic_auth.db",
    ]
    done = subprocess.run(
        [Path(sys.executable).parent / "tandem-metadata", "token", *arguments, *found],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_stock_client_works_with_a_token_until_it_is_revoked(
    service: Process, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = _token(directory, "create", "--user", "admin", "--name", "ci", "--expires", "1h")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    client = MlflowClient(service.url)
    experiment = client.create_experiment("by token")
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "loss", 0.5)
    assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}

    reader = _token(directory, "create", "--user", "admin", "--name", "reader", "--read-only")
    with monkeypatch.context() as reading:
        reading.setenv("MLFLOW_TRACKING_TOKEN", reader)
        assert mlflow.MlflowClient(service.url).get_run(run.info.run_id).info.run_id
        with pytest.raises(MlflowException, match="reading only") as refused:
            client.set_tag(run.info.run_id, "k", "v")
        assert refused.value.error_code == "PERMISSION_DENIED"

    listed = _token(directory, "list", "--user", "admin").splitlines()
    (of_ci,) = [line for line in listed if "name ci" in line]
    _token(directory, "revoke", of_ci.partition(";")[0])

    def is_refused() -> bool:
        """By both workers, as far as ten new connections reach both."""
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        url = f"/api/2.0/mlflow/runs/get?run_id={run.info.run_id}"
        return {service.get(url, headers=headers).status_code for _ in range(10)} == {401}

    def is_refused_to_the_client() -> bool:
        """By the worker of its connection, which may be another one than the ten have reached."""
        try:
            client.get_run(run.info.run_id)
        except MlflowException as error:
            return "not known, is revoked, or has expired" in error.message
        return False

    eventually(is_refused, "new connections are refused")
    eventually(is_refused_to_the_client, "the client is refused")
