"""Databases for the servers: empty ones, as strict about losing nothing as they come."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from tests import postgresql

STRICT = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
}
"""PostgreSQL's defaults, which the server for tests is started without."""


class Database(Protocol):
    """An empty database for one server."""

    kind: str

    def uri(self, scheme: str) -> str:
        """Its address; the scheme names the driver, and is left out for SQLite."""

    def count(self, table: str) -> int:
        """The rows of a table that the server made."""

    def settle(self) -> None:
        """Leave no upkeep to do that would fall into a measurement."""


class PostgreSQLDatabase:
    kind = "postgresql"

    def __init__(self, address: str) -> None:
        self._address = address

    def uri(self, scheme: str) -> str:
        return self._address.replace("postgresql://", f"{scheme}://")

    def count(self, table: str) -> int:
        return _first(self._address, f"SELECT count(*) FROM {table}")

    def settle(self) -> None:
        with psycopg.connect(self._address, autocommit=True) as conn:
            conn.execute("VACUUM (ANALYZE)")
            conn.execute("CHECKPOINT")


class SQLiteDatabase:
    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    def uri(self, scheme: str) -> str:
        return f"sqlite:///{self.path}"

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.path, timeout=30)) as conn:
            number: int = conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return number

    def settle(self) -> None:
        with closing(sqlite3.connect(self.path, timeout=30)) as conn:
            conn.execute("ANALYZE")
            conn.commit()


class Maker:
    """Makes databases of both kinds, and PostgreSQL's server when it is first asked for one."""

    def __init__(self, directory: Path, server: postgresql.PostgreSQL | None) -> None:
        self._directory = directory
        self._server = server
        self._numbers = itertools.count(1)

    @contextmanager
    def make(self, kind: str) -> Iterator[Database]:
        """An empty database, gone at the end."""
        if kind == "sqlite":
            folder = self._directory / f"sqlite-{next(self._numbers)}"
            folder.mkdir()
            yield SQLiteDatabase(folder / "database.db")
            for file in folder.iterdir():
                file.unlink()
        else:
            assert self._server is not None
            name = self._server.create()
            try:
                yield PostgreSQLDatabase(self._server.uri(name))
            finally:
                self._server.drop(name)

    def version(self) -> str:
        """Of PostgreSQL's server."""
        return "" if self._server is None else _shown(self._server.uri(), "server_version")


@contextmanager
def maker(directory: Path, kinds: list[str]) -> Iterator[Maker]:
    """A maker of databases of these kinds."""
    if "postgresql" not in kinds:
        yield Maker(directory, None)
        return
    with postgresql.serve() as server:
        for name, value in STRICT.items():
            server.execute(f"ALTER SYSTEM SET {name} = {value}")
        server.execute("SELECT pg_reload_conf()")
        _check(server.uri())
        yield Maker(directory, server)


def _check(address: str) -> None:
    """Connections that begin now must have the settings; the server reads them when it is told."""
    for name, value in STRICT.items():
        for _ in range(50):
            if _shown(address, name) == value:
                break
        else:
            raise RuntimeError(f"PostgreSQL did not take over {name} = {value}")


def _shown(address: str, setting: str) -> str:
    with psycopg.connect(address) as conn:
        row = conn.execute(f"SHOW {setting}").fetchone()
        assert row is not None
        return str(row[0])


def _first(address: str, statement: str) -> int:
    with psycopg.connect(address) as conn:
        row = conn.execute(statement).fetchone()
        assert row is not None
        return int(row[0])
