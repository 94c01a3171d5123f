"""The command `tandem-metadata import`.

Each kind of source imports its own modules late: a folder that has not changed is looked at in less
time than the others' take to load.
"""

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from tandem_metadata.database import revisions, sqlite_file
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.rules import default_artifact_root
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.databases.source import FLAG, address, is_database
from tandem_metadata.transfer.file_store.store import FileStore, is_file_store
from tandem_metadata.transfer.from_files.importing import FileImport, Options, Refused
from tandem_metadata.transfer.neptune.exported import is_export
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Report
from tandem_shared.settings import SettingsError, load, without_credentials

_OF_FILES: Final = ("registry", "artifacts_root")
_OF_DATABASES: Final = ("drop_orphans",)
_OF_NEPTUNE: Final = ("files", "without_files")


def run(parsed: argparse.Namespace) -> int:
    """Import, and print the report.

    Returns 0; 1 if the target is not what it should be, if what was found cannot be stored, or,
    with `--strict`, if anything was skipped. Raises SettingsError for a source that is none, and
    for a target that cannot be used.
    """
    if parsed.report:
        _check_writable(parsed.report)
    if is_database(parsed.source):
        _refuse(parsed, _OF_FILES, "a file store")
        _refuse(parsed, _OF_NEPTUNE, "an export of Neptune's")
        return _import_database(parsed)
    _refuse(parsed, _OF_DATABASES, "a database")
    folder = _folder(parsed.source, FLAG)
    if is_export(folder):
        return _import_neptune(parsed, folder)
    _refuse(parsed, _OF_NEPTUNE, "an export of Neptune's")
    return _import_folder(parsed, folder)


def _import_folder(parsed: argparse.Namespace, folder: str) -> int:
    if not is_file_store(folder):
        raise SettingsError(
            f"{folder} holds no experiments of MLflow: give the folder that the folders of "
            "experiments are in, as ./mlruns."
        )
    if parsed.artifacts_root is not None and not parsed.artifacts_root.startswith("/"):
        default_artifact_root.check(parsed.artifacts_root, "--artifacts-root")
    registry = _folder(parsed.registry, "--registry") if parsed.registry else None
    settings = _settings(parsed)
    with _opened(settings, parsed, create=not parsed.dry_run) as (database, address):
        report = Report(folder, address, dry_run=parsed.dry_run)
        options = Options(parsed.artifacts_root, parsed.dry_run, parsed.truncate)
        importing = FileImport(FileStore(folder, registry), database, report, options)
        with Progress() as progress:
            try:
                importing.run(progress)
            except Refused as error:
                report.refused = True
                report.notes.append(str(error))
    return finish(parsed, report)


def _import_neptune(parsed: argparse.Namespace, folder: str) -> int:
    from tandem_metadata.transfer.neptune import importing as from_neptune

    if parsed.artifacts_root is not None:
        default_artifact_root.check(parsed.artifacts_root, "--artifacts-root")
    files = _folder(parsed.files, "--files") if parsed.files else None
    settings = _settings(parsed)
    with _opened(settings, parsed, create=not parsed.dry_run) as (database, address):
        report = Report(folder, address, dry_run=parsed.dry_run)
        options = from_neptune.Options(
            parsed.artifacts_root, files, parsed.without_files, parsed.dry_run
        )
        with Progress() as progress:
            from_neptune.NeptuneImport(folder, settings, database, report, options).run(progress)
    return finish(parsed, report)


def _import_database(parsed: argparse.Namespace) -> int:
    from tandem_metadata.transfer.databases import importing as from_databases

    settings = _settings(parsed)
    flag = _target_flag(parsed)
    source = _shown(address(parsed.source), FLAG)
    target = _shown(settings.backend_store_uri, flag)
    report = Report(source, target, dry_run=parsed.dry_run)
    options = from_databases.Options(parsed.dry_run, parsed.truncate, parsed.drop_orphans)
    with Progress() as progress:
        try:
            from_databases.take(parsed.source, settings, options, report, progress, flag=flag)
        except from_databases.Refused as error:
            report.refused = True
            report.notes.append(str(error))
    return finish(parsed, report)


def finish(parsed: argparse.Namespace, report: Report) -> int:
    """Print and write the report; returns the exit status."""
    print(report.text())
    if parsed.report:
        try:
            report.write(parsed.report)
        except OSError as error:
            raise SettingsError(f"--report {parsed.report}: {error.strerror}.") from None
    return report.exit_status(strict=parsed.strict)


def _settings(parsed: argparse.Namespace) -> Settings:
    flags = {"backend_store_uri": parsed.to, "db_auth": parsed.db_auth}
    try:
        return load(Settings, {**os.environ, "TANDEM_INSECURE_NO_AUTH": ""}, flags)
    except SettingsError as error:
        # Settings are called as `serve` calls them.
        said = str(error).replace("--backend-store-uri", _target_flag(parsed))
        raise SettingsError(said) from None


def _shown(uri: str, flag: str) -> str:
    """A database's address for people; raises SettingsError, naming the flag that gave it."""
    url = parse_url(uri, flag).difference_update_query(("password", "sslpassword"))
    return without_credentials(url.set(drivername=url.get_backend_name()).render_as_string())


def _target_flag(parsed: argparse.Namespace) -> str:
    return "--to" if parsed.to else "--backend-store-uri"


@contextlib.contextmanager
def _opened(
    settings: Settings, parsed: argparse.Namespace, *, create: bool
) -> Iterator[tuple[Database | None, str]]:
    """The target, with its tables, and its address for people.

    Without `create` the target stays as it is; it is None then if it has no tables.
    """
    flag = _target_flag(parsed)
    database = Database(settings, flag=flag, quiet=True)
    try:
        with as_settings_error(database.url, flag):
            address = database.url.set(drivername=database.dialect)
            shown = without_credentials(address.render_as_string())
            if create:
                _prepare(database)
                yield database, shown
            else:
                yield (database if _has_tables(database) else None), shown
    finally:
        database.close()


def _prepare(database: Database) -> None:
    database.check_access()
    if database.dialect == "sqlite":
        database.use_wal()
    with database.write() as conn:
        revisions.create_or_check(conn)
        revisions.add_own(conn)


def _has_tables(database: Database) -> bool:
    if database.dialect == "sqlite" and not os.path.exists(sqlite_file.path_of(database.url)):
        return False
    with database.read() as conn:
        revision = revisions.current(conn)
        if revision is None and revisions.is_empty(conn):
            return False
        revisions.check(revision, conn)
    return True


def _folder(given: str, what: str) -> str:
    """The path of a folder that is there; raises SettingsError."""
    parts = urlsplit(given)
    path = given
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise SettingsError(f"{what} {given} names a host: write file:///path.")
        path = unquote(parts.path)
    elif "://" in given:
        shown = without_credentials(given)
        raise SettingsError(
            f"{what} {shown} is neither a folder nor a database: write ./mlruns, sqlite:///path or "
            "postgresql://user:password@host/name."
        )
    if os.path.exists(path) and not os.path.isdir(path):
        database = " and no database of SQLite's" if what == FLAG else ""
        raise SettingsError(f"{what}: {path} is no folder{database}.")
    if not os.path.isdir(path):
        kind = "folder or database" if what == FLAG else "folder"
        raise SettingsError(f"{what}: there is no {kind} {path or 'with an empty name'}.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise SettingsError(f"{what}: the folder {path} may not be read by this user.")
    return path


def _refuse(parsed: argparse.Namespace, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if getattr(parsed, name):
            flag = f"--{name.replace('_', '-')}"
            source = without_credentials(parsed.source)
            raise SettingsError(f"{flag} is for {what} as SOURCE, which {source} is not.")


def _check_writable(path: str) -> None:
    try:
        with open(path, "a"):
            pass
    except OSError as error:
        raise SettingsError(f"--report {path}: {error.strerror}.") from None
