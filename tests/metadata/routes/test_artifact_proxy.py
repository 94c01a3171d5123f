"""The artifact proxy's endpoints on the metadata service: 307 to the artifacts service, or 501."""

import pytest
from starlette.testclient import TestClient

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.routes import artifact_proxy
from tandem_metadata.settings import Settings
from tandem_shared.http.router import Router

FILES = "/api/2.0/mlflow-artifacts/artifacts"
ASKED = [
    ("GET", f"{FILES}?path=1%2Fr"),
    ("GET", f"{FILES}/1/r/a%20b%2525c.txt"),
    ("HEAD", f"{FILES}/1/r/a.txt"),
    ("PUT", f"{FILES}/1/r/a.txt"),
    ("DELETE", f"{FILES}/1/r/dir/"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/r"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/1/r"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/abort/1/r"),
    ("GET", "/ajax-api/2.0/mlflow-artifacts/presigned/1/r/a.txt"),
]


def http(root: str, host: str = "mlflow.example.com", prefix: str = "") -> TestClient:
    routes = artifact_proxy.routes(Roots(Settings(default_artifact_root=root)))
    return TestClient(
        Router(routes, prefix=prefix), base_url=f"http://{host}", follow_redirects=False
    )


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(
    ("root", "public"),
    [
        ("mlflow-artifacts://artifacts.example.com/", "//artifacts.example.com"),
        ("mlflow-artifacts://me:secret@10.0.0.1:5500/x", "//10.0.0.1:5500"),
        (f"https://files.example.com{FILES}", "https://files.example.com"),
    ],
)
def test_proxy_requests_are_redirected_to_the_default_roots_host(
    root: str, public: str, method: str, path: str
) -> None:
    answer = http(root).request(method, path, content=b"x" * 100_000 if method == "PUT" else b"")
    assert answer.status_code == 307
    assert answer.headers["location"] == public + path
    assert answer.headers["cache-control"] == "no-store"


def test_proxy_redirect_keeps_the_static_prefix() -> None:
    opened = http("mlflow-artifacts://artifacts.example.com/", prefix="/mlflow")
    answer = opened.get(f"/mlflow{FILES}/a.txt")
    assert answer.headers["location"] == f"//artifacts.example.com/mlflow{FILES}/a.txt"


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize("root", ["s3://bucket/mlflow", "mlflow-artifacts:/", "file:///srv/ml"])
def test_proxy_requests_without_a_known_host_are_told_what_is_missing(
    root: str, method: str, path: str
) -> None:
    answer = http(root).request(method, path)
    assert answer.status_code == 501  # which no client repeats
    if method != "HEAD":
        assert answer.json()["error_code"] == "NOT_IMPLEMENTED"
        for said in (
            "mlflow.example.com",
            "/api/2.0/mlflow-artifacts",
            "tandem-metadata serve",
            "rewrite-artifacts --from mlflow-artifacts:/ --to mlflow-artifacts://HOST/",
        ):
            assert said in answer.json()["message"]


@pytest.mark.parametrize(
    ("host", "forwarded"),
    [
        ("mlflow.example.com", None),
        ("MLflow.example.com:443", None),
        ("tandem-metadata:5000", "mlflow.example.com"),
    ],
)
def test_proxy_redirect_to_the_own_host_is_refused(host: str, forwarded: str | None) -> None:
    headers = {"X-Forwarded-Host": forwarded} if forwarded else {}
    opened = http("mlflow-artifacts://mlflow.example.com/", host)
    assert opened.get(f"{FILES}/a", headers=headers).status_code == 501
    elsewhere = {"X-Forwarded-Host": "other.example.com"}
    moved = http("mlflow-artifacts://mlflow.example.com/", "tandem-metadata:5000")
    assert moved.get(f"{FILES}/a", headers=elsewhere).status_code == 307
