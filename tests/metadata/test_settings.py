"""Settings with which the metadata service refuses to start."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError, load


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pool_size", 0),
        ("pool_timeout", -1.0),
        ("pool_recycle", -2),
        ("pool_timeout", 1e7),
        ("artifacts_timeout", 0.0),
        ("max_body_bytes", 0),
    ],
)
def test_number_that_cannot_work_is_refused_by_its_flag(setting: str, value: float) -> None:
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        Settings(**{setting: value}).check()


@pytest.mark.parametrize("pattern", ["(", "(" * 3000, "a{99999999999999999999}"])
def test_source_pattern_that_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="is not a regular expression"):
        Settings(create_model_version_source_validation_regex=pattern).check()


@pytest.mark.parametrize(
    "root", [None, "", "./mlruns", "/srv/artifacts", "mlflow-artifacts://host/?a=b", "s3://b/#c"]
)
def test_default_artifact_root_that_new_experiments_cannot_use_is_refused(root: str | None) -> None:
    with pytest.raises(SettingsError, match="--default-artifact-root"):
        Settings(default_artifact_root=root).artifact_root()


@pytest.mark.parametrize(
    "root", ["mlflow-artifacts://host:5500/", "mlflow-artifacts:/", "s3://bucket/prefix"]
)
def test_default_artifact_root_that_is_a_uri_is_accepted(root: str) -> None:
    assert Settings(default_artifact_root=root).artifact_root() == root


@pytest.mark.parametrize(
    "root",
    [
        "mlflow-artifacts://[::1]:5500/below",
        "file:///srv/artifacts",
        "http://host:5500/api/2.0/mlflow-artifacts/artifacts/below",
        "https://host/prefix/api/2.0/mlflow-artifacts/artifacts",
        "dbfs:/artifacts",
        "hdfs:///artifacts",
        "s3a://bucket",
        "abfss://files@account.dfs.core.windows.net/below",
        "plugin://anything",
    ],
)
def test_default_artifact_root_of_schemes_that_clients_may_know_is_accepted(root: str) -> None:
    assert Settings(default_artifact_root=root).artifact_root() == root


@pytest.mark.parametrize(
    ("root", "meant"),
    [
        ("http://127.0.0.1:5500", "mlflow-artifacts://127.0.0.1:5500/"),
        ("https://artifacts.example.com/a/", "mlflow-artifacts://artifacts.example.com/a/"),
        ("http://127.0.0.1:5500/api/2.0/mlflow", "mlflow-artifacts://127.0.0.1:5500/api"),
        ("127.0.0.1:5500", "mlflow-artifacts://127.0.0.1:5500"),
        ("localhost:5500/x", "mlflow-artifacts://localhost:5500/x"),
        ("artifacts.example.com", "mlflow-artifacts://artifacts.example.com"),
        ("//artifacts.example.com/", "mlflow-artifacts://artifacts.example.com/"),
        ("mlflow-artifact://host/", "mlflow-artifacts://host/"),
        ("mlflow-artefacts:/", "mlflow-artifacts:/"),
        ("mlflow_artifacts://host:5500/", "mlflow-artifacts://host:5500/"),
        ("mlflow-artifacts:host:5500", "mlflow-artifacts://host:5500"),
        ("mlflow-artifacts://http://host:5500/", "mlflow-artifacts://host:5500/"),
        ("mlflow-artifacts://host:port/", "its host or port is none"),
        ("mlflow-artifacts://host:99999/", "its host or port is none"),
        ("mlflow-artifacts://[host/", "its host or port is none"),
        ("s3:/bucket/prefix", "s3://bucket/prefix"),
        ("mlflow-artifacts:/127.0.0.1:5500", "mean mlflow-artifacts://127.0.0.1:5500?"),
        ("mlflow-artifacts:///localhost/x", "mean mlflow-artifacts://localhost/x?"),
        ("mlflow-artifacts://u:p@host:5500/x", "mean mlflow-artifacts://host:5500/x?"),
        ("mlflow-artifacts://host/a/../b", "'..'"),
        ("s3://bucket/a/%2e%2e/b", "'..'"),
        ("s3:bucket", "s3://bucket"),
        ("gs:/bucket", "gs://bucket"),
        ("htttp://host/", "http://host/"),
        ("C:/artifacts", "no URI"),
        ("http://user:secret@host", "mlflow-artifacts://…@host/"),
        ("mlflow-artifacts://user:secret@host/?a=b", "query"),
    ],
)
def test_default_artifact_root_that_loses_artifacts_is_refused_with_a_suggestion(
    root: str, meant: str
) -> None:
    with pytest.raises(SettingsError, match="--default-artifact-root") as refused:
        Settings(default_artifact_root=root).artifact_root()
    assert meant in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tandem-artifacts:5500", "must begin with http"),
        ("http://", "must begin with http"),
        ("http:/host:5500", "must begin with http"),
        ("http://[host", "no URL"),
        ("http://host:port", "no URL"),
        ("http://host/?a=b", "without query"),
        ("http://host:5500/p/api/2.0/mlflow-artifacts/artifacts", "mean http://host:5500/p?"),
    ],
)
def test_artifacts_url_that_cannot_work_is_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match="--artifacts-url") as refused:
        Settings(artifacts_url=url).check()
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "open-sesame"),
        ("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "b3Blbi1zZXNhbWU="),
        ("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "https,ftp"),
        ("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "0"),
        ("MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES", "-1"),
        ("MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS", "0"),
    ],
)
def test_webhook_settings_that_cannot_work_are_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match="--webhook-") as refused:
        load(Settings, {variable: value})
    assert "sesame" not in str(refused.value)


def test_webhook_encryption_key_is_not_shown() -> None:
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    loaded = load(Settings, {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": key})
    assert loaded.webhook_secret_encryption_key == key
    assert key not in repr(loaded)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("artifact_hosts", ("host:99999",)),
        ("artifact_hosts", ("http://user:secret@host",)),
        ("redirect_artifacts_to", "http://[host"),
        ("redirect_artifacts_to", "http://:5500"),
        ("redirect_artifacts_to", "http://user:secret@host"),
        ("artifact_root_map", ("s3://user:secret@[b=mlflow-artifacts://host/",)),
        ("artifact_root_map", ("s3://b=mlflow-artifacts://user:secret@[host/",)),
    ],
)
def test_artifact_setting_that_is_invalid_is_refused_without_its_password(
    setting: str, value: Any
) -> None:
    settings = replace(Settings(default_artifact_root="mlflow-artifacts:/"), **{setting: value})
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")) as refused:
        Roots(settings)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a;b", "a,b", "'self'", "data:", "https://", "a.com/x", "ftp://a.com", "a..b"],
)
def test_html_artifact_host_that_is_invalid_is_refused(host: str) -> None:
    settings = Settings(html_artifact_hosts=(host,))
    with pytest.raises(SettingsError, match="--html-artifact-hosts must hold hosts"):
        settings.check()


@pytest.mark.parametrize(
    "host", ["*", "cdn.plot.ly", "*.a.com", "https://a.com", "localhost:*", "http://a:80"]
)
def test_html_artifact_host_that_csp_knows_is_accepted(host: str) -> None:
    Settings(html_artifact_hosts=(host,)).check()
