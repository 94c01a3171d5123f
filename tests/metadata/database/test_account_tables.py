"""The tables of accounts: MLflow's own, in its revision, and what is said of older ones."""

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect

from tandem_metadata.access import opening
from tandem_metadata.database import account_tables, known_revisions
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import users
from tandem_shared.settings import SettingsError
from tests.harness.processes import environment
from tests.metadata.conftest import ARTIFACT_ROOT, only_sqlite

PASSWORD = "correct horse battery"


def _settings(uri: str) -> Settings:
    return Settings(backend_store_uri=uri, auth="basic", auth_admin_password=PASSWORD)


def _mlflow(*arguments: str) -> None:
    """MLflow's own command for these tables."""
    subprocess.run(
        [sys.executable, "-m", "mlflow.server.auth", "db", "upgrade", *arguments],
        check=True,
        env=environment(MLFLOW_DISABLE_TELEMETRY="true"),
        capture_output=True,
    )


@pytest.mark.parametrize("backend_store_uri", ["sqlite"], indirect=True)
def test_tables_before_roles_are_refused_with_the_command_that_upgrades_them(
    backend_store_uri: str,
) -> None:
    _mlflow("--url", backend_store_uri, "--revision", "8606fa83a998")
    settings = _settings(backend_store_uri)
    database = Database(settings)
    with database.write() as conn:
        conn.exec_driver_sql("INSERT INTO users (username, is_admin) VALUES ('ann', false)")
    with pytest.raises(SettingsError) as refused:
        opening.prepare(database, settings)
    said = str(refused.value)
    assert "8606fa83a998" in said
    command = re.search(r"python (-m mlflow\S+ db upgrade --url \S+?)\.? ", said)
    assert command, said
    with database.read() as conn:
        why = account_tables.why_unusable(conn)
        assert account_tables.describe(conn) == (False, "at revision 8606fa83a998 (not supported)")
    assert why is not None
    assert "8606fa83a998" in why
    database.close()
    subprocess.run(
        [sys.executable, *shlex.split(command[1])], check=True, capture_output=True,
        env=environment(MLFLOW_DISABLE_TELEMETRY="true"),
    )  # fmt: skip
    assert opening.prepare(database, settings) is True  # tokens
    assert opening.prepare(database, settings) is False
    with database.read() as conn:
        assert users.exists(conn, "ann")
        assert users.exists(conn, "admin")
    database.close()


def test_revision_that_nobody_knows_is_refused_without_that_command(
    backend_store_uri: str,
) -> None:
    settings = _settings(backend_store_uri)
    database = Database(settings)
    opening.prepare(database, settings)
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version_auth SET version_num = 'abcdef012345'")
    with pytest.raises(SettingsError, match=r"abcdef012345, which .* newer Tandem") as refused:
        opening.make_tables(database)
    assert "mlflow" not in str(refused.value)
    database.close()


def test_tables_without_a_revision_are_those_of_old_releases_or_of_others(
    backend_store_uri: str,
) -> None:
    database = Database(_settings(backend_store_uri))
    with database.write() as conn:
        conn.exec_driver_sql("CREATE TABLE users (id INTEGER)")
    with pytest.raises(SettingsError, match=r"without a revision.* --auth-database-uri"):
        opening.make_tables(database)
    database.close()


def test_accounts_may_be_in_a_database_before_experiments_are(backend_store_uri: str) -> None:
    settings = _settings(backend_store_uri)
    database = Database(settings)
    opening.prepare(database, settings)
    database.prepare(ARTIFACT_ROOT)
    assert database.revision() == known_revisions.HEAD
    with database.read() as conn:
        assert account_tables.why_unusable(conn) is None
    database.close()


@only_sqlite
def test_missing_tokens_are_added_and_waited_for(settings: Settings, database: Database) -> None:
    with database.write() as conn:
        assert account_tables.prepare(conn) is True
        conn.exec_driver_sql("DROP TABLE tandem_tokens")
    with database.read() as conn:
        assert "tandem_tokens" in (account_tables.why_unusable(conn) or "")
    with database.write() as conn:
        assert account_tables.prepare(conn) is True
        assert account_tables.prepare(conn) is False
        assert inspect(conn).has_table("tandem_tokens")


@only_sqlite
def test_the_first_administrator_needs_a_good_password(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    told = {
        None: "no password for him is given: set the variable MLFLOW_AUTH_ADMIN_PASSWORD",
        "": "no password for him is given",
        "short": "at least 12 characters.*MLFLOW_AUTH_ADMIN_PASSWORD",
        "password1234": "everybody knows.*MLFLOW_AUTH_ADMIN_PASSWORD",
    }
    for password, sentence in told.items():
        wanted = Settings(
            backend_store_uri=settings.backend_store_uri, auth="basic", auth_admin_password=password
        )
        with pytest.raises(SettingsError, match=sentence):
            opening.prepare(database, wanted)
    opening.prepare(database, _settings(settings.backend_store_uri))
    none = Settings(backend_store_uri=settings.backend_store_uri, auth="basic")
    assert opening.prepare(database, none) is False


@only_sqlite
def test_no_password_is_needed_where_a_providers_groups_make_administrators(
    settings: Settings, database: Database
) -> None:
    provider = Settings(backend_store_uri=settings.backend_store_uri, auth="oidc")
    with pytest.raises(SettingsError, match="MLFLOW_AUTH_ADMIN_PASSWORD"):
        opening.prepare(database, provider)
    opening.prepare(database, dataclasses.replace(provider, oidc_admin_groups=("ops",)))
    with database.read() as conn:
        assert not users.exists(conn, "admin")
    given = dataclasses.replace(provider, oidc_admin_groups=("ops",), auth_admin_password=PASSWORD)
    opening.prepare(database, given)
    with database.read() as conn:
        assert users.exists(conn, "admin")
