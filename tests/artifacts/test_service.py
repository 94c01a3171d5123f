"""What the service says about itself and in place of a tracking server; its settings."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tandem_artifacts.__main__ import main
from tandem_artifacts.app import create_app, driver_of, sent_elsewhere
from tandem_artifacts.settings import ACCEPTED_SWITCHES, REFUSED_FLAGS, Settings
from tandem_shared import MLFLOW_VERSION
from tandem_shared.settings import SettingsError, flag, load
from tests.artifacts.service import API, client, stored
from tests.system.services import artifacts_service

Run = Callable[..., "Ended"]

DISABLED = (
    "Endpoint: {} disabled due to the mlflow server running in `--artifacts-only` mode. "
    "To enable tracking server functionality, run `mlflow server` without `--artifacts-only`"
)

TRACKING = [
    "/api/2.0/mlflow/experiments/list",
    "/api/2.0/mlflow/experiments/search",
    "/api/2.0/mlflow/runs/create",
    "/api/2.0/mlflow/runs/log-batch",
    "/api/2.0/mlflow/artifacts/list",
    "/api/2.0/mlflow/registered-models/search",
    "/api/2.0/mlflow/logged-models/m-1",
    "/api/2.0/preview/mlflow/experiments/list",
    "/api/2.11/mlflow/anything",
    "/api/3.0/mlflow/traces/tr-1",
    "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
    "/ajax-api/2.0/mlflow/upload-artifact",
    "/ajax-api/2.0/preview/mlflow/runs/search",
    "/ajax-api/3.0/mlflow/traces/search",
    "/api/9.9/mlflow/not/known/yet",
    "/graphql",
    "/get-artifact",
    "/model-versions/get-artifact",
    "/v1/traces",
]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("path", TRACKING)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_tracking_api_is_disabled_in_mlflows_words(
    http: TestClient, method: str, path: str
) -> None:
    answer = http.request(method, path)
    assert answer.status_code == 503
    assert answer.text == DISABLED.format(path)
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/2.0", "/api/2.0/nothing", "/api/2.0/mlflowx", f"{API}/nothing", API],
)
def test_unknown_path_is_no_endpoint(http: TestClient, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_metrics_labels_hold_no_path(http: TestClient) -> None:
    http.get("/api/2.0/mlflow/runs/secret-id")
    http.get("/secret-path")
    text = http.get("/metrics").text
    assert 'route="/{tracking API}"' in text
    assert "secret-" not in text  # a label of the other service may hold the word


def test_health_ready_and_version_are_answered(http: TestClient) -> None:
    assert http.get("/health").text == "OK"
    assert http.get("/ready").text == "OK"
    assert http.get("/version").text == MLFLOW_VERSION
    assert "artifacts" in http.get("/").text


def test_readiness_fails_when_the_destination_is_gone(http: TestClient, tmp_path: Path) -> None:
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir()
    tmp_path.rmdir()
    assert http.get("/ready").status_code == 503
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_server_info_offers_no_multipart_on_disk(http: TestClient, prefix: str) -> None:
    answer = http.get(f"{prefix}/3.0/mlflow/server-info").json()
    assert answer["multipart_uploads_enabled"] is False
    assert answer["multipart_downloads_enabled"] is False
    assert answer["artifact_serving_enabled"] is True
    assert answer["artifacts_presigned_only"] is False


def test_multipart_upload_on_disk_is_refused_so_that_clients_fall_back(http: TestClient) -> None:
    answer = http.post(f"{API}/mpu/create/run", json={"path": "a", "num_parts": 2})
    assert answer.status_code == 501
    # The words by which a client knows.
    assert answer.json()["message"].startswith(
        "Multipart upload is not supported for the current artifact repository"
    )
    assert http.get(f"{API}/presigned/run/a").status_code == 501


def test_every_setting_has_a_flag_in_help_with_variable_and_default(run: Run) -> None:
    shown = run("serve", "--help").stdout
    text = " ".join(shown.split()).replace("- ", "-")
    for item in dataclasses.fields(Settings):
        assert flag(item) in text
        assert f"[env {item.metadata['env']}; default " in text


@pytest.mark.parametrize("refused", REFUSED_FLAGS)
def test_flag_that_contradicts_the_service_is_refused_with_a_sentence(
    run: Run, refused: str
) -> None:
    ended = run("serve", f"{refused}=x")
    assert ended.returncode == 2
    assert REFUSED_FLAGS[refused] in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--artifacts-destination", "hdfs://bucket"), "--artifacts-destination"),
        (("--artifacts-destination", "/dev/null/store"), "--artifacts-destination"),
        (("--max-artifact-bytes", "0"), "--max-artifact-bytes"),
        (("--max-artifact-bytes", "1GB"), "--max-artifact-bytes"),
        (("--upload-idle-timeout", "0"), "--upload-idle-timeout"),
        (("--presigned-ttl", "604801"), "--presigned-ttl"),
        (("--port", "70000"), "--port"),
        (("--no-such-flag",), "--no-such-flag"),
    ],
)
def test_setting_that_cannot_work_ends_the_service_with_a_sentence(
    run: Run, arguments: tuple[str, ...], named: str
) -> None:
    ended = run("serve", *arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_mlflows_switches_carry_over(tmp_path: Path) -> None:
    arguments = (*ACCEPTED_SWITCHES, "--host", "127.0.0.1", "-w", "1")
    with artifacts_service(tmp_path, str(tmp_path / "store"), *arguments) as service:
        assert service.popen.poll() is None


def test_variables_are_mlflows_own_where_it_has_them() -> None:
    settings = load(
        Settings,
        {
            "MLFLOW_ARTIFACTS_DESTINATION": "/srv/artifacts",
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
            "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
            "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS": "60",
        },
    )
    assert settings.artifacts_destination == "/srv/artifacts"
    assert not settings.enable_proxy_multipart_upload
    assert not settings.enable_proxy_multipart_download
    assert settings.presigned_ttl == 60


def test_defaults_are_the_documented_ones() -> None:
    settings = load(Settings, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 5500)
    assert settings.artifacts_destination == "./mlartifacts"


def test_application_is_made_from_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", str(tmp_path))
    monkeypatch.setenv("TANDEM_MAX_ARTIFACT_BYTES", "3")
    with TestClient(create_app(), base_url="http://localhost") as http:
        assert http.put(f"{API}/artifacts/a", content=b"abc").status_code == 200
        assert http.put(f"{API}/artifacts/b", content=b"abcd").status_code == 413
    assert stored(tmp_path) == ["a"]


def test_ttl_that_object_stores_refuse_is_refused() -> None:
    with pytest.raises(SettingsError, match="--presigned-ttl"):
        load(Settings, {}, {"presigned_ttl": "0"})


@dataclasses.dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    """Runs the command line inside the test; it never gets as far as serving."""

    def served(*_: object) -> int:
        raise AssertionError("it serves, and would do so for ever")

    monkeypatch.setattr("tandem_shared.serving.run.run", served)

    def run_inside(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tandem-artifacts", *arguments])
        try:
            status = main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run_inside


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        ({}, ["large uploads", "large downloads"]),
        ({"enable_proxy_multipart_upload": False}, ["large downloads"]),
        ({"max_artifact_bytes": 1}, ["large downloads"]),
        ({"enable_proxy_multipart_download": False}, ["large uploads"]),
        ({"redirect_downloads": True}, ["large uploads", "large downloads", "other downloads"]),
        ({"enable_proxy_multipart_upload": False, "enable_proxy_multipart_download": False}, []),
    ],
)
@pytest.mark.parametrize(
    ("destination", "host"),
    [("s3://bucket/a", "store.example:9000"), ("minio://minio.svc:9000/bucket", "minio.svc:9000")],
)
def test_start_says_for_which_transfers_clients_are_sent_to_the_store(
    monkeypatch: pytest.MonkeyPatch,
    destination: str,
    host: str,
    changes: dict[str, Any],
    ways: list[str],
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "https://store.example:9000")
    settings = Settings(artifacts_destination=destination, **changes)
    told = sent_elsewhere(settings, driver_of(settings)) or ""
    every = ("large uploads", "large downloads", "other downloads")
    assert [way for way in every if way in told] == ways
    assert not ways or f"sent to {host} for" in told


def test_start_with_a_disk_says_nothing_of_a_store(tmp_path: Path) -> None:
    settings = Settings(artifacts_destination=str(tmp_path))
    assert sent_elsewhere(settings, driver_of(settings)) is None
