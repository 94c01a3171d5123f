"""`db upgrade --revision head`: MLflow's own migrations, run by an MLflow that is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tandem_metadata.cli import db, mlflow_upgrade
from tandem_metadata.database import known_revisions, mlflow_migrations
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared import MLFLOW_VERSION
from tandem_shared.settings import SettingsError
from tests import newer_mlflow
from tests.harness.processes import environment
from tests.metadata.conftest import only_sqlite
from tests.metadata.database import mlflow_tables

LATER = "feedfacecafe"


def _upgrade(uri: str, status: int = 0, **variables: str) -> str:
    """What the command says to both streams; its status must be that."""
    command = [sys.executable, "-m", "tandem_metadata", "db", "upgrade", "--revision", "head"]
    done = subprocess.run(
        [*command, "--backend-store-uri", uri],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def _revision(uri: str) -> str | None:
    database = Database(Settings(backend_store_uri=uri))
    found = database.revision()
    database.close()
    return found


def _restamp(uri: str, revision: str) -> None:
    database = Database(Settings(backend_store_uri=uri))
    with database.write() as conn:
        conn.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    database.close()


def test_an_older_database_goes_to_the_head_of_the_installed_mlflow(
    backend_store_uri: str,
) -> None:
    mlflow_tables.load(backend_store_uri)
    said = _upgrade(backend_store_uri)
    first, head = known_revisions.FIRST, known_revisions.HEAD
    plan = f"The database goes from revision {first} to {head}, by [0-9]+ migrations of MLflow "
    assert re.search(plan + MLFLOW_VERSION, said)
    assert "Only a backup made before leads back." in said
    assert f"The database is at revision {head}.\n" in said
    assert "Added Tandem's own tables" in said
    assert _revision(backend_store_uri) == head
    assert f"is at revision {head}, the newest of MLflow" in _upgrade(backend_store_uri)


def test_an_empty_database_is_created_at_the_head(backend_store_uri: str) -> None:
    assert f"Created the tables of revision {known_revisions.HEAD}" in _upgrade(backend_store_uri)


@only_sqlite
def test_a_revision_that_the_installed_mlflow_does_not_know_is_left_alone(
    prepared_uri: str,
) -> None:
    _restamp(prepared_uri, known_revisions.KNOWN[-1])
    said = _upgrade(prepared_uri, status=2)
    assert f"{known_revisions.KNOWN[-1]}, which MLflow {MLFLOW_VERSION}" in said
    assert "install a newer MLflow" in said
    assert _revision(prepared_uri) == known_revisions.KNOWN[-1]


def _release(folder: Path, change: str) -> str:
    """A release of MLflow with one migration more, as PYTHONPATH has it."""
    shutil.copytree(newer_mlflow.folder(), folder / "release", copy_function=os.link)
    script = folder / "release/mlflow/store/db_migrations/versions" / f"{LATER}_later.py"
    script.write_text(
        "from alembic import op\n"
        f'revision = "{LATER}"\n'
        f'down_revision = "{known_revisions.KNOWN[-1]}"\n'
        "branch_labels = depends_on = None\n"
        "def upgrade():\n"
        f"    {change}\n"
    )
    return str(folder / "release")


@only_sqlite
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("op.execute('ALTER TABLE runs RENAME COLUMN name TO title')", "no column name"),
        ("raise RuntimeError('broken')", "failed; what it said is above"),
    ],
)
def test_a_head_that_tandem_could_not_use_is_refused_before_anything_is_changed(
    prepared_uri: str, tmp_path: Path, change: str, words: str
) -> None:
    said = _upgrade(prepared_uri, status=2, PYTHONPATH=_release(tmp_path, change))
    assert "Trying the migrations of MLflow" in said
    assert words in said
    assert _revision(prepared_uri) == known_revisions.HEAD


@only_sqlite
def test_a_head_that_nobody_knows_is_tried_and_then_taken(
    prepared_uri: str, tmp_path: Path
) -> None:
    change = "op.execute('ALTER TABLE runs ADD COLUMN title TEXT')"
    said = _upgrade(prepared_uri, PYTHONPATH=_release(tmp_path, change))
    assert f"The database is at revision {LATER}.\n" in said
    assert f"at revision {LATER}, which this version of Tandem does not know" in said
    assert _revision(prepared_uri) == LATER


def test_mlflow_is_found_in_this_environment_or_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = mlflow_migrations.find()
    assert beside is not None
    assert (beside.python, beside.version) == (sys.executable, MLFLOW_VERSION)
    (tmp_path / "mlflow").write_text(f"#!{sys.executable}\n")
    (tmp_path / "mlflow").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert mlflow_migrations.find() == beside
    monkeypatch.setenv("PATH", "")
    assert mlflow_migrations.find() is None


@only_sqlite
def test_without_an_mlflow_the_command_says_which_to_install(
    prepared_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(mlflow_upgrade, "find", lambda: None)
    with pytest.raises(SettingsError, match=re.escape(f"pip install mlflow=={MLFLOW_VERSION}")):
        db.upgrade(Settings(backend_store_uri=prepared_uri), to_head=True)
