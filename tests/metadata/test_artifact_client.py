"""Which artifact locations the metadata service follows, and where they lead."""

import pytest

from tandem_metadata.artifact_client import ArtifactClient
from tandem_metadata.settings import Settings
from tandem_shared.errors import InvalidParameter, PermissionDenied

ROOT = "mlflow-artifacts://artifacts.example.com:5500/"


def client(**settings: object) -> ArtifactClient:
    return ArtifactClient(Settings(**{"default_artifact_root": ROOT, **settings}))


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (
            "mlflow-artifacts:/1/r/artifacts",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/f",
        ),
        (
            "mlflow-artifacts://Artifacts.example.com:5500/1",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/f",
        ),
        (
            "mlflow-artifacts://artifacts.example.com:5500",
            "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/f",
        ),
        (
            "https://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1",
            "https://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifacts/1/f",
        ),
    ],
)
def test_a_location_leads_to_the_artifacts_service(uri: str, url: str) -> None:
    assert client().locate(uri).url("f") == url


def test_names_are_quoted_in_the_url() -> None:
    location = client().locate("mlflow-artifacts:/my%20root")
    assert location.url("a b/100%.txt").endswith("/my%20root/a%20b/100%25.txt")


def test_the_internal_url_replaces_the_public_host_only() -> None:
    internal = client(
        artifacts_url="http://tandem-artifacts:5500/",
        artifact_hosts=("artifacts.example.com:5500", "other.example.com"),
        artifacts_scheme="https",
    )
    assert internal.locate("mlflow-artifacts:/1").base.startswith(
        "http://tandem-artifacts:5500/api"
    )
    other = internal.locate("mlflow-artifacts://other.example.com/1")
    assert other.base.startswith("https://other.example.com/api")


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://127.0.0.1:22/1",
        "mlflow-artifacts://artifacts.example.com/1",
        "mlflow-artifacts://artifacts.example.com:5500@evil.example.com/1",
        "mlflow-artifacts://evil.example.com:5500/1",
        "mlflow-artifacts://artifacts.example.com:5500.evil.example.com/1",
        "http://169.254.169.254/api/2.0/mlflow-artifacts/artifacts/1",
        "mlflow-artifacts://artifacts.example.com:port/1",
    ],
)
def test_other_hosts_are_not_followed(uri: str) -> None:
    with pytest.raises(PermissionDenied, match="--artifact-hosts"):
        client().locate(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/1",
        "file:///etc",
        "/etc/passwd",
        "http://artifacts.example.com:5500/admin",
        "http://artifacts.example.com:5500/api/2.0/mlflow-artifacts/artifactsX/1",
    ],
)
def test_other_kinds_of_location_are_refused(uri: str) -> None:
    with pytest.raises(InvalidParameter, match="artifacts service"):
        client().locate(uri)


@pytest.mark.parametrize("path", ["../secret", "a/../../b", "%2e%2e/x", "/etc/passwd", "a//b"])
def test_a_path_stays_below_the_root(path: str) -> None:
    with pytest.raises(InvalidParameter):
        client().locate("mlflow-artifacts:/1").url(path)


@pytest.mark.parametrize("root", ["mlflow-artifacts:/1/../2", "mlflow-artifacts:/%2e%2e/2"])
def test_a_root_stays_below_the_destination(root: str) -> None:
    with pytest.raises(InvalidParameter):
        client().locate(root)


def test_an_empty_allow_list_follows_nobody() -> None:
    with pytest.raises(PermissionDenied):
        client(artifact_hosts=()).locate("mlflow-artifacts:/1")
