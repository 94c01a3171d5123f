"""deploy/compose.yaml runs: its commands, variables, health checks and routes, as they are.

One layout is the try-out: plain HTTP on this machine. The other is a team's: two hosts, a
certificate, Basic authentication and backups.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import mlflow
import psycopg
import pytest
import requests

from tests.cluster import names
from tests.cluster.compose_project import USER, Project, prepare_files, running
from tests.harness.certificates import Authority
from tests.harness.processes import free_ports
from tests.kubernetes import compose
from tests.postgresql import PostgreSQL

NAME = "sub/a b+%;☃.txt"
LAYOUTS: dict[str, dict[str, str]] = {
    "single-host": {},
    "two-hosts": {
        "TANDEM_LAYOUT": "two-hosts",
        "TANDEM_HOST": "mlflow.test",
        "TANDEM_ARTIFACTS_HOST": "files.test",
        "TANDEM_BIND": "0.0.0.0:80",
        "TANDEM_BIND_TLS": "0.0.0.0:443",
        "TANDEM_TLS": "files",
        "TANDEM_EDGE_AUTH": "basic",
    },
}
TEAM = pytest.mark.parametrize("project", ["two-hosts"], indirect=True)


def secure(project: Project) -> dict[str, str]:
    """The users and the certificate, as docs have them made; what clients need for them."""
    private = project.directory / "private"
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", USER[1]], check=True, capture_output=True, text=True
    )
    (private / "users").write_text(f"{USER[0]}:{hashed.stdout}")
    authority = Authority.create(project.directory)
    hosts = [project.variables["TANDEM_HOST"], project.artifacts_host]
    certificate, key = authority.issue("team", hosts)
    Path(certificate).rename(private / "tls.crt")
    Path(key).rename(private / "tls.key")
    for each in private.iterdir():
        each.chmod(0o644)
    return {
        "REQUESTS_CA_BUNDLE": str(authority.certificate),
        "MLFLOW_TRACKING_USERNAME": USER[0],
        "MLFLOW_TRACKING_PASSWORD": USER[1],
    }


@pytest.fixture(scope="module", params=LAYOUTS)
def project(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """All of it, under one host name or two; both lead to Traefik on this machine."""
    http, https = free_ports(2)
    variables = {"TANDEM_HOST": f"localhost:{http}", **LAYOUTS[request.param]}
    with ExitStack() as stack:
        address = stack.enter_context(owned_database(postgresql))
        read = compose.read({**compose.SECRETS, **variables})["services"]
        directory = tmp_path_factory.mktemp(request.param)
        project = Project(directory, address, variables, (http, https), read)
        prepare_files(project)
        if project.user:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in secure(project).items():
                patch.setenv(name, value)
            hosts = (variables["TANDEM_HOST"], project.artifacts_host)
            found = names.resolver(dict.fromkeys(hosts, ("127.0.0.1", https)))
            patch.setattr("socket.getaddrinfo", found)
        yield stack.enter_context(running(project))


@contextmanager
def owned_database(server: PostgreSQL) -> Iterator[str]:
    """An empty database of the role that the file names, as `host:port/name`."""
    server.execute("CREATE ROLE tandem LOGIN")
    try:
        with new_database(server) as address:
            yield address
    finally:
        server.execute("DROP ROLE tandem")


@contextmanager
def new_database(server: PostgreSQL) -> Iterator[str]:
    """As `owned_database`, when the role is there."""
    name = server.create()
    try:
        server.execute(f"ALTER DATABASE {name} OWNER TO tandem")
        yield server.uri(name).partition("@")[2]
    finally:
        server.drop(name)


def test_a_stock_client_and_a_browser_come_through(project: Project, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(project.url)
    source = tmp_path / "source" / NAME
    source.parent.mkdir(parents=True)
    source.write_text("snow")
    run_id = client.create_run(client.create_experiment("composed")).info.run_id
    assert client.get_run(run_id).info.artifact_uri.startswith(
        f"mlflow-artifacts://{project.artifacts_host}/"
    )
    client.log_param(run_id, "lr", "0.1")
    log_and_fetch(client, run_id, source, tmp_path / "first")
    # What a browser asks for.
    assert "text/html" in project.get("/").headers["Content-Type"]
    query = {"run_id": run_id, "path": f"files/{NAME}"}
    assert project.get("/get-artifact", params=query).text == "snow"
    # One of two may go.
    project.processes["artifacts-2"].terminate()
    for attempt in range(5):
        log_and_fetch(client, run_id, source, tmp_path / f"during-{attempt}")
    assert project.processes["artifacts-2"].wait(40) == 0
    log_and_fetch(client, run_id, source, tmp_path / "after")


def log_and_fetch(client: mlflow.MlflowClient, run_id: str, source: Path, target: Path) -> None:
    target.mkdir()
    client.log_artifacts(run_id, str(source.parents[1]), "files")
    assert [each.path for each in client.list_artifacts(run_id, "files/sub")] == [f"files/{NAME}"]
    fetched = client.download_artifacts(run_id, f"files/{NAME}", str(target))
    assert Path(fetched).read_text() == "snow"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_other_names_and_foreign_keys_are_refused(project: Project) -> None:
    scheme, port = ("https", project.ports[1]) if project.user else ("http", project.ports[0])
    for path in ("/api/2.0/mlflow/experiments/search", "/api/2.0/mlflow-artifacts/artifacts"):
        answer = requests.get(
            f"{scheme}://127.0.0.1:{port}{path}",
            headers={"Host": "elsewhere.test"},
            auth=project.user,
            verify=False,
            timeout=10,
        )
        assert answer.status_code in (403, 404), answer.text
    store = f"http://{project.addresses['seaweedfs']}:8333/tandem"
    assert requests.get(store, timeout=10).status_code == 403


@TEAM
def test_strangers_are_asked_who_they_are_on_both_hosts(project: Project) -> None:
    paths = ("/", "/api/2.0/mlflow/experiments/get?experiment_id=0", "/metrics")
    asked = [f"https://{project.variables['TANDEM_HOST']}{path}" for path in paths]
    asked += [f"https://{project.artifacts_host}/api/2.0/mlflow-artifacts/artifacts"]
    for url in asked:
        for user in (None, ("ada", "wrong"), ("eve", USER[1])):
            answer = requests.get(url, auth=user, timeout=10)
            assert answer.status_code == 401, url
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Tandem"'
        assert requests.get(url, auth=USER, timeout=10).status_code == 200


@TEAM
def test_plain_http_leads_to_https(project: Project) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{project.ports[0]}/api/2.0/mlflow/runs/search?a=b",
        headers={"Host": "mlflow.test"},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 308  # so that a POST stays one
    assert answer.headers["Location"] == "https://mlflow.test/api/2.0/mlflow/runs/search?a=b"


@TEAM
def test_backup_brings_back_every_row_and_file_as_they_were(
    project: Project, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    client = mlflow.MlflowClient(project.url)
    run_id = client.create_run(client.create_experiment("backed up")).info.run_id
    for step in range(50):
        client.log_metric(run_id, "loss", 1 / (step + 1), step=step)
    content = {"kept.txt": "first", NAME: "snow", "gone.bin": "x" * 100_000}
    for name, text in content.items():
        client.log_text(run_id, text, name)
    uri = f"postgresql://tandem@{project.database}"
    rows = rows_of(uri)

    assert project.run("backup", "is-recent").returncode == 1
    succeed(project.run("backup", "now"))
    assert project.run("backup", "is-recent").returncode == 0
    (dump,) = succeed(project.run("backup", "list")).split()
    succeed(project.run("backup", "check", dump))

    # Later both change, and another backup is made: the first can still be restored.
    client.log_text(run_id, "later", "kept.txt")
    delete(project, run_id, "gone.bin")
    later_id = client.create_run("0").info.run_id
    client.log_text(later_id, "more", "more.txt")
    elsewhere = stored_elsewhere(project)
    succeed(project.run("backup", "now", **elsewhere))
    assert rows_of(uri) != rows

    refused = project.run("backup", "restore-database", dump)
    assert refused.returncode == 1
    assert "the database has tables: create an empty one" in refused.stderr
    with new_database(postgresql) as address:
        restored = f"postgresql://tandem:of-postgresql@{address}"
        succeed(project.run("backup", "restore-database", dump, MLFLOW_BACKEND_STORE_URI=restored))
        assert rows_of(restored) == rows
    # From the other bucket, on a machine that has nothing.
    nothing = {**elsewhere, "BACKUP_DIRECTORY": str(tmp_path / "empty")}
    listed = succeed(project.run("backup", "list", **nothing)).split()
    with new_database(postgresql) as address:
        restored = f"postgresql://tandem:of-postgresql@{address}"
        variables = {**nothing, "MLFLOW_BACKEND_STORE_URI": restored}
        succeed(project.run("backup", "restore-database", listed[-1], **variables))
        assert rows_of(restored) == rows_of(uri)

    destination = {"MLFLOW_ARTIFACTS_DESTINATION": "s3://tandem/restored"}
    succeed(project.run("backup", "restore-artifacts", dump, **destination))
    assert {name: artifact(project, "restored", run_id, name) for name in content} == content
    destination = {"MLFLOW_ARTIFACTS_DESTINATION": "s3://tandem/latest"}
    succeed(project.run("backup", "restore-artifacts", **destination, **elsewhere))
    assert artifact(project, "latest", run_id, "kept.txt") == "later"
    assert artifact(project, "latest", later_id, "more.txt") == "more"
    assert artifact(project, "latest", run_id, "gone.bin") is None


def succeed(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def delete(project: Project, run_id: str, path: str) -> None:
    root = mlflow.MlflowClient(project.url).get_run(run_id).info.artifact_uri
    path = root.partition(f"{project.artifacts_host}/")[2] + f"/{path}"
    answer = requests.delete(
        f"https://{project.artifacts_host}/api/2.0/mlflow-artifacts/artifacts/{path}",
        auth=USER,
        timeout=10,
    )
    answer.raise_for_status()


def store(project: Project) -> Any:
    """A client of the project's S3 server, by the key of the file."""
    variables = project.services["artifacts-1"]["environment"]
    return boto3.client(
        "s3",
        endpoint_url=f"http://{project.addresses['seaweedfs']}:8333",
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )


def stored_elsewhere(project: Project) -> dict[str, str]:
    """Another bucket, and what deploy/.env says for it."""
    with closing(store(project)) as s3:
        s3.create_bucket(Bucket="elsewhere")
    return {
        "BACKUP_TO": "s3://elsewhere/tandem",
        "BACKUP_S3_ENDPOINT": f"http://{project.addresses['seaweedfs']}:8333",
        "BACKUP_S3_REGION": "us-east-1",
        "BACKUP_S3_ACCESS_KEY_ID": "tandem",
        "BACKUP_S3_SECRET_ACCESS_KEY": compose.SECRETS["S3_SECRET_KEY"],
    }


def artifact(project: Project, prefix: str, run_id: str, name: str) -> str | None:
    """The text of a run's file below a prefix of the bucket, if it is there."""
    with closing(store(project)) as s3:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="tandem", Prefix=prefix):
            for each in page.get("Contents", ()):
                if each["Key"].endswith(f"/{run_id}/artifacts/{name}"):
                    body: bytes = s3.get_object(Bucket="tandem", Key=each["Key"])["Body"].read()
                    return body.decode()
    return None


def rows_of(uri: str) -> dict[str, list[str]]:
    """All rows of all tables, as text, by table."""
    with psycopg.connect(uri) as conn:
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: sorted(str(row) for row in conn.execute(f'SELECT * FROM "{name}"'))
            for (name,) in sorted(tables)
        }
