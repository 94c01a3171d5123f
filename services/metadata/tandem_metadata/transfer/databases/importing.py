"""Takes the rows of one database into another, all tables, in one transaction where that can be."""

import contextlib
import os.path
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from sqlalchemy import Connection, exc

from tandem_metadata.database import faults, indexes, optimize, revisions, sqlite_file
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.pool import Dialect
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.databases import (
    filling,
    findings,
    merging,
    orphans,
    renumbering,
    staging,
    target,
)
from tandem_metadata.transfer.databases import plan as planning
from tandem_metadata.transfer.databases.catalog import Shape, parents_first
from tandem_metadata.transfer.databases.plan import Plan, Progress
from tandem_metadata.transfer.databases.source import FLAG, Source, opened
from tandem_metadata.transfer.report import Report
from tandem_shared.errors import InvalidParameter
from tandem_shared.settings import SettingsError

_LONG: Final = findings.TOO_LONG.partition("{")[0]


class Refused(Exception):
    """The source holds what the target does not take; nothing was written. The report lists it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose."""

    dry_run: bool = False
    truncate: bool = False
    """Cut texts that are too long for the target."""
    drop_orphans: bool = False
    """Leave rows out whose parents are missing."""


class _RollBack(Exception):
    """Ends a transaction without a trace."""


def take(
    source: str,
    settings: Settings,
    options: Options,
    report: Report,
    progress: Progress,
    *,
    flag: str = target.TO,
) -> None:
    """Take the rows of a source into the database of `backend_store_uri`, which messages call by
    `flag`.

    An empty target gets all of them; one that holds rows gets those that it lacks. Raises
    SettingsError for databases that cannot be used, and Refused for rows that the target would not
    take. If what was written is not what was read, `report.mismatches` says so, and the target is
    as it was, unless others use SQLite's file: then it is written in parts, and to be imported into
    again.
    """
    with opened(source) as from_:
        Import(from_, settings, options, report, progress, flag).run()
        if from_.has_changed():
            report.notes.append(
                "The source was written to meanwhile: import again to take over what was added."
            )


class Import:
    """One import."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        options: Options,
        report: Report,
        progress: Progress,
        flag: str,
    ) -> None:
        self._source = source
        self._options = options
        self._report = report
        self._progress = progress
        self._flag = flag
        self._stay: str | None = ""
        """Why accounts stay behind; None if they go along."""
        # One connection, which keeps its temporary tables; on PostgreSQL one more for the lock.
        self._settings = replace(settings, pool_size=1, pool_recycle=-1)

    def run(self) -> None:
        """Do it."""
        url = parse_url(self._settings.backend_store_uri, self._flag)
        if url.drivername != "sqlite":
            self._open(self._settings, used=False)
            return
        path = str(sqlite_file.path_of(url))
        if self._source.dialect == "sqlite":
            read = str(sqlite_file.path_of(self._source.url))
            if os.path.exists(path) and os.path.samefile(path, read):
                raise SettingsError(f"{FLAG} and {self._flag} are the same database.")
        if self._options.dry_run and not os.path.exists(path):
            with tempfile.TemporaryDirectory() as folder:
                there = f"sqlite:///{folder}/mlflow.db"
                self._open(replace(self._settings, backend_store_uri=there), used=False)
            return
        self._open(self._settings, used=sqlite_file.is_used(path))

    def _open(self, settings: Settings, *, used: bool) -> None:
        """Take the rows into the database of these settings, which others may use."""
        url = parse_url(settings.backend_store_uri, self._flag)
        extra = 0 if url.drivername == "sqlite" else 1
        database = Database(settings, flag=self._flag, extra_connections=extra, quiet=True)
        try:
            with faults.as_settings_error(url, self._flag), self._telling(database):
                self._take(database, used)
        finally:
            database.close()

    @contextlib.contextmanager
    def _telling(self, database: Database) -> Iterator[None]:
        """Raise SettingsError for a row that the target refused."""
        try:
            yield
        except (exc.DBAPIError, sqlite3.Error, psycopg.Error, InvalidParameter) as error:
            cause = error.__cause__ if isinstance(error, InvalidParameter) else error
            if not isinstance(cause, exc.DBAPIError | sqlite3.Error | psycopg.Error):
                raise
            why = faults.reason(cause, database.url)
            raise SettingsError(
                f"{self._flag}: {why}. The import is incomplete; if others changed the database "
                "meanwhile, run it again."
            ) from error

    def _take(self, database: Database, used: bool) -> None:
        if self._options.dry_run:
            self._try(database, used)
        elif database.dialect == "sqlite":
            self._into_sqlite(database, used)
        else:
            self._into_postgresql(database)
        if not (self._options.dry_run or self._report.mismatches):
            self._make_fast(database)

    def _into_postgresql(self, database: Database) -> None:
        with database.write() as conn:
            self._prepare(conn)
        with database.write() as guard:
            revisions.lock(guard)
            pid = guard.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with _rolled_back_if_wrong(database, self._report) as conn:
                # What services write meanwhile is not seen, and not compared.
                conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self._write(conn, alone=not target.has_others(conn, pid))

    def _into_sqlite(self, database: Database, used: bool) -> None:
        database.check_access()
        database.use_wal()
        with database.write() as conn:
            self._prepare(conn)
        if not used:
            with _rolled_back_if_wrong(database, self._report) as conn:
                self._write(conn, alone=True)
            return
        with database.read() as conn:
            conn.exec_driver_sql("BEGIN")
            plan = self._plan(conn, merged=True)
            compared = merging.compare(conn, plan, self._report)
            conn.exec_driver_sql("COMMIT")
        if not self._report.mismatches:
            merging.write(database.write, compared, self._report, batches=True)

    def _try(self, database: Database, used: bool) -> None:
        """Find out what would be done, and leave the target as it is."""
        with contextlib.suppress(_RollBack), contextlib.ExitStack() as stack:
            if used:
                conn = stack.enter_context(database.read())
                conn.exec_driver_sql("BEGIN")
                stack.callback(conn.exec_driver_sql, "ROLLBACK")
                self._stay = target.why_accounts_stay(conn, self._source)
            else:
                conn = stack.enter_context(database.write())
                self._prepare(conn)
            into = target.shapes(conn)
            merged = used or not target.is_empty(conn, into)
            plan = self._plan(conn, merged=merged)
            if merged:
                merging.compare(conn, plan, self._report)
            else:
                for name, number in plan.counts.items():
                    self._report.found(name, number)
                    self._report.imported(name, number)
            raise _RollBack

    def _prepare(self, conn: Connection) -> None:
        """Make the tables that the target lacks."""
        target.prepare(conn, self._source)
        self._stay = target.why_accounts_stay(conn, self._source)
        if self._stay is None:
            target.add_accounts(conn)

    def _write(self, conn: Connection, *, alone: bool) -> None:
        into = target.shapes(conn)
        if target.is_empty(conn, into):
            filling.fill(conn, self._plan(conn, merged=False), self._report, alone=alone)
            return
        plan = self._plan(conn, merged=True)
        compared = merging.compare(conn, plan, self._report)
        if not self._report.mismatches:
            merging.write(lambda: contextlib.nullcontext(conn), compared, self._report)
        if conn.dialect.name == "sqlite":
            staging.drop(conn, plan.shapes)

    def _plan(self, conn: Connection, *, merged: bool) -> Plan:
        """What is to be taken; raises Refused, with all reasons in the report."""
        source, options, report = self._source, self._options, self._report
        if self._stay:
            report.notes.append(self._stay)
        into = target.shapes(conn)
        for name in target.unknown(source, into):
            report.notes.append(f"Table {name} of the source is not MLflow's; it stays behind.")
        shapes = target.tables(source, into, accounts=self._stay is None, merged=merged)
        to: Dialect = "sqlite" if conn.dialect.name == "sqlite" else "postgresql"
        renumbers = renumbering.is_needed(conn, into)
        kept = orphans.find(source, shapes)
        found = findings.find(
            source,
            shapes,
            into,
            kept.conditions,
            to=to,
            truncate=options.truncate,
            renumbered=renumbers,
        )
        self._list(kept, found)
        return Plan(
            source=source,
            to=to,
            shapes=parents_first(
                {name: _with_columns_of(into[name], shape) for name, shape in shapes.items()}
            ),
            conditions=kept.conditions,
            findings=found,
            new_ids=renumbering.new_ids(source, conn, report) if renumbers else {},
            counts=planning.count(source, shapes, kept.conditions),
            progress=self._progress,
        )

    def _list(self, kept: orphans.Kept, found: list[findings.Finding]) -> None:
        """List what is left out and mended; raise Refused if there is more than may be."""
        report, options = self._report, self._options
        for table, parents, number in kept.orphans:
            if options.drop_orphans:
                report.found(table, number)
            report.skip(table, f"{number:,} rows of {table}", f"without {parents}", number)
        for each in found:
            list_ = report.mend if each.mended else report.skip
            list_(each.table, f"{each.table}.{each.column}", str(each))
        advice = []
        if kept.orphans and not options.drop_orphans:
            advice.append("--drop-orphans leaves out rows whose parents are missing")
        if any(not each.mended for each in found):
            advice.append(
                "--truncate cuts texts that are too long"
                if all(each.mended or each.problem.startswith(_LONG) for each in found)
                else "change the values in the source, or delete their rows; "
                "--truncate cuts texts that are too long"
            )
        if advice:
            raise Refused(f"Nothing was imported: {'; '.join(advice)}.")

    def _make_fast(self, database: Database) -> None:
        """Add the indexes that `db optimize` had made in the source, and gather statistics."""
        with database.read() as conn:
            lacking = [
                index
                for index in indexes.of(conn)
                if indexes.is_there(self._source.conn, index) and not indexes.is_there(conn, index)
            ]
        try:
            if lacking:
                optimize.add(database, lambda _: None)
            elif database.dialect == "postgresql":
                with database.read() as conn:
                    conn.exec_driver_sql("ANALYZE")
        except SettingsError as error:
            self._report.notes.append(
                f"Searches may be slow until `tandem-metadata db optimize` has run: {error}"
            )


@contextlib.contextmanager
def _rolled_back_if_wrong(database: Database, report: Report) -> Iterator[Connection]:
    with contextlib.suppress(_RollBack), database.write() as conn:
        yield conn
        if report.mismatches:
            report.notes.append("Nothing was imported: what was written is not what was read.")
            raise _RollBack


def _with_columns_of(into: Shape, shape: Shape) -> Shape:
    """The target's table with the source's columns only, in the source's order."""
    return replace(into, columns=tuple(into.column(name) for name in shape.names))
