"""Two teams with accounts on both services."""

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from tests.system import stock_clients, teams
from tests.system.services import Stack
from tests.system.teams import Team


@pytest.fixture(scope="session")
def stack(guarded_stack: Stack) -> Stack:
    """Both services with accounts, in which nobody may do what is not granted."""
    return guarded_stack


@pytest.fixture(scope="session")
def red(stack: Stack) -> Team:
    return teams.add_team(stack, "red")


@pytest.fixture(scope="session")
def blue(stack: Stack) -> Team:
    return teams.add_team(stack, "blue")


@pytest.fixture(params=["password", "token"])
def client(
    request: pytest.FixtureRequest, stack: Stack, red: Team, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """The stock client of team red, by the variables of MLflow's documentation."""
    if request.param == "password":
        given = {
            "MLFLOW_TRACKING_USERNAME": red.user.name,
            "MLFLOW_TRACKING_PASSWORD": red.user.password,
        }
    else:
        given = {"MLFLOW_TRACKING_TOKEN": red.user.token}
    with stock_clients.pointed_at(stack.metadata.url, monkeypatch, given) as client:
        yield client
