"""Which driver a destination gets, and destinations that are refused with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tandem_artifacts.drivers.open import open_driver
from tandem_shared.settings import SettingsError
from tests.artifacts.drivers.content import fetch, names, stream

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("AWS_", "AZURE_", "GOOGLE_", "MINIO_", "MLFLOW_", "STORAGE_EMULATOR_HOST")
    for name in [each for each in os.environ if each.startswith(foreign)]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "file:{}"])
async def test_directory_is_given_as_a_path_or_a_file_uri(tmp_path: Path, form: str) -> None:
    root = tmp_path / "not yet" / "there"
    shown = str(root) if form == "{}" else str(root).replace(" ", "%20")
    driver = open_driver(form.format(shown))

    await driver.write("object", stream(b"content"))

    assert await fetch(driver, "object") == b"content"
    assert (root / "object").read_bytes() == b"content"
    await driver.close()


async def test_relative_directory_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for destination in ("./mlartifacts", "other/a:b"):
        await open_driver(destination).close()

    assert names(tmp_path) == ["mlartifacts", "other"]


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ("", "must not be empty"),
        ("az://container/prefix", "scheme 'az'"),
        ("hdfs://host/path", "scheme 'hdfs'"),
        ("mlflow-artifacts://host/path", "scheme 'mlflow-artifacts'"),
        ("file://elsewhere/path", "absolute path"),
        ("file:relative", "absolute path"),
        ("s3://", "s3://bucket/prefix"),
        ("s3:///prefix", "s3://bucket/prefix"),
        ("s3://user:secret@bucket/prefix", "s3://bucket/prefix"),
        ("s3://bucket/prefix?region=x", "s3://bucket/prefix"),
        ("minio://host:9000", "minio://host:port/bucket/prefix"),
        ("minio://host:9000/", "minio://host:port/bucket/prefix"),
        ("minio:///bucket", "minio://host:port/bucket/prefix"),
        ("minio://host/bucket?secure=maybe", "true or false"),
        ("minio://host/bucket?colour=blue", "at most"),
        ("minio://user:secret@host/bucket", "into the environment"),
        ("minio://host/bucket", "MINIO_ACCESS_KEY"),
        ("http://[broken/path", "well-formed"),
        ("s3://user:sec[ret@bucket", "well-formed"),
        ("s3://not a bucket/prefix", "no bucket has the name"),
        ("minio://host/b%20cket", "no bucket has the name"),
        ("gs://", "gs://bucket/prefix"),
        ("gs://user:secret@bucket/prefix", "gs://bucket/prefix"),
        ("gs://bucket:9000/prefix", "gs://bucket/prefix"),
        ("gs://not a bucket/prefix", "no bucket has the name"),
        ("wasbs://container/prefix", "container@account.blob.core.windows.net"),
        ("wasbs://container@account/prefix", "container@account.blob.core.windows.net"),
        ("wasbs://c:secret@account.blob.core.windows.net", "come from the environment"),
        ("wasbs://container@account.blob.core.windows.net/p?sig=secret", "from the environment"),
        ("wasbs://Container@account.blob.core.windows.net", "lower-case"),
        ("wasbs://a--b@account.blob.core.windows.net", "single '-'"),
        ("abfss://account.dfs.core.windows.net/p", "abfss://filesystem@account.dfs.core"),
    ],
)
def test_unusable_destination_is_refused_with_a_sentence(destination: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        open_driver(destination)

    assert str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)
    assert "ret@" not in str(refused.value)


@pytest.mark.parametrize(
    ("destination", "meant"),
    [
        ("s3:/bucket/prefix", "s3://bucket/prefix"),
        ("s3:bucket", "s3://bucket"),
        ("S3//bucket", "s3://bucket"),
        ("minio:/host:9000/bucket", "minio://host:9000/bucket"),
        ("file//srv/artifacts", "file:///srv/artifacts"),
        ("gs:/bucket", "gs://bucket"),
        ("wasbs:/c@a.blob.core.windows.net/p", "wasbs://…@a.blob.core.windows.net/p"),
        ("abfss//c@a.dfs.core.windows.net", "abfss://…@a.dfs.core.windows.net"),
        ("hdfs:/host/path", "the directory ./hdfs:/host/path"),
        ("mlflow-artifacts:/", "the directory ./mlflow-artifacts:/"),
    ],
)
def test_mistyped_uri_is_not_made_a_directory(
    destination: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="Did you mean") as refused:
        open_driver(destination)
    assert str(refused.value).endswith(f"Did you mean {meant}?")
    assert names(tmp_path) == []


def test_home_directory_is_not_made_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="home directory"):
        open_driver("~/mlartifacts")
    assert names(tmp_path) == []


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SettingsError, match="cannot be used"):
        open_driver(str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="cannot be used"):
        open_driver(str(tmp_path / "file/below"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_S3_IGNORE_TLS", "perhaps"),
        ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "not json"),
        ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "[]"),
        ("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "sideways"),
        ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"StorageKlass": "STANDARD_IA"}'),
        ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"StorageClass": 1}'),
        ("AWS_CA_BUNDLE", "/no/such/file"),
    ],
)
def test_unusable_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        open_driver("s3://bucket/prefix")


def test_endpoint_that_is_no_address_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "//user:secret@nowhere")
    with pytest.raises(SettingsError, match="MLFLOW_S3_ENDPOINT_URL") as refused:
        open_driver("s3://bucket/prefix")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0, -5, 604_801])
def test_signed_urls_cannot_live_longer_than_the_stores_allow(tmp_path: Path, seconds: int) -> None:
    with pytest.raises(SettingsError, match="7 days"):
        open_driver(str(tmp_path), download_url_seconds=seconds)
    with pytest.raises(SettingsError, match="7 days"):
        open_driver(str(tmp_path), part_url_seconds=seconds)


def test_directory_does_not_load_the_object_stores_libraries(tmp_path: Path) -> None:
    program = (
        "import sys; from tandem_artifacts.drivers.open import open_driver; "
        "open_driver(sys.argv[1]); "
        "print(sorted({'boto3', 'botocore', 'minio', 'obstore'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
