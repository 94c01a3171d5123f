"""`tandem-metadata db upgrade --revision head`: to MLflow's newest revision, by its migrations."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tandem_metadata.database import fitness, revisions
from tandem_metadata.database.database import Database
from tandem_metadata.database.known_revisions import FIRST, HEAD, KNOWN, OLDER
from tandem_metadata.database.mlflow_migrations import Mlflow, find
from tandem_metadata.settings import Settings
from tandem_shared import MLFLOW_VERSION
from tandem_shared.settings import SettingsError


def to_head(database: Database) -> None:
    """Bring a database that has a revision to the last one of the MLflow installed beside Tandem.

    Says before what will happen, and that a backup is needed. Raises SettingsError, having changed
    nothing, without an MLflow, for one that does not know the database's revision, and for one
    whose last revision Tandem could not use.
    """
    mlflow = find()
    if mlflow is None:
        raise SettingsError(
            "--revision head: MLflow's own migrations do this, and no MLflow is installed beside "
            f"tandem-metadata. Install it here (pip install mlflow=={MLFLOW_VERSION}), or put the "
            "command `mlflow` of another environment on PATH."
        )
    head = mlflow.revisions[-1]
    with _alone(database):
        found = database.revision()
        if found == head:
            print(f"The database is at revision {head}, the newest of MLflow {mlflow.version}.")
            return
        if found not in mlflow.revisions:
            raise SettingsError(
                f"--revision head: the database is at revision {found}, which MLflow "
                f"{mlflow.version} ({mlflow.python}) does not know; install a newer MLflow."
            )
        _check_head(mlflow)
        count = len(mlflow.revisions) - mlflow.revisions.index(found) - 1
        print(
            f"The database goes from revision {found} to {head}, by {count} migrations of MLflow "
            f"{mlflow.version} ({mlflow.python}). Only a backup made before leads back. Requests "
            "may fail meanwhile.",
            flush=True,
        )
        mlflow.upgrade(database.url, database.login_environ())
        with database.read() as conn:
            revisions.check(revisions.current(conn), conn)
    print(f"The database is at revision {head}.")


def _check_head(mlflow: Mlflow) -> None:
    """Raise SettingsError if Tandem could not use a database at the last revision."""
    head = mlflow.revisions[-1]
    refused = f"--revision head: the newest revision of MLflow {mlflow.version} is {head}, "
    if head in KNOWN:
        return
    if head in OLDER:
        raise SettingsError(
            f"{refused}older than {FIRST}, the first that Tandem uses; install MLflow "
            f"{MLFLOW_VERSION}."
        )
    misfits = _try(mlflow) if HEAD in mlflow.revisions else ["it does not come after any known one"]
    if misfits:
        raise SettingsError(
            f"{refused}which this version of Tandem could not use: {revisions.some(misfits)}. "
            f"Install MLflow {MLFLOW_VERSION}, or use a newer Tandem."
        )


def _try(mlflow: Mlflow) -> list[str]:
    """What would not fit after the migrations, tried on a new SQLite database."""
    with tempfile.TemporaryDirectory(prefix="tandem-migration-") as folder:
        database = Database(Settings(backend_store_uri=f"sqlite:///{Path(folder, 'tried.db')}"))
        try:
            with database.write() as conn:
                revisions.create_or_check(conn)
            print(f"Trying the migrations of MLflow {mlflow.version} on an empty database first.")
            mlflow.upgrade(database.url, {})
            with database.read() as conn:
                return fitness.misfits(conn)
        finally:
            database.close()


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Keep other migrations out on PostgreSQL; SQLite's own lock does so."""
    if database.dialect == "sqlite":
        yield
        return
    with database.write() as conn:
        revisions.lock(conn)
        yield
