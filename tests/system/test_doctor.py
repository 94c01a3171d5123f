"""`doctor` of both services beside real services that are well, and beside broken ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from tests.harness.certificates import HERE, Authority
from tests.harness.processes import free_port
from tests.seaweedfs import S3Server
from tests.system import joining_proxy, services
from tests.system.doctoring import Report, doctor
from tests.system.services import (
    ADMIN_PASSWORD,
    GUARDED,
    Stack,
    artifacts_service,
    metadata_service,
)

_FILES = "/api/2.0/mlflow-artifacts/artifacts"


def of_metadata(stack: Stack, *flags: str, **options: Any) -> Report:
    root = stack.artifacts.url.replace("http", "mlflow-artifacts", 1) + "/"
    return doctor(
        "tandem-metadata",
        *("--backend-store-uri", stack.database, "--default-artifact-root", root),
        *("--port", str(stack.metadata.port), *flags),
        **options,
    )


def of_artifacts(stack: Stack, *flags: str, **options: Any) -> Report:
    where = ("--artifacts-destination", stack.destination, "--port", str(stack.artifacts.port))
    return doctor("tandem-artifacts", *where, *flags, **options)


@pytest.fixture(scope="module")
def sqlite_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both services on SQLite and disk, which a doctor does not change."""
    directory = tmp_path_factory.mktemp("doctor")
    database = f"sqlite:///{directory / 'mlflow.db'}"
    with services.stack(directory, database, str(directory / "artifacts")) as running:
        yield running


def left_behind(stack: Stack, **options: Any) -> list[str]:
    """What doctors have left at the destination: temporary folders, or in a bucket files of one."""

    def listed(path: str) -> list[str]:
        url = stack.artifacts.url + _FILES
        found = requests.get(url, params={"path": path}, **options).json().get("files", [])
        return [each["path"] for each in found]

    folders = [each for each in listed("") if each.startswith("tandem-doctor")]
    if stack.destination.startswith("s3:"):  # SeaweedFS shows an emptied folder for a while
        return [file for folder in folders for file in listed(folder)]
    return folders


def test_services_that_are_well_have_no_failure_and_nothing_is_left(
    stack: Stack, s3_server: S3Server
) -> None:
    s3 = stack.destination.startswith("s3:")
    variables = s3_server.environ if s3 else {}
    metadata = of_metadata(stack, "--url", stack.metadata.url)
    assert (metadata.status, metadata.told("settings")) == (0, "")
    assert "pages of http://127.0.0.1" in metadata.said("own address")
    assert "a small file went to" in metadata.said("transfers")
    artifacts = of_artifacts(stack, variables=variables)
    assert (artifacts.status, artifacts.bad()) == (0, [])
    for report in (metadata, artifacts):
        assert ("by parts to the object store" in report.said("transfers")) == s3
        assert ("a range came by a presigned URL" in report.said("transfers")) == s3
    assert ("stored by presigned parts" in artifacts.said("destination")) == s3
    assert left_behind(stack) == []


def test_services_with_accounts_are_looked_at_as_far_as_credentials_go(
    guarded_stack: Stack, s3_server: S3Server
) -> None:
    s3 = guarded_stack.destination.startswith("s3:")
    variables = s3_server.environ if s3 else {}
    asking = ("--auth", "metadata", "--metadata-url", guarded_stack.metadata.url)
    accounts = GUARDED
    for report in (
        of_metadata(guarded_stack, *accounts),
        of_artifacts(guarded_stack, *asking, variables=variables),
    ):
        assert report.status == 0, report.bad()
        assert "MLFLOW_TRACKING_TOKEN" in report.said("transfers")
    known = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD}
    for report in (
        of_metadata(guarded_stack, *accounts, variables=known),
        of_artifacts(guarded_stack, *asking, variables={**variables, **known}),
    ):
        assert report.status == 0, report.bad()
        assert "a small file went to" in report.said("transfers")
        assert ADMIN_PASSWORD not in report.output
    assert "made-up credentials are refused" in report.said("metadata service")
    assert left_behind(guarded_stack, auth=("admin", ADMIN_PASSWORD)) == []


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_settings_that_serve_refuses_fail_and_no_secret_is_shown() -> None:
    report = doctor("tandem-metadata", "--workers", "none")
    assert report.status == 1
    assert "--workers" in report.told("settings")
    uri = f"postgresql://me:very-secret@127.0.0.1:{free_port()}/mlflow"
    report = doctor("tandem-metadata", "--backend-store-uri", uri)
    assert report.status == 1
    assert "--default-artifact-root (MLFLOW_DEFAULT_ARTIFACT_ROOT)" in report.told("settings")
    assert "failure" in report.told("database")
    assert "very-secret" not in report.output
    report = doctor("tandem-artifacts", "--host", "0.0.0.0")
    assert "nobody is authenticated" in report.told("settings")


def test_services_that_are_down_are_told_by_flag(tmp_path: Path, database: str) -> None:
    port = free_port()
    report = doctor(
        "tandem-metadata",
        *("--backend-store-uri", database, "--port", str(free_port())),
        *("--default-artifact-root", f"mlflow-artifacts://127.0.0.1:{port}/"),
    )
    assert report.status == 1
    told = report.told("artifacts service, from here")
    assert f"nobody listens on port {port}" in told
    assert "--default-artifact-root" in told
    assert "nothing answers at" in report.said("own address")
    asking = ("--auth", "metadata", "--metadata-url", f"http://127.0.0.1:{port}")
    report = doctor("tandem-artifacts", "--artifacts-destination", str(tmp_path), *asking)
    assert report.status == 1
    assert f"nobody listens on port {port}" in report.told("metadata service")
    assert "--metadata-url" in report.told("metadata service")


def test_hosts_that_a_service_does_not_take_are_told(tmp_path: Path, database: str) -> None:
    hosts = ("--allowed-hosts", "files.example.com")
    with artifacts_service(tmp_path, str(tmp_path / "files"), *hosts) as artifacts:
        root = artifacts.url.replace("http", "mlflow-artifacts", 1) + "/"
        hosts = ("--allowed-hosts", "mlflow.example.com")
        with metadata_service(tmp_path, database, root, *hosts) as metadata:
            stack = Stack(metadata, artifacts, database, str(tmp_path / "files"))
            report = of_metadata(stack, "--url", metadata.url, *hosts)
            assert report.status == 1
            told = report.told("artifacts service, from here")
            assert "refuses requests for the host 127.0.0.1" in told
            assert "Name 127.0.0.1 in tandem-artifacts's --allowed-hosts" in told
            assert "in tandem-metadata's --allowed-hosts" in report.told("own address")
            asking = ("--auth", "metadata", "--metadata-url", metadata.url)
            report = of_artifacts(stack, *asking)
            assert report.status == 1
            assert "in tandem-metadata's --allowed-hosts" in report.told("metadata service")


def test_a_metadata_service_without_accounts_cannot_be_asked(sqlite_stack: Stack) -> None:
    asking = ("--auth", "metadata", "--metadata-url", sqlite_stack.metadata.url)
    report = of_artifacts(sqlite_stack, *asking)
    assert report.status == 1
    assert "Start tandem-metadata with --auth" in report.told("metadata service")


def test_an_address_of_another_service_is_told(sqlite_stack: Stack) -> None:
    report = of_metadata(sqlite_stack, "--artifacts-url", sqlite_stack.metadata.url)
    assert report.status == 1
    assert "is a metadata service" in report.told("artifacts service, from here")


@pytest.mark.parametrize(
    ("names", "days", "told"),
    [
        (HERE, -1, "has expired"),
        (("other.example.com",), 90, "is for other.example.com, and not for 127.0.0.1"),
        (HERE, 90, ""),
    ],
)
def test_certificates_are_met_as_by_the_service_and_by_clients(
    tmp_path: Path, database: str, names: tuple[str, ...], days: int, told: str
) -> None:
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("artifacts", names, days=days)
    own = ("--tls-cert", certificate, "--tls-key", key)
    with artifacts_service(tmp_path, str(tmp_path / "files"), *own) as artifacts:
        root = artifacts.url.replace("https", "mlflow-artifacts", 1) + "/"
        flags = (
            *("--backend-store-uri", database, "--default-artifact-root", root),
            *("--artifacts-scheme", "https", "--artifacts-ca", str(authority.certificate)),
        )
        report = doctor("tandem-metadata", *flags)
        trusting = {"REQUESTS_CA_BUNDLE": str(authority.certificate)}
        assert told in report.told("artifacts service, from here")
        assert report.status == 1  # clients do not know the authority in any case
        assert report.told("artifacts service, as clients")
        if not told:
            assert "REQUESTS_CA_BUNDLE" in report.told("artifacts service, as clients")
            report = doctor("tandem-metadata", *flags, variables=trusting)
            assert report.status == 0, report.bad()
            assert "good until" in report.said("artifacts service, as clients")
        report = doctor(
            "tandem-artifacts",
            *("--artifacts-destination", str(tmp_path / "files"), *own),
        )
        assert ("expired" in report.told("own certificate")) == (days < 0)


def test_locations_without_a_host_are_followed_as_clients_follow_them(
    tmp_path: Path, database: str
) -> None:
    with artifacts_service(tmp_path, str(tmp_path / "files")) as artifacts:
        flags = ("--artifacts-url", artifacts.url)
        with metadata_service(tmp_path, database, "mlflow-artifacts:/", *flags) as metadata:
            stack = Stack(metadata, artifacts, database, str(tmp_path / "files"))
            given = ("--backend-store-uri", database, *flags)
            given = (*given, "--default-artifact-root", "mlflow-artifacts:/")
            report = doctor("tandem-metadata", *given, "--url", metadata.url)
            assert report.status == 1
            told = report.told("locations")
            assert "lead nowhere: clients are answered 501" in told
            assert "rewrite-artifacts --from mlflow-artifacts:/ --to" in told
            with joining_proxy.join(stack, keep_host=True) as ingress:
                report = doctor("tandem-metadata", *given, "--url", ingress)
                assert report.status == 0, report.bad()
                assert "lead to tandem-artifacts" in report.said("locations")
            report = doctor("tandem-metadata", *given, "--port", str(metadata.port))
            assert report.status == 0
            assert "warning" in report.told("locations")
            given = (*given, "--port", str(metadata.port), "--strict")
            assert doctor("tandem-metadata", *given).status == 1


def test_a_proxy_that_changes_the_host_is_told_as_browsers_meet_it(sqlite_stack: Stack) -> None:
    # Pages of 127.0.0.1 itself may change things anywhere on this machine.
    with joining_proxy.join(sqlite_stack, address="127.0.0.2") as ingress:
        report = of_metadata(sqlite_stack, "--url", ingress)
    assert report.status == 1
    assert "Browsers cannot change anything on pages of" in report.told("own address")
    assert "let the proxy pass on the Host" in report.told("own address")


def test_pages_that_browsers_are_redirected_from_must_be_named(
    tmp_path: Path, database: str
) -> None:
    page = "https://mlflow.example.com"
    with artifacts_service(tmp_path, str(tmp_path / "files")) as artifacts:
        root = artifacts.url.replace("http", "mlflow-artifacts", 1) + "/"
        given = ("--backend-store-uri", database, "--default-artifact-root", root)
        given = (*given, "--redirect-artifacts-to", artifacts.url, "--url", page)
        report = doctor("tandem-metadata", *given, "--timeout", "5")
        assert "--cors-allowed-origins" in report.told("redirects of browsers")
    named = ("--cors-allowed-origins", page)
    with artifacts_service(tmp_path, str(tmp_path / "files"), *named) as artifacts:
        given = (*given, "--redirect-artifacts-to", artifacts.url)
        report = doctor("tandem-metadata", *given, "--timeout", "5")
        assert report.told("redirects of browsers") == ""
        assert f"pages of {page} may read answers" in report.said("redirects of browsers")


def test_the_database_is_the_same_afterwards(sqlite_stack: Stack) -> None:
    client = MlflowClient(sqlite_stack.metadata.url)
    run_id = client.create_run("0").info.run_id

    def state() -> list[Any]:
        found = [client.get_run(run_id), client.search_experiments()]
        return [str(each) for each in found]

    before = state()
    assert of_metadata(sqlite_stack, "--url", sqlite_stack.metadata.url).status == 0
    assert state() == before
