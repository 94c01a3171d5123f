"""The command `tandem-metadata export`."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tandem_metadata.cli import db
from tandem_metadata.database import Connection, revisions, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.export import parquet, places, sqlite
from tandem_metadata.transfer.export.selection import Selection, run_ids, select_all
from tandem_shared.errors import InvalidParameter, NotFound
from tandem_shared.serving.signals import SIGNALS
from tandem_shared.settings import SettingsError

_VIEWS: Final = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}
_FILES: Final = tuple(f"{name}.parquet" for name in parquet.TABLES)
_URI: Final = "sqlite:///"


def run(settings: Settings, parsed: argparse.Namespace) -> int:
    """Make a copy of what the flags choose, and print the numbers of its rows; returns 0.

    Raises SettingsError for a place that exists, an experiment that does not, a filter that is
    none, and a database that does not answer or that Tandem does not use.
    """
    to_parquet = parsed.format == "parquet"
    if to_parquet and not parquet.is_installed():
        raise SettingsError(parquet.MISSING)
    place = Path(parsed.to.removeprefix(_URI))
    with _ended_by_signals(), db.opened(settings, must_exist=True) as database:
        _check_other(database, place)
        with database.snapshot() as conn:
            revisions.check(revisions.current(conn), conn)
            try:
                chosen = select_all(
                    conn,
                    parsed.experiment,
                    filter=parsed.filter,
                    run_view_type=_VIEWS[parsed.runs],
                )
            except (NotFound, InvalidParameter) as error:
                raise SettingsError(error.message) from None
            write = _write_parquet if to_parquet else _write_sqlite
            write(conn, place, chosen, overwrite=parsed.overwrite)
    return 0


def _write_parquet(conn: Connection, place: Path, chosen: Selection, *, overwrite: bool) -> None:
    rows = {}
    progress = _Progress()
    with places.new_folder(place, _FILES, overwrite=overwrite) as folder:
        ids = run_ids(conn, chosen)
        for name, table in parquet.TABLES.items():
            with open(folder / f"{name}.parquet", "wb") as file:
                rows[name] = parquet.write(conn, table, ids, file, partial(progress.tell, name))
    progress.end()
    _print(rows)
    print(f"Exported to {place}/ ({', '.join(_FILES)}).")


def _write_sqlite(conn: Connection, place: Path, chosen: Selection, *, overwrite: bool) -> None:
    progress = _Progress()
    with places.new_file(place, overwrite=overwrite) as file:
        exported = sqlite.write(conn, file, chosen, progress.tell)
    progress.end()
    _print(exported.rows)
    if exported.orphans:
        left = ", ".join(f"{count:,} of {table}" for table, count in exported.orphans.items())
        print(f"Left out, since what they belong to is not there: rows, {left}.")
    if exported.unknown:
        print(
            f"Left out, since MLflow's revision {sqlite.REVISION} does not have them: columns, "
            f"{', '.join(exported.unknown)}."
        )
    print(f"Exported to {place}; `mlflow server --backend-store-uri {_URI}{place}` opens it.")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end the command by an exception, so that nothing is left beside the place."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_other(database: Database, place: Path) -> None:
    path = sqlite_file.path_of(database.url)
    if database.dialect == "sqlite" and os.path.exists(place) and os.path.samefile(path, place):
        raise SettingsError(f"--to: {place} is the database that is exported.")


def _print(rows: Mapping[str, int]) -> None:
    width = max(map(len, rows), default=0)
    for table, count in rows.items():
        print(f"{table:{width}}  {count:>12,}")


class _Progress:
    """A line on a terminal with what is being written; nothing elsewhere."""

    _SECONDS: Final = 0.2

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def tell(self, table: str, rows: int) -> None:
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._SECONDS
            print(f"\r\x1b[K{table} {rows:,}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
