"""Accounts by the stock client, and a database of them that goes from MLflow to Tandem and back."""

import inspect
import json
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.server import get_app_client
from mlflow.server.auth.client import AuthServiceClient

from tests.harness.processes import Process, environment
from tests.system import services
from tests.system.client_environments import PINS, interpreter

ADMIN = "admin"
PASSWORD = "correct horse battery"
OTHER = "another long password"
_ROOT = "mlflow-artifacts://127.0.0.1:9/"


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[Process]:
    """The metadata service with accounts, on either database."""
    variables = {"MLFLOW_AUTH_ADMIN_USERNAME": ADMIN, "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    with services.metadata_service(
        tmp_path, database, _ROOT, "--auth", "basic", variables=variables
    ) as running:
        yield running


class Sender:
    """Who the stock clients of this process are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def become(self, name: str, password: str = PASSWORD) -> None:
        self._monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        self._monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    made = Sender(monkeypatch)
    made.become(ADMIN)
    return made


class Recorded:
    """A client that remembers which of its methods were called."""

    def __init__(self, client: AuthServiceClient) -> None:
        self.called: set[str] = set()
        self._client = client

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._client, name)


def test_stock_client_manages_accounts_by_each_of_its_methods(
    service: Process, sender: Sender
) -> None:
    client = Recorded(get_app_client("basic-auth", tracking_uri=service.url))
    tracking = MlflowClient(service.url)
    experiment = tracking.create_experiment("e")

    ann = client.create_user("ann", PASSWORD)
    assert (ann.username, ann.is_admin) == ("ann", False)
    assert client.get_user("ann").id == ann.id
    with pytest.raises(RestException, match="already exists"):
        client.create_user("ann", PASSWORD)
    client.update_user_password("ann", OTHER)
    sender.become("ann", OTHER)
    client.update_user_password("ann", PASSWORD, current_password=OTHER)
    sender.become(ADMIN)
    client.update_user_admin("ann", True)
    assert client.get_user("ann").is_admin
    client.update_user_admin("ann", False)

    role = client.create_role("default", "writers", "they write")
    assert (role.name, role.description, role.permissions) == ("writers", "they write", [])
    granted = client.add_role_permission(role.id, "experiment", experiment, "READ")
    changed = client.update_role_permission(granted.id, "EDIT")
    assert (changed.id, changed.permission) == (granted.id, "EDIT")
    assert [each.permission for each in client.list_role_permissions(role.id)] == ["EDIT"]
    assert client.update_role(role.id, name="authors").name == "authors"
    assert [each.permission for each in client.get_role(role.id).permissions] == ["EDIT"]
    assignment = client.assign_role("ann", role.id)
    assert (assignment.user_id, assignment.role_id) == (ann.id, role.id)
    assert [each.user_id for each in client.list_role_users(role.id)] == [ann.id]
    assert [each.name for each in client.list_user_roles("ann")] == ["authors"]
    own = "__user_1__"  # of the administrator, who made the experiment
    assert [each.name for each in client.list_roles("default")] == [own, "authors"]
    assert [each.name for each in client.list_all_roles()] == [own, "authors"]

    sender.become("ann")
    run = tracking.create_run(experiment)
    tracking.log_metric(run.info.run_id, "m", 1.0)
    with pytest.raises(MlflowException, match="MANAGE"):
        tracking.delete_experiment(experiment)
    sender.become(ADMIN)
    client.unassign_role("ann", role.id)
    client.remove_role_permission(granted.id)
    client.delete_role(role.id)
    sender.become("ann")
    with pytest.raises(MlflowException, match="EDIT"):
        tracking.log_metric(run.info.run_id, "m", 2.0)

    sender.become(ADMIN)
    client.grant_user_permission("ann", "experiment", experiment, "MANAGE")
    found = client.get_user_permission("ann", "experiment", experiment)
    assert (found.allowed, found.permission) == (True, "MANAGE")
    client.revoke_user_permission("ann", "experiment", experiment)
    assert client.get_user_permission("ann", "experiment", experiment).permission == "READ"
    client.delete_user("ann")
    with pytest.raises(RestException, match="not found"):
        client.get_user("ann")

    methods = {
        name
        for name, _ in inspect.getmembers(AuthServiceClient, inspect.isfunction)
        if not name.startswith("_")
    }
    assert client.called == methods


def test_client_of_mlflow_2_manages_accounts(service: Process) -> None:
    packages = sysconfig.get_path("purelib")
    command = [interpreter("2.22.4"), PINS / "accounts.py", service.url, packages]
    variables = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    done = subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "client": "2.22.4",
        "user": ["ann", False, [], []],
        "admin": True,
        "experiment": ["READ", "NO_PERMISSIONS", "EDIT"],
        "model": ["MANAGE", "READ"],
        "granted": [["EDIT"], ["READ"]],
        "errors": [
            "RESOURCE_ALREADY_EXISTS",
            "RESOURCE_ALREADY_EXISTS",
            "RESOURCE_DOES_NOT_EXIST",
            "RESOURCE_DOES_NOT_EXIST",
        ],
    }
