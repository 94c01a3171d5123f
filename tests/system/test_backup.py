"""deploy/backup/tandem-backup over SQLite and a directory: what it keeps, and when it refuses.

PostgreSQL and S3 are backed up and restored in tests/cluster/test_compose.py.
"""

import fcntl
import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import debian
from tests.harness.processes import environment, eventually, start
from tests.postgresql import PostgreSQL, binaries
from tests.system.services import database_command

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "backup" / "tandem-backup"
_DAY = 24 * 60 * 60


class Backup:
    """The command with a database of Tandem, a folder of artifacts and a folder of its own."""

    def __init__(self, home: Path, template: Path) -> None:
        for name in ("rclone", "sqlite3"):
            debian.find(name, package=name)
        self.home = home
        self.database = home / "mlflow.db"
        self.database.write_bytes(template.read_bytes())
        self.files = home / "files"
        self.files.mkdir()
        self.directory = home / "backups"
        self.directory.mkdir()
        self.variables = environment(
            MLFLOW_BACKEND_STORE_URI=f"sqlite:///{self.database}",
            MLFLOW_ARTIFACTS_DESTINATION=str(self.files),
            BACKUP_DIRECTORY=str(self.directory),
        )

    def __call__(
        self, *arguments: str, status: int = 0, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [SCRIPT, *arguments],
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return done

    def refuses(self, *arguments: str, **variables: str) -> str:
        """What it says when it ends with 1."""
        return self(*arguments, status=1, **variables).stderr

    def restored(self, *dump: str) -> dict[str, str]:
        """Names and texts of the files that come back to a new folder."""
        target = self.home / f"restored-{len(list(self.home.iterdir()))}"
        target.mkdir()
        self("restore-artifacts", *dump, MLFLOW_ARTIFACTS_DESTINATION=str(target))
        return {path.name: path.read_text() for path in target.iterdir()}

    @property
    def dumps(self) -> list[Path]:
        return sorted((self.directory / "database").glob("tandem-*"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database of Tandem."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    assert database_command("upgrade", f"sqlite:///{path}").wait() == 0
    return path


@pytest.fixture
def backup(tmp_path: Path, template: Path) -> Backup:
    return Backup(tmp_path, template)


def next_second() -> None:
    """Names of backups are of whole seconds."""
    now = int(time.time())
    eventually(lambda: int(time.time()) > now)


def age(path: Path, days: float) -> None:
    before = time.time() - days * _DAY
    os.utime(path, (before, before))


def test_dumps_are_kept_for_some_days_and_the_newest_always(backup: Backup) -> None:
    folder = backup.directory / "database"
    folder.mkdir()
    for name, days in (("old", 8), ("recent", 6), ("note", 8)):
        path = folder / (f"tandem-{name}.sqlite" if name != "note" else "note.txt")
        path.touch()
        age(path, days)
    (folder / "tandem-broken-off.sqlite.partial").touch()
    backup("database", BACKUP_KEEP_DAYS="7")
    names = [path.name for path in backup.dumps]
    assert len(names) == 2
    assert names[1] == "tandem-recent.sqlite"
    assert (folder / "note.txt").exists()
    # However old it is by then: nothing goes before there is a new one.
    age(backup.dumps[0], 100)
    backup.database.unlink()
    assert "there is no database" in backup.refuses("database", BACKUP_KEEP_DAYS="7")
    assert len(backup.dumps) == 2


def test_dump_is_whole_while_other_processes_write(backup: Backup) -> None:
    """Each write begins the copy anew, unless one transaction holds it."""
    with closing(sqlite3.connect(backup.database, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("CREATE TABLE filler (n INTEGER, text TEXT)")
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000) "
        conn.execute(f"INSERT INTO filler {numbers} SELECT n, hex(randomblob(500)) FROM n")
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with closing(sqlite3.connect(backup.database, isolation_level=None, timeout=30)) as conn:
            while not done.is_set():
                conn.execute("UPDATE filler SET n = n + 1 WHERE rowid IN (1, 20000)")
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually(lambda: written > 0)
        before = written
        backup("database")
        during = written - before
    finally:
        done.set()
        writer.join()
    assert during > 10
    (dump,) = backup.dumps
    with closing(sqlite3.connect(dump)) as conn:
        # Both rows are of one moment.
        first, last = conn.execute("SELECT n FROM filler WHERE rowid IN (1, 20000)").fetchall()
        assert last[0] - first[0] == 19999


def test_dump_that_cannot_be_read_is_no_backup(backup: Backup) -> None:
    with closing(sqlite3.connect(backup.home / "other.db")) as conn:
        conn.execute("CREATE TABLE unrelated (a)")
    other = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{backup.home / 'other.db'}"}
    assert "holds no database of Tandem or MLflow" in backup.refuses("database", **other)
    assert backup.dumps == []
    backup("database")
    dump = backup.dumps[0]
    backup("check", dump.name)
    damaged = bytearray(dump.read_bytes())
    damaged[4096 : 4096 * 20] = bytes(4096 * 19)
    dump.write_bytes(damaged)
    assert backup("check", dump.name, status=1).stderr
    assert "there is no dump absent.sqlite" in backup.refuses("check", "absent.sqlite")


def test_database_that_is_there_is_not_overwritten(backup: Backup) -> None:
    backup("database")
    (dump,) = backup.dumps
    before = backup.database.read_bytes()
    assert "stop the service, and move it away" in backup.refuses("restore-database", dump.name)
    assert backup.database.read_bytes() == before
    backup.database.rename(backup.home / "before.db")
    backup("restore-database", dump.name)
    with closing(sqlite3.connect(backup.database)) as conn:
        assert conn.execute("SELECT count(*) FROM experiments").fetchone()


def test_files_that_went_or_changed_are_kept_for_some_days(backup: Backup) -> None:
    def write(**texts: str) -> None:
        for name, text in texts.items():
            (backup.files / name).write_text(text)

    (backup.files / ".tandem-uploads.trash").mkdir()
    (backup.files / ".tandem-uploads.trash" / "half").write_text("half an upload")
    write(stays="1", changes="1", goes="1")
    backup("now")
    (first,) = backup.dumps
    next_second()
    write(changes="2")
    backup("now")
    next_second()
    write(changes="3", comes="3")
    (backup.files / "goes").unlink()
    backup("now")
    assert backup.restored() == {"stays": "1", "changes": "3", "comes": "3"}
    as_it_was = {"stays": "1", "changes": "1", "goes": "1"}
    assert backup.restored(first.name) == {**as_it_was, "comes": "3"}
    removed = backup.directory / "artifacts" / "removed"
    assert len(list(removed.iterdir())) == 2
    min(removed.iterdir()).rename(removed / "20200101T000000Z")
    next_second()
    backup("artifacts")
    assert len(list(removed.iterdir())) == 1


@pytest.mark.parametrize("commands", [["now"], ["database", "artifacts"]])
def test_each_dump_brings_back_the_files_of_its_own_copy(
    backup: Backup, commands: list[str]
) -> None:
    """As `now` makes both, and as systemd's units do, whose copy begins after the dump."""

    def both() -> None:
        for command in commands:
            next_second()
            backup(command)

    file, gone = backup.files / "file", backup.files / "gone"
    gone.write_text("deleted before the second dump")
    texts = ["one", "TWO", "3"]
    for text in texts:
        file.write_text(text)
        both()
        gone.unlink(missing_ok=True)
    first, second, third = (dump.name for dump in backup.dumps)
    assert backup.restored(third) == {"file": "3"}
    assert backup.restored(second) == {"file": "TWO"}
    assert backup.restored(first)["file"] == "one"
    assert set(backup.restored(first)) == {"file", "gone"}


def test_dump_without_a_whole_copy_of_its_own(backup: Backup) -> None:
    file = backup.files / "file"
    for text in ("one", "TWO", "3"):
        file.write_text(text)
        next_second()
        backup("now")
    first, second, third = (dump.name for dump in backup.dumps)
    copies = sorted((backup.directory / "artifacts" / "copies").iterdir())
    # The second broke off: the next one found what the dump names.
    copies[1].unlink()
    assert backup.restored(first) == {"file": "one"}
    assert backup.restored(second) == {"file": "3"}
    # Both are from before copies were listed.
    copies[0].unlink()
    assert backup.restored(first) == {"file": "one"}
    assert backup.restored(second) == {"file": "TWO"}
    copies[2].rename(copies[0])
    target = {"MLFLOW_ARTIFACTS_DESTINATION": str(backup.home / "other")}
    said = backup("restore-artifacts", third, **target).stderr
    assert f"no copy of the files came to its end since {third}" in said


def test_backup_after_a_restore_has_the_restored_versions(backup: Backup) -> None:
    """Restored files have their old times, which are before those of the copy."""
    file = backup.files / "file"
    for text in ("v1", "v2"):
        file.write_text(text)
        next_second()
        backup("now")
    backup("restore-artifacts", backup.dumps[0].name)
    assert file.read_text() == "v1"
    next_second()
    backup("now")
    assert (backup.directory / "artifacts/current/file").read_text() == "v1"
    file.unlink()
    assert backup.restored(backup.dumps[1].name) == {"file": "v2"}
    assert backup.restored(backup.dumps[2].name) == {"file": "v1"}


def test_files_of_a_dump_that_does_not_exist_are_not_restored(backup: Backup) -> None:
    (backup.files / "model").write_text("weights")
    backup("now")
    (backup.files / "model").unlink()
    for name in ("tandem-20200101T000000Z.sqlite", "absent"):
        said = backup.refuses("restore-artifacts", name)
        assert f"there is no dump {name}; 'tandem-backup list' names them." in said
    assert list(backup.files.iterdir()) == []


def test_store_without_files_is_backed_up_and_restored(backup: Backup) -> None:
    backup("now")
    assert backup.restored() == {}
    assert backup.restored(backup.dumps[0].name) == {}


def test_restore_without_any_copy_fails(backup: Backup) -> None:
    assert "not found" in backup("restore-artifacts", status=3).stderr


@pytest.mark.parametrize("days", ["abc", "-1", "1.5"])
def test_days_to_keep_that_are_no_number_are_refused(backup: Backup, days: str) -> None:
    for command in ("now", "daily", "database", "artifacts"):
        said = backup.refuses(command, BACKUP_KEEP_DAYS=days)
        assert "BACKUP_KEEP_DAYS must be a number of days" in said
    assert backup.dumps == []


def test_empty_source_does_not_empty_the_copy(backup: Backup) -> None:
    (backup.files / "model").write_text("weights")
    backup("artifacts")
    (backup.files / "model").unlink()
    assert "is empty, and its copy is not" in backup.refuses("artifacts")
    assert (backup.directory / "artifacts/current/model").read_text() == "weights"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MLFLOW_BACKEND_STORE_URI": ""}, "must be the database's URI"),
        ({"MLFLOW_BACKEND_STORE_URI": "mysql://host/name"}, "must be the database's URI"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": ""}, "is no directory and no s3://"),
        ({"MLFLOW_ARTIFACTS_DESTINATION": "minio://h/b"}, "'minio://h/b' is no directory"),
        ({"BACKUP_TO": "ftp://elsewhere"}, "'ftp://elsewhere' is no directory"),
    ],
)
def test_settings_that_name_nothing_are_refused(
    backup: Backup, variables: dict[str, str], sentence: str
) -> None:
    assert sentence in backup.refuses("now", **variables)
    assert not (backup.directory / "last-success").exists()


def test_password_of_any_characters_opens_postgresql(
    backup: Backup, postgresql: PostgreSQL
) -> None:
    password = "p@ss/w:rd%?#\\n 'x'"
    postgresql.create_role("guarded", password)
    name = postgresql.create()
    try:
        postgresql.execute(f"ALTER DATABASE {name} OWNER TO guarded")
        host = postgresql.uri(name).partition("@")[2]
        uri = f"postgresql+psycopg://guarded:{quote(password, safe='')}@{host}?application_name=b"
        upgrade = database_command("upgrade", uri)
        assert upgrade.wait() == 0
        variables = {
            "MLFLOW_BACKEND_STORE_URI": uri,
            "PATH": f"{binaries()}:{backup.variables['PATH']}",
        }
        backup("database", **variables)
        wrong = {**variables, "MLFLOW_BACKEND_STORE_URI": f"postgresql://guarded:p@{host}"}
        said = backup.refuses("database", **wrong)
        assert "password authentication failed" in said
        assert [path.suffix for path in backup.dumps] == [".dump"]
    finally:
        postgresql.drop(name)
        postgresql.execute("DROP ROLE guarded")


def test_second_backup_at_the_same_time_is_refused(backup: Backup) -> None:
    backup("database")
    with (backup.directory / "database" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another backup of the database is under way" in backup.refuses("database")
    backup("database")


def test_daily_begins_at_once_and_then_waits_for_the_hour(backup: Backup) -> None:
    def daily(name: str) -> Any:
        return start([SCRIPT, "daily"], backup.home / f"{name}.log", env=backup.variables)

    first = daily("first")
    eventually(lambda: (backup.directory / "last-success").exists(), "the first backup is made")
    assert first.stop(signal.SIGTERM) == 0
    assert len(backup.dumps) == 1
    backup("is-recent")
    # It was restarted: there is one of today.
    second = daily("second")
    eventually(lambda: "the last backup is of" in second.output(), "it waits")
    assert second.stop(signal.SIGTERM) == 0
    assert len(backup.dumps) == 1
    success = backup.directory / "last-success"
    age(success, 1.1)
    backup("is-recent", status=1)
    third = daily("third")
    eventually(lambda: time.time() - success.stat().st_mtime < _DAY, "another one is made")
    assert third.stop(signal.SIGTERM) == 0


def test_daily_refuses_a_time_that_is_none(backup: Backup) -> None:
    assert "BACKUP_AT must be a time of the day" in backup.refuses("daily", BACKUP_AT="noonish")


def test_help_names_every_command(backup: Backup) -> None:
    said = backup(status=2).stderr
    for command in ("database", "artifacts", "now", "daily", "list", "check", "is-recent"):
        assert f"tandem-backup {command}" in said
    assert "BACKUP_S3_SECRET_ACCESS_KEY" in said
