"""Accounts by the chart's values: two teams, neither of which reads the other's artifacts."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cluster.cluster import Cluster
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    METADATA,
    MIGRATE,
    TEST,
    database,
    render,
)
from tests.cluster.test_pod_tls import ONE_EACH
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server

ADMIN = ("admin", "a long password of an admin")
TEAMS = {"ann": "password of the first", "bob": "password of the second"}
SETS = (
    "auth.mode=basic",
    "auth.admin.existingSecret=tandem-admin",
    "auth.defaultPermission=NO_PERMISSIONS",
)


@pytest.fixture(scope="module")
def guarded(
    postgresql: PostgreSQL, bucket: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    rendered = render(*ONE_EACH, *SETS)
    with ExitStack() as running:
        secrets = running.enter_context(database(postgresql))
        secrets["tandem-admin"] = {"password": ADMIN[1]}
        directory: Path = tmp_path_factory.mktemp("accounts")
        cluster = running.enter_context(
            Cluster(rendered, directory, IMAGE, secrets, {ARTIFACTS: bucket.environ}).running()
        )
        cluster.finish(cluster.start_job(MIGRATE), seconds=60)
        cluster.wait_ready(
            [*cluster.start_deployment(METADATA), *cluster.start_deployment(ARTIFACTS)]
        )
        yield cluster


def _ask(cluster: Cluster, who: tuple[str, str] | None, path: str, **asked: Any) -> Any:
    url = f"http://{cluster.names[METADATA]}:5000/api/2.0/mlflow/{path}"
    answer = requests.post(url, json=asked, auth=who, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def test_neither_of_two_teams_reads_the_others_artifacts(guarded: Cluster) -> None:
    files = f"http://{guarded.names[ARTIFACTS]}:5500/api/2.0/mlflow-artifacts/artifacts"
    made: dict[str, str] = {}
    for name, password in TEAMS.items():
        _ask(guarded, ADMIN, "users/create", username=name, password=password)
        found = _ask(guarded, (name, password), "experiments/create", name=f"of-{name}")
        made[name] = f"{files}/{found['experiment_id']}/a.txt"
        answer = requests.put(made[name], b"mine", auth=(name, password), timeout=30)
        assert answer.status_code == 200, answer.text
    for name, password in TEAMS.items():
        for owner, url in made.items():
            answer = requests.get(url, auth=(name, password), timeout=30)
            assert answer.status_code == (200 if name == owner else 403), answer.text
            assert (answer.content == b"mine") == (name == owner)
    for url in made.values():
        assert requests.get(url, timeout=30).status_code == 401
        assert requests.get(url, auth=ADMIN, timeout=30).content == b"mine"


def test_helms_own_test_comes_as_the_first_administrator(guarded: Cluster) -> None:
    pod = guarded.start_single(TEST)
    guarded.finish(pod, seconds=60)
    said = pod.tail().splitlines()
    assert sum(each.endswith("asks who comes") for each in said) == 2
    assert said[-1] == "the experiment and its run are deleted"
