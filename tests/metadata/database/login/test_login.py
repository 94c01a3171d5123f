"""What addresses tokens fit, and what is said of others; nothing is connected to."""

import builtins
import datetime
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials

from tandem_metadata.database.database import Database
from tandem_metadata.database.login.aws_iam import region_of
from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError, load
from tests.cloud.front import HOST

TLS = "sslmode=verify-full"
ENDPOINT = f"postgresql://tandem@{HOST}/mlflow?{TLS}"

both = pytest.mark.parametrize("auth", ["aws-iam", "gcp-iam"])


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGUSER", "PGPASSWORD", "PGSSLMODE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


def _open(uri: str, auth: str) -> None:
    Database(Settings(backend_store_uri=uri, db_auth=auth)).close()


def _refusal(uri: str, auth: str) -> str:
    with pytest.raises(SettingsError) as refused:
        _open(uri, auth)
    return str(refused.value)


@both
@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_an_encrypted_address_without_a_password_is_taken(auth: str, sslmode: str) -> None:
    _open(f"postgresql://tandem@{HOST}:5433/mlflow?sslmode={sslmode}", auth)


@both
def test_parts_may_come_from_libpqs_variables(auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _refusal("postgresql://", auth)
    assert "needs the database's user" in said
    monkeypatch.setenv("PGUSER", "tandem@project.iam")
    assert "needs the database's host" in _refusal("postgresql://", auth)
    monkeypatch.setenv("PGHOST", HOST)
    assert "it is prefer now" in _refusal("postgresql://", auth)
    monkeypatch.setenv("PGSSLMODE", "require")
    _open("postgresql://", auth)


@both
@pytest.mark.parametrize("sslmode", ["", "disable", "allow", "prefer"])
def test_an_address_that_may_be_unencrypted_is_refused(auth: str, sslmode: str) -> None:
    said = _refusal(f"postgresql://tandem@{HOST}/mlflow?sslmode={sslmode}".rstrip("="), auth)
    assert f"--db-auth {auth} sends tokens, which must be encrypted" in said
    assert "?sslmode=verify-full&sslrootcert=" in said
    assert f"it is {sslmode or 'prefer'} now" in said


@both
@pytest.mark.parametrize("where", ["user", "query", "variable"])
def test_a_password_besides_is_refused_and_not_repeated(
    auth: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = ENDPOINT
    if where == "user":
        uri = uri.replace("tandem@", "tandem:hunter2@")
    elif where == "query":
        uri += "&password=hunter2"
    else:
        monkeypatch.setenv("PGPASSWORD", "hunter2")
    said = _refusal(uri, auth)
    assert "remove the one in --backend-store-uri, and PGPASSWORD" in said
    assert "hunter2" not in said


@both
@pytest.mark.parametrize(
    "uri", [f"postgresql://tandem@/mlflow?host=/run/pg&{TLS}", f"postgresql://tandem@/m?{TLS}"]
)
def test_a_socket_is_refused(auth: str, uri: str) -> None:
    assert "needs the database's host" in _refusal(uri, auth)


@both
def test_sqlite_is_refused(auth: str, tmp_path: Any) -> None:
    assert "is for PostgreSQL" in _refusal(f"sqlite:///{tmp_path / 'mlflow.db'}", auth)


@pytest.mark.parametrize(
    ("auth", "library", "extra"), [("aws-iam", "botocore", "aws"), ("gcp-iam", "google", "gcp")]
)
def test_a_missing_extra_is_named(
    auth: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builtins.__import__

    def find(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == library:
            raise ImportError(name)
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", find)
    assert f"pip install 'tandem-metadata[{extra}]'" in _refusal(ENDPOINT, auth)


def test_other_ways_to_log_in_are_refused() -> None:
    with pytest.raises(SettingsError, match="--db-auth must be password, aws-iam or gcp-iam"):
        load(Settings, {"TANDEM_DB_AUTH": "iam"})


def test_several_hosts_are_refused_for_aws_alone() -> None:
    uri = f"postgresql://tandem@/mlflow?host={HOST}&host=b.example.com&{TLS}"
    assert "takes one host" in _refusal(uri, "aws-iam")
    _open(uri, "gcp-iam")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_host_without_a_region_needs_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"postgresql://tandem@db.example.com/mlflow?{TLS}"
    assert "no region in the host db.example.com" in _refusal(uri, "aws-iam")
    monkeypatch.setenv(name, "eu-west-1")
    _open(uri, "aws-iam")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-central-1"),
        ("db.abc123.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("proxy.proxy-abc.ap-southeast-2.rds.amazonaws.com.", "ap-southeast-2"),
        ("DB.ABC.EU-WEST-1.RDS.AMAZONAWS.COM", "eu-west-1"),
        ("db.abc.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("db.eu-west-1.rds.example.com", None),
        ("10.0.5.7", None),
    ],
)
def test_an_endpoint_has_its_region_in_its_name(host: str, region: str | None) -> None:
    assert region_of(host) == region


def test_credentials_that_sign_hold_for_ten_minutes() -> None:
    """So that a token holds as long as `aws_iam` says, whenever it is signed."""

    def fetch() -> dict[str, str]:
        raise RuntimeError("AWS is away")

    def sign(seconds: float) -> None:
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        given = RefreshableCredentials("a", "b", "c", ends, fetch, "test")
        given.get_frozen_credentials()

    sign(610)
    with pytest.raises(RuntimeError, match="AWS is away"):
        sign(590)
