"""Changes of accounts count at once in all workers, which are processes of their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.processes import Process
from tests.system import services, teams
from tests.system.teams import User

API = "/api/2.0/mlflow"
TIMES = 40
"""Connections, each of which any of the workers may take."""


@pytest.fixture
def service(database: str, tmp_path: Path) -> Iterator[Process]:
    with services.metadata_service(
        tmp_path,
        database,
        "mlflow-artifacts://127.0.0.1:9/",
        *services.GUARDED,
        "--workers",
        "3",
        variables=services.ADMIN,
    ) as running:
        yield running


def send(service: Process, user: User, method: str, path: str, **fields: Any) -> httpx.Response:
    """A request on a connection of its own."""
    given = {"params": fields} if method == "GET" else {"json": fields}
    headers = {"Authorization": user.bearer}
    url = f"{service.url}{path if path.startswith('/api') else f'{API}/{path}'}"
    options = {"headers": headers, "timeout": 30, "trust_env": False, "verify": False}
    return httpx.request(method, url, **options, **given)


def statuses(service: Process, user: User, method: str, path: str, **fields: Any) -> set[int]:
    """The statuses of many answers, so that each worker gives some."""
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(send, service, user, method, path, **fields) for _ in range(TIMES)]
        return {each.result().status_code for each in asked}


def test_new_model_of_a_deleted_one_s_name_is_read_by_no_worker(
    service: Process, database: str
) -> None:
    ann, bob = teams.add_user(database, "ann"), teams.add_user(database, "bob")
    model = {"name": "fraud"}
    assert send(service, bob, "POST", "registered-models/create", **model).status_code == 200
    granted = {"username": "ann", "resource_type": "registered_model", "resource_id": "fraud"}
    path = "/api/3.0/mlflow/users/permissions/grant"
    assert send(service, bob, "POST", path, **granted, permission="READ").status_code == 200
    assert statuses(service, ann, "GET", "registered-models/get", **model) == {200}
    assert send(service, bob, "DELETE", "registered-models/delete", **model).status_code == 200
    assert send(service, bob, "POST", "registered-models/create", **model).status_code == 200
    assert statuses(service, ann, "GET", "registered-models/get", **model) == {403}
    found = send(service, ann, "GET", "registered-models/search").json()
    assert not found.get("registered_models")


def test_what_a_user_has_created_is_listed_by_all_workers(service: Process, database: str) -> None:
    ann = teams.add_user(database, "ann")
    for number in range(3):
        made = send(service, ann, "POST", "experiments/create", name=f"e{number}")
        assert made.status_code == 200
        with ThreadPoolExecutor(4) as threads:
            asked = [
                threads.submit(send, service, ann, "GET", "experiments/search", max_results=9)
                for _ in range(TIMES)
            ]
        assert {len(each.result().json()["experiments"]) for each in asked} == {number + 1}


def test_revoked_token_is_refused_by_all_workers(service: Process, database: str) -> None:
    ann = teams.add_user(database, "ann")
    assert statuses(service, ann, "GET", "users/current") == {200}
    tokens = "/api/3.0/tandem/tokens"
    (token,) = send(service, ann, "GET", f"{tokens}/list").json()["tokens"]
    gone = send(service, ann, "POST", f"{tokens}/revoke", token_id=token["token_id"])
    assert gone.status_code == 200
    assert statuses(service, ann, "GET", "users/current") == {401}
