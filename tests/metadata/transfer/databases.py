"""Databases that are taken into others, and what they hold, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from tandem_metadata.access import opening
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.databases import importing, source
from tandem_metadata.transfer.report import Report
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.transfer import everything

Rows = dict[str, list[str]]


class Progress:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0

    def start(self, total: int, what: str) -> None:
        self.total = total
        assert what == "rows"

    def advance(self, number: int = 1) -> None:
        self.done += number


def take(
    uri: str,
    to: str,
    *,
    progress: importing.Progress | None = None,
    report: Report | None = None,
    **options: bool,
) -> Report:
    """Take the rows of one database into another; a report that is given tells of a refusal too."""
    chosen = importing.Options(**options)
    report = report or Report("the source", "the target", dry_run=chosen.dry_run)
    settings = Settings(backend_store_uri=to, pool_timeout=30.0)
    importing.take(uri, settings, chosen, report, progress or Progress())
    return report


def dump(uri: str) -> Rows:
    """All rows of all tables, each as a text, sorted, the same on both databases."""
    with source.opened(uri) as found:
        return {
            name: sorted(repr(row) for row in found.rows(shape, "", "sqlite"))
            for name, shape in found.shapes.items()
        }


@contextmanager
def writing(uri: str) -> Iterator[Connection]:
    """A transaction of a database that has tables."""
    database = Database(Settings(backend_store_uri=uri, pool_timeout=30.0))
    with database.write() as conn:
        yield conn
    database.close()


def execute(uri: str, *statements: str) -> list[Any]:
    """Run statements in one transaction; returns the rows of the last."""
    rows: list[Any] = []
    with writing(uri) as conn:
        for statement in statements:
            result = conn.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    return rows


def one_value(uri: str, statement: str) -> object:
    """The one value that a statement returns."""
    ((found,),) = execute(uri, statement)
    return found


_RUN = "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage{}) VALUES ('{}', {}{})"


def insert_run(run_id: str, experiment: int = 0, **more: str) -> str:
    """The statement that adds a run; `more` are further columns, as SQL writes their values."""
    names = "".join(f", {name}" for name in more)
    values = ", 'FINISHED', 'active'" + "".join(f", {value}" for value in more.values())
    return _RUN.format(names, run_id, experiment, values)


def prepare(uri: str, *, accounts: bool = False) -> str:
    """Make all tables, and experiment 0; returns the address."""
    database = Database(Settings(backend_store_uri=uri))
    database.prepare(ARTIFACT_ROOT)
    if accounts:
        opening.make_tables(database)
    database.close()
    return uri


def filled(uri: str, **options: Any) -> str:
    """Fill every table; returns the address."""
    with writing(uri) as conn:
        everything.fill(conn, **options)
    return uri
