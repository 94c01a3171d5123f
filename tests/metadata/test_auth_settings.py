"""Settings of accounts: flags, variables, MLflow's flag and MLflow's file."""

import logging
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError, load

FILE = """
[mlflow]
default_permission = EDIT
database_uri = postgresql://u:p%%40@h/d
admin_username = root
admin_password = from the file
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "basic_auth.ini"
    path.write_text(FILE)
    return path


def test_nothing_said_authenticates_nobody() -> None:
    settings = load(Settings, {})
    assert (settings.auth, settings.auth_database_uri, settings.authenticates) == (
        "none",
        None,
        False,
    )


def test_mlflows_flag_is_basic_with_mlflows_database() -> None:
    settings = load(Settings, {}, {"app_name": "basic-auth"})
    assert (settings.auth, settings.auth_database_uri) == ("basic", "sqlite:///basic_auth.db")
    assert settings.authenticates
    basic = load(Settings, {}, {"auth": "basic"})
    assert (basic.auth, basic.auth_database_uri) == ("basic", None)
    other = load(
        Settings, {"TANDEM_AUTH_DATABASE_URI": "sqlite:///a.db"}, {"app_name": "basic-auth"}
    )
    assert other.auth_database_uri == "sqlite:///a.db"
    same = load(Settings, {"TANDEM_AUTH_DATABASE_URI": ""}, {"app_name": "basic-auth"})
    assert same.auth_database_uri is None


@pytest.mark.parametrize(
    "flags",
    [{"app_name": "basic-auth", "auth": "none"}, {"app_name": "oidc-auth"}, {"auth": "digest"}],
)
def test_other_ways_to_authenticate_are_refused(flags: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="basic"):
        load(Settings, {}, flags)


@pytest.mark.parametrize("flags", [{"auth": "basic"}, {"app_name": "basic-auth"}])
def test_mlflows_file_gives_what_it_says(
    file: Path, flags: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(Settings, {"MLFLOW_AUTH_CONFIG_PATH": str(file)}, flags)
    assert settings.auth_default_permission == "EDIT"
    assert settings.auth_database_uri == "postgresql://u:p%40@h/d"
    assert (settings.auth_admin_username, settings.auth_admin_password) == (
        "root",
        "from the file",
    )
    assert caplog.text == ""
    for secret in ("from the file", "p%40"):
        assert secret not in repr(settings)


def test_flags_and_variables_win_over_the_file(file: Path) -> None:
    environ = {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": "from the variable",
        "TANDEM_AUTH_DEFAULT_PERMISSION": "USE",
    }
    settings = load(Settings, environ, {"auth": "basic", "auth_default_permission": "MANAGE"})
    assert settings.auth_default_permission == "MANAGE"
    assert settings.auth_admin_password == "from the variable"
    assert settings.auth_admin_username == "root"


def test_an_empty_variable_wins_over_the_file_too(file: Path) -> None:
    environ = {"MLFLOW_AUTH_CONFIG_PATH": str(file), "MLFLOW_AUTH_ADMIN_PASSWORD": ""}
    assert load(Settings, environ, {"auth": "basic"}).auth_admin_password is None


def test_the_file_is_not_read_where_nobody_is_authenticated() -> None:
    assert load(Settings, {"MLFLOW_AUTH_CONFIG_PATH": "/nowhere/x.ini"}).auth == "none"


def test_keys_without_effect_are_named_in_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(
        "[mlflow]\nauth_cache_ttl_seconds = 60\nnonsense = secret\n"
        "grant_default_workspace_access = true\n"
    )
    with caplog.at_level(logging.WARNING, "tandem.auth"):
        load(Settings, {"MLFLOW_AUTH_CONFIG_PATH": str(file)}, {"auth": "basic"})
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    for key in ("auth_cache_ttl_seconds", "nonsense", "grant_default_workspace_access"):
        assert any(f"'{key}' has no effect" in each for each in said)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("[other]\na = b\n", r"no section \[mlflow\]"),
        ("admin_password = secret\n", "no such file"),
        ("[mlflow]\nadmin_password = secret%\n", "single '%'"),
        ("[mlflow]\nauthorization_function = my.module:secret\n", "authorization_function"),
        ("[mlflow]\ndefault_permission = secret\n", "--auth-default-permission"),
        ("[mlflow]\ndatabase_uri = mysql://u:secret@h/d\n", "--auth-database-uri"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_its_values(
    tmp_path: Path, text: str | None, told: str
) -> None:
    path = tmp_path / "basic_auth.ini"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=told) as refused:
        load(Settings, {"MLFLOW_AUTH_CONFIG_PATH": str(path)}, {"auth": "basic"})
    assert "secret" not in str(refused.value)


def test_no_authentication_and_authentication_contradict() -> None:
    with pytest.raises(SettingsError, match="--insecure-no-auth"):
        load(Settings, {"TANDEM_INSECURE_NO_AUTH": "true"}, {"auth": "basic"})
