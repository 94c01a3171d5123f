"""The commands `tandem-metadata db upgrade`, `db current` and `db optimize`."""

import contextlib
import logging
import os.path
import sys
import time
from collections.abc import Iterator

from tandem_metadata.access import opening
from tandem_metadata.database import account_tables, revisions, sqlite_file, widening
from tandem_metadata.database import optimize as optimization
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.database.tables.accounts import REVISION
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError

_FOLDER = "./mlruns"
"""Where MLflow logs to by itself."""
_PAUSE = 1.0  # seconds between attempts to reach a database that does not answer

_log = logging.getLogger("tandem.folder")


def prepare(settings: Settings, artifact_root: str) -> None:
    """Create the tables of an empty database, or check those that are there.

    Takes over the folder of runs that the settings name. Raises SettingsError for a database that
    does not answer or that Tandem cannot use, and for a folder that cannot be read.
    """
    _tell_of_folder(settings)
    with opened(settings) as database:
        database.prepare(artifact_root)
        if settings.served_folder:
            from tandem_metadata.transfer import served_folder  # which few starts need

            served_folder.take_over(settings.served_folder, database)
        if settings.auth != "none":
            with _accounts(settings, database) as accounts:
                opening.prepare(accounts, settings)


def _tell_of_folder(settings: Settings) -> None:
    """Log how runs of `./mlruns` get into the database, which is neither there nor was named."""
    uri = settings.backend_store_uri
    if uri != Settings().backend_store_uri or os.path.exists(uri.removeprefix("sqlite:///")):
        return
    from tandem_metadata.transfer.file_store.store import is_file_store

    if os.path.isdir(_FOLDER) and is_file_store(_FOLDER):
        _log.warning(
            "the folder %s holds runs that are not in the new database %s: "
            "`tandem-metadata import %s` takes them over, and `serve --backend-store-uri %s` "
            "serves them as they come",
            *(_FOLDER, uri, _FOLDER, _FOLDER),
        )


def check(settings: Settings) -> None:
    """Raise SettingsError for an invalid address of a database, without connecting."""
    database = Database(settings)
    with _accounts(settings, database):
        database.close()


def upgrade(settings: Settings, wait_seconds: float = 0, *, to_head: bool = False) -> int:
    """Create all tables of an empty database, or the missing ones of Tandem's own; returns 0.

    Widens the column of experiments' tags to 20,000 characters. With `--auth`, creates the tables
    of accounts too. Tries for `wait_seconds` to reach each database. Safe in several processes at
    once. With `to_head`, tables that are there are first migrated as `mlflow_upgrade.to_head` does.
    Raises SettingsError for a database that does not answer, that is neither empty nor of a
    supported revision, or whose role may not create tables.
    """
    with opened(settings, extra_connections=1) as database:
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
        made = settings.auth != "none" and _upgrade_accounts(settings, database, wait_seconds)
        if not (created or added or widened or made):
            print(f"The database is at revision {revision}, which is supported; nothing to do.")
    return 0


def _upgrade_accounts(settings: Settings, database: Database, wait_seconds: float) -> bool:
    with _accounts(settings, database) as accounts:
        _wait(accounts, wait_seconds)
        made = opening.make_tables(accounts)
    if made:
        print(f"Created tables of accounts, of revision {REVISION}.")
    return made


def current(settings: Settings) -> int:
    """Print the revision and whether it is supported; returns 0 if it is, else 1.

    With `--auth`, also that of the tables of accounts. Raises SettingsError for a database that
    does not answer or does not exist.
    """
    with opened(settings, must_exist=True) as database:
        with database.read() as conn:
            is_used, described = revisions.describe(revisions.current(conn), conn)
        print(described)
        if settings.auth != "none":
            is_used = _current_of_accounts(settings, database) and is_used
    return 0 if is_used else 1


def _current_of_accounts(settings: Settings, database: Database) -> bool:
    with _accounts(settings, database, must_exist=True) as accounts, accounts.read() as conn:
        is_used, described = account_tables.describe(conn)
    print(f"accounts: {described}")
    return is_used


def optimize(settings: Settings, *, drop: bool = False) -> int:
    """Add the indexes that speed up searches among many runs, or drop them; returns 0.

    The service may run meanwhile. Raises SettingsError for a database that does not answer, does
    not exist or is not of a supported revision, for a role that does not own the tables, and while
    another process does the same.
    """
    # One connection holds a lock while another builds.
    with opened(settings, extra_connections=1, must_exist=True) as database:
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
def opened(
    settings: Settings, *, extra_connections: int = 0, must_exist: bool = False
) -> Iterator[Database]:
    """The database of a command, closed in the end.

    Raises SettingsError, with the reason, when it does not answer, or `must_exist` and does not.
    """
    database = Database(settings, extra_connections=extra_connections, quiet=True)
    try:
        if must_exist:
            _check_exists(database)
        with as_settings_error(database.url, database.flag):
            yield database
    finally:
        database.close()


@contextlib.contextmanager
def _accounts(
    settings: Settings, tracking: Database, *, must_exist: bool = False
) -> Iterator[Database]:
    """The database of accounts, which may be the same; closed in the end if it is another."""
    accounts = opening.open_database(settings, tracking, 1, quiet=True)
    try:
        if must_exist:
            _check_exists(accounts)
        with as_settings_error(accounts.url, accounts.flag):
            yield accounts
    finally:
        if accounts is not tracking:
            accounts.close()


def _check_exists(database: Database) -> None:
    """Raise SettingsError where there is no SQLite file: SQLite creates one that it opens."""
    path = sqlite_file.path_of(database.url)
    if database.dialect == "sqlite" and not os.path.exists(path):
        why = sqlite_file.why_unusable(path) or f"there is no SQLite database at {path}"
        raise SettingsError(f"{database.flag}: {why}.")
