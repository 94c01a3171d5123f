"""Both services by TLS, without a proxy: the stock client, the web UI's requests, renewals.

Client certificates are required everywhere, so that whatever works has presented one.
"""

import shutil
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.harness.certificates import HERE, Authority
from tests.harness.fluent_client import forget_experiment
from tests.harness.processes import Process, eventually
from tests.system.services import artifacts_service, metadata_service

SERVERS = {"metadata": "uvicorn", "artifacts": "hypercorn"}
"""Each under another one; tests/shared/serving/test_tls.py has all of both."""


@dataclass
class Secured:
    """Both services over TLS, and files for their clients."""

    metadata: Process
    artifacts: Process
    authority: Authority
    folder: Path

    @property
    def certificate(self) -> str:
        """One file with a client's certificate and key, as MLflow's client wants it."""
        both = self.folder / "client-both.pem"
        if not both.exists():
            parts = self.authority.issue("client", ["alice", *HERE])
            both.write_text("".join(Path(part).read_text() for part in parts))
        return str(both)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create(folder)
    files = {name: authority.issue(name, [name, *HERE]) for name in ("metadata", "artifacts")}
    ca = str(authority.certificate)

    def flags(name: str) -> list[str]:
        certificate, key = files[name]
        own = ["--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", ca]
        return [*own, "--asgi-server", SERVERS[name], "--workers", "2"]

    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(*files["metadata"])
    options = {"verify": context}
    destination = str(folder / "files")
    client = ["--artifacts-ca", ca]
    for flag, file in zip(("--artifacts-cert", "--artifacts-key"), files["metadata"], strict=True):
        client += [flag, file]
    with artifacts_service(folder, destination, *flags("artifacts"), options=options) as artifacts:
        root = artifacts.url.replace("https://", "mlflow-artifacts://") + "/"
        database = f"sqlite:///{folder / 'mlflow.db'}"
        given = [*flags("metadata"), *client]
        with metadata_service(folder, database, root, *given, options=options) as metadata:
            yield Secured(metadata, artifacts, authority, folder)


@pytest.fixture
def environ(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a stock client that has a certificate, and trusts nobody yet."""
    monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", secured.certificate)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    forget_experiment()
    mlflow.set_tracking_uri(secured.metadata.url)
    yield monkeypatch
    mlflow.set_tracking_uri("")


def log_and_load(secured: Secured) -> str:
    """A run with a file, through the stock client; returns its id."""
    client = MlflowClient(secured.metadata.url)
    experiment = client.create_experiment(f"tls-{uuid.uuid4().hex}")
    location = client.get_experiment(experiment).artifact_location
    assert location.startswith(secured.artifacts.url.replace("https", "mlflow-artifacts"))
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "loss", 0.5)
    client.log_text(run, "hello", "notes/hello.txt")
    assert [file.path for file in client.list_artifacts(run, "notes")] == ["notes/hello.txt"]
    assert mlflow.artifacts.load_text(f"runs:/{run}/notes/hello.txt") == "hello"
    return run


def test_server_cert_path_has_the_stock_client_trust_both_services(
    secured: Secured, environ: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MlflowException, match="CERTIFICATE_VERIFY_FAILED"):
        log_and_load(secured)
    environ.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(secured.authority.certificate))
    log_and_load(secured)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_insecure_tls_has_the_stock_client_trust_anybody(
    secured: Secured, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    log_and_load(secured)


def test_a_stock_client_without_a_certificate_is_told_to_present_one(
    secured: Secured, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(secured.authority.certificate))
    environ.delenv("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    with pytest.raises(MlflowException, match=r"(?i)certificate required"):
        log_and_load(secured)
    told = "peer did not return a certificate"
    eventually(lambda: told in secured.metadata.output(), "the service's log says so")


def test_the_web_ui_gets_lists_and_files_from_artifacts_by_tls(
    secured: Secured, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(secured.authority.certificate))
    run = log_and_load(secured)
    browser = requests.Session()
    browser.trust_env = False  # a variable would win over `verify`
    browser.verify, browser.cert = str(secured.authority.certificate), secured.certificate
    url = secured.metadata.url
    listed = browser.get(f"{url}/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": run})
    assert [file["path"] for file in listed.json()["files"]] == ["notes"]
    asked = {"run_uuid": run, "path": "notes/hello.txt"}
    assert browser.get(f"{url}/get-artifact", params=asked).text == "hello"
    page = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    named = {"run_uuid": run, "path": "new.json"}
    upload = f"{url}/ajax-api/2.0/mlflow/upload-artifact"
    assert browser.post(upload, b"{}", params=named, headers=page).status_code == 200
    led = browser.get(
        f"{url}/api/2.0/mlflow-artifacts/artifacts", params={"path": "x"}, allow_redirects=False
    )
    # Without a scheme: whoever came by https goes on by https.
    assert led.headers["location"].startswith(f"//{secured.artifacts.url[8:]}/api/2.0/")


@pytest.mark.parametrize("service", ["metadata", "artifacts"])
def test_renewed_certificates_are_taken_up_by_a_service(secured: Secured, service: str) -> None:
    process: Process = getattr(secured, service)
    with httpx.Client(**process.options) as kept:
        assert kept.get(f"{process.url}/health").text == "OK"
        before = process.output().count("took up renewed files")
        secured.authority.issue(service, ["renewed", *HERE])
        # Each of two workers takes up the service's own files; metadata its client's too.
        more = 4 if service == "metadata" else 2
        eventually(
            lambda: process.output().count("took up renewed files") >= before + more,
            "both workers have seen it",
        )
        assert kept.get(f"{process.url}/health").text == "OK"
    assert process.get("/health").text == "OK"


def test_renewed_certificates_of_metadata_are_presented_to_artifacts(
    secured: Secured, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One of a stranger is refused, so a listing shows which one is presented."""
    environ.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(secured.authority.certificate))
    run = log_and_load(secured)
    stranger = Authority.create(tmp_path).issue("stranger", HERE)
    theirs = secured.authority.issue("own", HERE)
    files = [tmp_path / "client.pem", tmp_path / "client.key"]
    for given, file in zip(stranger, files, strict=True):
        shutil.copy(given, file)
    database = f"sqlite:///{secured.folder / 'mlflow.db'}"
    root = secured.artifacts.url.replace("https://", "mlflow-artifacts://") + "/"
    arguments = ["--artifacts-scheme", "https", "--artifacts-ca", secured.authority.certificate]
    arguments += ["--artifacts-cert", files[0], "--artifacts-key", files[1]]
    with metadata_service(tmp_path, database, root, *map(str, arguments)) as metadata:

        def status() -> int:
            path = "/ajax-api/2.0/mlflow/artifacts/list"
            return metadata.get(path, params={"run_id": run}).status_code

        assert status() == 503
        for given, file in zip(theirs, files, strict=True):
            shutil.copy(given, file)
        eventually(lambda: status() == 200, "the renewed certificate is presented")


def test_a_wrong_authority_of_artifacts_is_told_in_the_log_of_metadata(
    secured: Secured, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(secured.authority.certificate))
    run = log_and_load(secured)
    other = Authority.create(tmp_path)
    database = f"sqlite:///{secured.folder / 'mlflow.db'}"
    root = secured.artifacts.url.replace("https://", "mlflow-artifacts://") + "/"
    arguments = ["--artifacts-scheme", "https", "--artifacts-ca", str(other.certificate)]
    with metadata_service(tmp_path, database, root, *arguments) as metadata:
        path = "/ajax-api/2.0/mlflow/artifacts/list"
        assert metadata.get(path, params={"run_id": run}).status_code == 503
        assert "CERTIFICATE_VERIFY_FAILED" in metadata.output()
