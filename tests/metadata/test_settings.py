"""Values that the metadata service refuses to start with."""

import base64

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError, load


@pytest.mark.parametrize(
    ("setting", "value"),
    [("pool_size", 0), ("pool_timeout", -1.0), ("artifacts_timeout", 0.0), ("max_body_bytes", 0)],
)
def test_a_number_that_cannot_work_is_refused_by_its_flag(setting: str, value: float) -> None:
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        Settings(**{setting: value}).check()


@pytest.mark.parametrize(
    "root", [None, "", "./mlruns", "/srv/artifacts", "mlflow-artifacts://host/?a=b", "s3://b/#c"]
)
def test_a_root_that_new_experiments_cannot_use_is_refused(root: str | None) -> None:
    with pytest.raises(SettingsError, match="--default-artifact-root"):
        Settings(default_artifact_root=root).artifact_root()


@pytest.mark.parametrize(
    "root", ["mlflow-artifacts://host:5500/", "mlflow-artifacts:/", "s3://bucket/prefix"]
)
def test_a_root_is_a_uri(root: str) -> None:
    assert Settings(default_artifact_root=root).artifact_root() == root


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
def test_settings_of_webhooks_that_cannot_work_are_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match="--webhook-") as refused:
        load(Settings, {variable: value})
    assert "sesame" not in str(refused.value)


def test_the_key_of_secrets_is_not_shown() -> None:
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    loaded = load(Settings, {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": key})
    assert loaded.webhook_secret_encryption_key == key
    assert key not in repr(loaded)
