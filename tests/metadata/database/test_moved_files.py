"""SQLite files that are moved or removed while the service uses them."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError
from tests.metadata.conftest import only_sqlite

_INSERT = "INSERT INTO experiments (name, lifecycle_stage) VALUES ('{}', 'active')"


def _path(database: Database) -> Path:
    return Path(str(database.url.database))


def _write(database: Database, name: str) -> None:
    with database.write() as conn:
        conn.exec_driver_sql(_INSERT.format(name))


def _check(database: Database) -> str:
    try:
        database.check()
    except Unavailable as error:
        return error.message
    return ""


def _replace(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    os.replace(copy, path)


def _move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def _log(path: Path) -> Path:
    return Path(f"{path}-wal")


def _index(path: Path) -> Path:
    return Path(f"{path}-shm")


@only_sqlite
@pytest.mark.parametrize(
    "gone",
    [
        Path.unlink,
        _move,
        _replace,
        lambda path: _log(path).unlink(),
        lambda path: _replace(_log(path)),
        lambda path: _index(path).unlink(),
    ],
    ids=["removed", "moved", "replaced", "log-removed", "log-replaced", "index-removed"],
)
def test_sqlite_file_that_is_gone_takes_no_writes_and_is_not_ready(
    gone: Callable[[Path], None],
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database.prepare("unused")
    path = _path(database)
    _write(database, "before")
    with database.read() as kept:
        with database.read():  # a second connection, which then writes
            pass
        gone(path)
        with pytest.raises(Unavailable, match="moved or removed while in use"):
            _write(database, "lost")
        assert f"{path}" in caplog.text
        assert "restart the service" in caplog.text or "start it again" in caplog.text
        with pytest.raises(Unavailable, match="moved or removed while in use"):
            database.check()
        names = kept.exec_driver_sql("SELECT name FROM experiments").scalars().all()
    assert "before" in names
    assert "lost" not in names


@only_sqlite
def test_sqlite_file_that_came_back_takes_writes_again(database: Database) -> None:
    database.prepare("unused")
    path = _path(database)
    away = path.with_name("away.db")
    _write(database, "before")
    path.rename(away)
    with pytest.raises(Unavailable):
        database.check()
    assert not path.exists()
    away.rename(path)
    database.check()
    _write(database, "after")
    database.close()
    with contextlib.closing(sqlite3.connect(path)) as conn:
        rows = conn.execute("SELECT name FROM experiments").fetchall()
    assert {"before", "after"} <= {name for (name,) in rows}


@only_sqlite
def test_sqlite_log_that_was_removed_is_made_again_by_a_restart_and_nothing_is_lost(
    database: Database, settings: Settings
) -> None:
    database.prepare("unused")
    path = _path(database)
    _write(database, "before")
    _log(path).unlink()
    with pytest.raises(Unavailable):
        _write(database, "refused")
    database.close()
    again = Database(settings)
    again.prepare("unused")
    _write(again, "after")
    with again.read() as conn:
        names = conn.exec_driver_sql("SELECT name FROM experiments").scalars().all()
    again.close()
    assert {"before", "after"} <= set(names)
    assert "refused" not in names


@only_sqlite
def test_sqlite_connection_made_after_the_log_was_removed_stores_nothing(
    database: Database,
) -> None:
    database.prepare("unused")
    path = _path(database)
    _write(database, "before")
    with database.read() as kept:
        _log(path).unlink()
        for _ in range(2):
            with pytest.raises(Unavailable):
                _write(database, "lost")
        names = kept.exec_driver_sql("SELECT name FROM experiments").scalars().all()
    assert "before" in names
    assert "lost" not in names
    outcomes = [_check(database) for _ in range(2)]  # one with each connection
    assert "moved or removed" in "".join(outcomes)


_USE = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1])
conn.execute("SELECT 1 FROM experiments").fetchall()
print("used", flush=True)
sys.stdin.read()
"""


@only_sqlite
@pytest.mark.parametrize(
    "removed", [[_log], [_index], [_log, _index]], ids=["log", "index", "both"]
)
def test_sqlite_database_that_another_process_uses_without_its_log_is_not_opened(
    removed: list[Callable[[Path], Path]], database: Database, settings: Settings
) -> None:
    """Each would overwrite what the other stored."""
    database.prepare("unused")
    path = _path(database)
    database.close()
    command = [sys.executable, "-c", _USE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"used\n"
        for each in removed:
            each(path).unlink()
        late = Database(settings)
        with pytest.raises(Unavailable) as refused:
            late.prepare("unused")
        assert "stop all that use it" in str(refused.value.reason)
        for each in removed:
            assert not each(path).exists()
        other.communicate()
    late.prepare("unused")
    _write(late, "after")
    late.close()


def test_sqlite_log_without_its_database_is_no_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    log = _log(path)
    log.write_bytes(b"runs")
    database = Database(Settings(backend_store_uri=f"sqlite:///{path}"))
    with pytest.raises((Unavailable, SettingsError)) as refused:
        database.prepare("unused")
    assert f"{path} is missing, but its log" in str(getattr(refused.value, "reason", refused.value))
    assert not path.exists()
    assert log.read_bytes() == b"runs"
    log.unlink()
    database.prepare("unused")
    database.close()
