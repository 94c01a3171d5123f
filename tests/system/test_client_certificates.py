"""Users by the certificates of their connections, at both services, without a proxy."""

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tandem_shared.auth.certificates import as_header
from tests.harness.certificates import HERE, Authority
from tests.harness.processes import Process, free_port
from tests.system import services, stock_clients, teams
from tests.system.teams import ARTIFACTS

SERVERS = {"metadata": "hypercorn", "artifacts": "uvicorn"}
REFUSED = "403|[Pp]ermission"


@dataclass
class Certified:
    """Both services, which take clients with a certificate, and without."""

    metadata: Process
    artifacts: Process
    authority: Authority

    def session(self, user: str | None) -> requests.Session:
        """What presents a user's certificate, and nothing else."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority.certificate)
        if user:
            session.cert = certificate(self.authority, user)
        return session


def certificate(authority: Authority, user: str) -> str:
    """One file with a user's certificate and key, as MLflow's client wants it."""
    both = authority.directory / f"{user}-both.pem"
    if not both.exists():
        both.write_text("".join(Path(part).read_text() for part in authority.issue(user, [user])))
    return str(both)


def _presenting(authority: Authority, name: str) -> tuple[list[str], dict[str, ssl.SSLContext]]:
    """Flags of a service of this name, and options of those who call it."""
    own, key = authority.issue(name, [name, *HERE])
    ca = str(authority.certificate)
    flags = ["--tls-cert", own, "--tls-key", key, "--tls-client-ca", ca]
    flags += ["--tls-client-auth", "optional"]
    return flags, {"verify": ssl.create_default_context(cafile=ca)}


@contextmanager
def _artifacts(folder: Path, authority: Authority, name: str, url: str) -> Iterator[Process]:
    """An artifacts service that presents a certificate of this name to metadata."""
    flags, options = _presenting(authority, name)
    own, key = flags[1], flags[3]
    asking = ["--auth", "metadata", "--metadata-url", url, "--metadata-ca", flags[5]]
    asking += ["--metadata-cert", own, "--metadata-key", key, "--auth-certificates"]
    with services.artifacts_service(
        folder,
        str(folder / "files"),
        *flags,
        *asking,
        "--asgi-server",
        SERVERS["artifacts"],
        options=options,
    ) as artifacts:
        yield artifacts


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    folder = tmp_path_factory.mktemp("certified")
    authority = Authority.create(folder)
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    with _artifacts(folder, authority, "tandem-artifacts", url) as artifacts:
        flags, options = _presenting(authority, "tandem-metadata")
        flags += ["--artifacts-ca", flags[5], "--artifacts-cert", flags[1]]
        flags += ["--artifacts-key", flags[3], "--asgi-server", SERVERS["metadata"]]
        flags += ["--auth-certificate-user", "cn"]
        flags += ["--auth-artifacts-certificates", "tandem-artifacts"]
        database = f"sqlite:///{folder / 'mlflow.db'}"
        root = artifacts.url.replace("https://", "mlflow-artifacts://") + "/"
        with services.metadata_service(
            folder,
            database,
            root,
            *services.GUARDED,
            *flags,
            variables=services.ADMIN,
            options=options,
            port=port,
        ) as metadata:
            for user in ("ann", "bob"):
                teams.add_user(database, user)
            yield Certified(metadata, artifacts, authority)


@pytest.fixture
def ann(certified: Certified, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """The stock client of a user who has a certificate alone."""
    given = {
        "MLFLOW_TRACKING_SERVER_CERT_PATH": str(certified.authority.certificate),
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": certificate(certified.authority, "ann"),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    with stock_clients.pointed_at(certified.metadata.url, monkeypatch, given) as client:
        yield client


@pytest.fixture
def secret(ann: MlflowClient) -> str:
    """The path of a file of ann's on the artifacts service."""
    return stock_clients.log_file(ann, "notes/secret.txt", "ann's")


def test_a_stock_client_works_by_its_certificate_alone(
    certified: Certified, ann: MlflowClient, secret: str
) -> None:
    experiment, run, _ = secret.split("/", 2)
    assert [file.path for file in ann.list_artifacts(run, "notes")] == ["notes/secret.txt"]
    assert mlflow.artifacts.load_text(f"runs:/{run}/notes/secret.txt") == "ann's"
    ann.log_metric(run, "loss", 0.5)
    assert [each.info.run_id for each in ann.search_runs([experiment])] == [run]
    asked = f"{certified.metadata.url}/api/2.0/mlflow/users/current"
    assert certified.session("ann").get(asked).json()["user"]["username"] == "ann"


def test_a_stock_client_of_another_user_gets_nothing(
    certified: Certified, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = certificate(certified.authority, "bob")
    monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", bob)
    client, run = MlflowClient(certified.metadata.url), secret.split("/")[1]
    uri = f"{certified.artifacts.url.replace('https', 'mlflow-artifacts')}/{secret}"
    with pytest.raises((MlflowException, requests.HTTPError), match=REFUSED):
        client.get_run(run)
    with pytest.raises((MlflowException, requests.HTTPError), match=REFUSED):
        mlflow.artifacts.load_text(uri)


def test_each_user_may_do_what_is_granted_him_at_the_artifacts_service(
    certified: Certified, secret: str
) -> None:
    url = f"{certified.artifacts.url}/api/{ARTIFACTS}/{secret}"
    for user, status in (("ann", 200), ("bob", 403), (None, 401), ("stranger", 401)):
        session = certified.session(user)
        for _ in range(2):  # the second answer is remembered
            assert session.get(url).status_code == status
        assert session.put(url, b"ann's").status_code == status
    assert "stranger" in certified.session("stranger").get(url).json()["message"]


def test_a_certificate_of_another_authority_is_refused_by_tls(
    certified: Certified, secret: str, tmp_path: Path
) -> None:
    session = certified.session(None)
    session.cert = certificate(Authority.create(tmp_path), "ann")
    for process in (certified.metadata, certified.artifacts):
        with pytest.raises(requests.ConnectionError):
            session.get(f"{process.url}/health")


def test_passwords_and_tokens_go_before_the_certificate(certified: Certified, secret: str) -> None:
    url = f"{certified.artifacts.url}/api/{ARTIFACTS}/{secret}"
    bob = certified.session("bob")
    assert bob.get(url, auth=("ann", "ann's long password")).content == b"ann's"
    ann = certified.session("ann")
    assert ann.get(url, auth=("bob", "bob's long password")).status_code == 403
    assert ann.get(url, auth=("ann", "wrong")).status_code == 401


def test_nobody_gets_in_by_telling_a_certificate(certified: Certified, secret: str) -> None:
    """It is no secret, and only the artifacts service is believed that it has seen the client."""
    both = Path(certificate(certified.authority, "ann")).read_text()
    told = {"X-Tandem-Client-Cert": as_header(both[: both.index("-----BEGIN PRIVATE")])}
    url = f"{certified.artifacts.url}/api/{ARTIFACTS}/{secret}"
    grants = f"{certified.metadata.url}/api/3.0/tandem/artifact-grants"
    for user, status in ((None, 401), ("bob", 403)):
        session = certified.session(user)
        assert session.get(url, headers=told).status_code == status
        answer = session.post(grants, json={"path": secret, "action": "read"}, headers=told)
        assert answer.status_code == 401
        assert "is believed of artifacts services alone" in answer.json()["message"]


@pytest.mark.parametrize("service", ["metadata", "artifacts"])
def test_pages_of_other_services_change_nothing(
    certified: Certified, secret: str, service: str
) -> None:
    """A browser presents the certificate with every request, whatever page makes it."""
    process: Process = getattr(certified, service)
    if service == "artifacts":
        method, path, body = "PUT", f"/api/{ARTIFACTS}/{secret}", b"ann's"
    else:
        method, path, body = "POST", "/api/2.0/mlflow/runs/set-tag", _tag(secret)
    for headers, status in (
        ({"Origin": process.url, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 200),
    ):
        given = {**headers, "Content-Type": "application/json"}
        answer = certified.session("ann").request(
            method, process.url + path, data=body, headers=given
        )
        assert (headers, answer.status_code) == (headers, status)


def _tag(secret: str) -> bytes:
    return json.dumps({"run_id": secret.split("/")[1], "key": "k", "value": "v"}).encode()


def test_the_web_ui_shows_files_to_those_who_may_read_them(
    certified: Certified, secret: str
) -> None:
    _, run, path = secret.split("/", 2)
    asked = {"run_uuid": run, "path": path.removeprefix("artifacts/")}
    url = f"{certified.metadata.url}/get-artifact"
    assert certified.session("ann").get(url, params=asked).text == "ann's"
    assert certified.session("bob").get(url, params=asked).status_code in (403, 404)
    assert certified.session(None).get(url, params=asked).status_code == 401


def test_a_certificate_counts_for_every_request_of_its_connection_and_no_other(
    certified: Certified, secret: str
) -> None:
    """Connections by turns: nothing of one is left for the next."""
    url = urlsplit(f"{certified.artifacts.url}/api/{ARTIFACTS}/{secret}")
    opened = {}
    for user in ("ann", "bob", ""):
        context = ssl.create_default_context(cafile=str(certified.authority.certificate))
        if user:
            context.load_cert_chain(certificate(certified.authority, user))
        opened[user] = http.client.HTTPSConnection(
            url.hostname or "", url.port, context=context, timeout=20
        )
    try:
        for _ in range(3):
            for user, status in (("ann", 200), ("bob", 403), ("", 401)):
                opened[user].request("GET", url.path)
                answer = opened[user].getresponse()
                answer.read()
                assert answer.status == status
    finally:
        for connection in opened.values():
            connection.close()


def test_an_artifacts_service_that_metadata_does_not_know_opens_nothing(
    certified: Certified, secret: str, tmp_path: Path
) -> None:
    """The set-up is at fault, which the log tells; nobody is told that he may not."""
    with _artifacts(tmp_path, certified.authority, "another", certified.metadata.url) as another:
        answer = certified.session("ann").get(f"{another.url}/api/{ARTIFACTS}/{secret}")
        assert answer.status_code == 503
        assert "--auth-artifacts-certificates" in another.output()
