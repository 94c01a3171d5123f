"""Accounts by the chart's values: two teams, neither of which reads the other's artifacts."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cluster import edge, names, stock_client
from tests.cluster.cluster import Cluster
from tests.cluster.edge import Edge
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    METADATA,
    MIGRATE,
    SECONDS,
    TEST,
    client_environment,
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
    "ingress.enabled=true",
    "ingress.tls.enabled=true",
    "httpRoute.enabled=true",
    "httpRoute.parentRefs[0].name=public",
)
URL = "https://mlflow.example.com"
FILES = "https://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Guarded:
    """Both services with accounts, and the ways into them."""

    cluster: Cluster
    edges: Mapping[str, Edge]
    """By what their routes come from: ingress or httproute."""


@pytest.fixture(scope="module")
def guarded(
    postgresql: PostgreSQL, bucket: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
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
        routes = {"ingress": rendered.ingress_routes, "httproute": rendered.http_routes}
        edges = {}
        for way, each in routes.items():
            hosts = [route.host for route in each]
            edges[way] = running.enter_context(
                edge.serve(directory / way, each, hosts, cluster.endpoints)
            )
        for user, password in TEAMS.items():
            _ask(cluster, ADMIN, "users/create", username=user, password=password)
        yield Guarded(cluster, edges)


def _ask(cluster: Cluster, who: tuple[str, str] | None, path: str, **asked: Any) -> Any:
    url = f"http://{cluster.names[METADATA]}:5000/api/2.0/mlflow/{path}"
    answer = requests.post(url, json=asked, auth=who, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def test_neither_of_two_teams_reads_the_others_artifacts(guarded: Guarded) -> None:
    host = guarded.cluster.names[ARTIFACTS]
    files = f"http://{host}:5500/api/2.0/mlflow-artifacts/artifacts"
    made: dict[str, str] = {}
    for name, password in TEAMS.items():
        found = _ask(guarded.cluster, (name, password), "experiments/create", name=f"of-{name}")
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


@pytest.mark.parametrize("way", ["ingress", "httproute"])
def test_stock_clients_of_two_teams_come_by_each_edge(
    guarded: Guarded, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = guarded.edges[way]
    running = {}
    for name, password in TEAMS.items():
        given = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
        variables = client_environment(front, **given)
        running[name] = stock_client.start(URL, f"{name}-{way}", tmp_path / name, variables)
    found = {name: each.result(SECONDS) for name, each in running.items()}
    monkeypatch.setattr(
        "socket.getaddrinfo", names.resolver(dict.fromkeys(front.hosts, front.address))
    )
    ask = {"verify": str(front.authority), "timeout": 30}
    for name, each in found.items():
        assert each["found"] == [each["run_id"]]
        assert each["same"]
        assert each["predicted"] == [0, 1]
        run = f"{URL}/api/2.0/mlflow/runs/get?run_id={each['run_id']}"
        folder = each["artifact_uri"].split("/", 3)[3]
        for user, password in TEAMS.items():
            status = 200 if user == name else 403
            for url in (run, f"{FILES}?path={folder}"):
                answer = requests.get(url, auth=(user, password), **ask)
                assert answer.status_code == status, (user, url, answer.text)
        for url in (run, f"{FILES}?path={folder}"):
            refused = requests.get(url, **ask)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic")


def test_helms_own_test_comes_as_the_first_administrator(guarded: Guarded) -> None:
    pod = guarded.cluster.start_single(TEST)
    guarded.cluster.finish(pod, seconds=60)
    said = pod.tail().splitlines()
    assert sum(each.endswith("asks who comes") for each in said) == 2
    assert said[-1] == "the experiment and its run are deleted"
