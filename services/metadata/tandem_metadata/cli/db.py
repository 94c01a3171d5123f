"""The commands `tandem-metadata db upgrade`, `db current` and `db optimize`."""

import contextlib
import os.path
import sys
import time
from collections.abc import Iterator

from tandem_metadata.database import optimize as optimization
from tandem_metadata.database import revisions, sqlite_file, widening
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError

_PAUSE = 1.0  # seconds between attempts to reach a database that does not answer


def prepare(settings: Settings, artifact_root: str) -> None:
    """Create the tables of an empty database, or check those that are there.

    Raises SettingsError for a database that does not answer or that Tandem cannot use.
    """
    with _opened(settings) as database:
        database.prepare(artifact_root)


def check(settings: Settings) -> None:
    """Raise SettingsError for an invalid database address, without connecting."""
    Database(settings).close()


def upgrade(settings: Settings, wait_seconds: float = 0, *, to_head: bool = False) -> int:
    """Create all tables of an empty database, or the missing ones of Tandem's own; returns 0.

    Widens the column of experiments' tags to 20,000 characters. Tries for `wait_seconds` to reach
    the database. Safe in several processes at once. With `to_head`, tables that are there are first
    migrated as `mlflow_upgrade.to_head` does. Raises SettingsError for a database that does not
    answer, that is neither empty nor of a supported revision, or whose role may not create tables.
    """
    with _opened(settings, extra_connections=1) as database:
        _wait(database, wait_seconds)
        if to_head and database.revision() is not None:
            from tandem_metadata.cli import mlflow_upgrade  # which starts of the service never need

            mlflow_upgrade.to_head(database)
        with database.write() as conn:
            created = revisions.create_or_check(conn)
            added = revisions.add_own(conn)
            widened = widening.is_due(conn, foreign=True) and widening.widen(conn)
            revision = revisions.current(conn)
    if created:
        print(f"Created the tables of revision {revision}.")
    elif added:
        print(f"Added Tandem's own tables to the database at revision {revision}.")
    if widened:
        print("Widened the column of experiments' tags, for 20,000 characters.")
    if not (created or added or widened):
        print(f"The database is at revision {revision}, which is supported; nothing to do.")
    return 0


def current(settings: Settings) -> int:
    """Print the revision and whether it is supported; returns 0 if it is, else 1.

    Raises SettingsError for a database that does not answer or does not exist.
    """
    with _opened(settings, must_exist=True) as database, database.read() as conn:
        is_used, described = revisions.describe(revisions.current(conn), conn)
    print(described)
    return 0 if is_used else 1


def optimize(settings: Settings, *, drop: bool = False) -> int:
    """Add the indexes that speed up searches among many runs, or drop them; returns 0.

    The service may run meanwhile. Raises SettingsError for a database that does not answer, does
    not exist or is not of a supported revision, for a role that does not own the tables, and while
    another process does the same.
    """
    # One connection holds a lock while another builds.
    with _opened(settings, extra_connections=1, must_exist=True) as database:
        (optimization.drop if drop else optimization.add)(database, _say)
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _wait(database: Database, seconds: float) -> None:
    """Return once the database answers; raise Unavailable if it does not in `seconds`."""
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        try:
            database.ping(quiet=True)
        except Unavailable as error:
            if seconds and error.reason != said:
                print(f"waiting for the database: {error.reason}", file=sys.stderr, flush=True)
                said = error.reason
            if time.monotonic() + _PAUSE > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


@contextlib.contextmanager
def _opened(
    settings: Settings, *, extra_connections: int = 0, must_exist: bool = False
) -> Iterator[Database]:
    database = Database(settings, extra_connections=extra_connections, quiet=True)
    try:
        path = sqlite_file.path_of(database.url)
        if must_exist and database.dialect == "sqlite" and not os.path.exists(path):
            # SQLite creates a file that it opens.
            why = sqlite_file.why_unusable(path) or f"there is no SQLite database at {path}"
            raise SettingsError(f"--backend-store-uri: {why}.")
        with as_settings_error(database.url):
            yield database
    finally:
        database.close()
