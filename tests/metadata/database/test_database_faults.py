"""What is said of a database that cannot be used: why at the start, which kind to clients."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tandem_metadata.cli import db as database_command
from tandem_metadata.database import database as db
from tandem_metadata.database import revisions
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import FULL, READ_ONLY
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import SettingsError
from tests.metadata.conftest import ARTIFACT_ROOT, only_postgresql
from tests.postgresql import PostgreSQL

Command = Callable[[Settings], object]

COMMANDS: list[Command] = [
    lambda settings: database_command.prepare(settings, ARTIFACT_ROOT),
    database_command.upgrade,
    database_command.current,
    database_command.optimize,
]


def _refusal(command: Command, uri: str) -> str:
    with pytest.raises(SettingsError) as refused:
        command(Settings(backend_store_uri=uri))
    sentence = str(refused.value)
    assert sentence.startswith("--backend-store-uri: ")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_none_of_sqlites_is_refused_by_its_name(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    path.write_text("no database at all\n" * 100)
    sentence = _refusal(command, f"sqlite:///{path}")
    assert str(path) in sentence
    assert "file is not a database" in sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_is_no_sqlite_file(command: Command, tmp_path: Path) -> None:
    assert f"{tmp_path} is a directory" in _refusal(command, f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("command", COMMANDS[2:])
def test_a_mistyped_path_is_not_made_a_database(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "mlfolw.db"
    assert "there is no SQLite database" in _refusal(command, f"sqlite:///{path}")
    assert not path.exists()


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///x.db?timeout=soon",
        "postgresql://u:secret@a..b/name",
        "postgresql://u:secret\udcff@127.0.0.1/name",
        "postgresql://u:secret@/name?host=a,b&port=1,2,3",
        "postgresql://u:secret@/name?port=soon",
    ],
)
def test_a_part_of_an_address_that_cannot_work_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="--backend-store-uri") as refused:
        parse_url(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:se@cret@127.0.0.1:1/name",
        "postgresql://user:s@e/cret@127.0.0.1:1/name",
        "postgresql://user:s@e?cret@127.0.0.1:1/name",
        "postgresql://user:s@e?cret=x@127.0.0.1:1/name",
        "postgresql://us/er:cret@127.0.0.1:1/name",
    ],
)
def test_an_at_sign_of_a_password_must_be_escaped(address: str) -> None:
    with pytest.raises(SettingsError, match="%40") as refused:
        parse_url(address)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@server:pass@127.0.0.1/name",
        "postgresql://me:p%40ss@127.0.0.1/na%40me",
        "postgresql://me@127.0.0.1/name?application_name=a@b",
        "postgresql:///name?host=@socket",
    ],
)
def test_at_signs_that_are_no_doubt_are_taken(address: str) -> None:
    assert parse_url(address).drivername == "postgresql+psycopg"


def test_a_missing_database_is_named(postgresql: PostgreSQL) -> None:
    name = f"missing_{uuid.uuid4().hex}"
    for command in COMMANDS:
        assert f'database "{name}" does not exist' in _refusal(command, postgresql.uri(name))


@contextmanager
def _role(postgresql: PostgreSQL, name: str) -> Iterator[str]:
    """The address of a database for a new role, which may use it and make nothing in it.

    The server asks this role alone for its password, `right`.
    """
    role = f"role_{uuid.uuid4().hex}"
    postgresql.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    with psycopg.connect(postgresql.uri()) as conn:
        (path,) = conn.execute("SHOW hba_file").fetchone() or ()
    before = Path(path).read_text()
    Path(path).write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    postgresql.execute("SELECT pg_reload_conf()")
    try:
        yield postgresql.uri(name).replace("postgres@", f"{role}:right@")
    finally:
        Path(path).write_text(before)
        postgresql.execute("SELECT pg_reload_conf()")
        postgresql.execute(f"DROP ROLE {role}")


def test_a_wrong_password_is_said_and_not_shown(postgresql: PostgreSQL) -> None:
    name = postgresql.create()
    with _role(postgresql, name) as uri:
        assert database_command.current(Settings(backend_store_uri=uri)) == 1
        for command in COMMANDS:
            sentence = _refusal(command, uri.replace(":right@", ":wr%40ng@"))
            assert "password authentication failed" in sentence
            assert "percent-encoded" in sentence
            assert "ng@" not in sentence
    postgresql.drop(name)


def test_a_role_that_may_create_nothing_is_refused_by_a_sentence(postgresql: PostgreSQL) -> None:
    name = postgresql.create()
    with _role(postgresql, name) as uri:
        for command in COMMANDS[:2]:
            sentence = _refusal(command, uri)
            assert "permission denied for schema public" in sentence
            assert revisions.UPGRADE in sentence
    postgresql.drop(name)


def _write(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE experiments SET last_update_time = 1")


@only_postgresql
def test_a_full_disk_of_postgresql_is_said_and_unready_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as conn:  # the server itself refuses, as it does on a full disk
        conn.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        )
        conn.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE UPDATE ON experiments EXECUTE FUNCTION fail()"
        )
    database.check()
    monkeypatch.setattr(db, "_FULL_SECONDS", 3600.0)
    with pytest.raises(Unavailable) as refused:
        _write(database)
    assert refused.value.message == FULL
    assert "could not extend file" in refused.value.reason
    with pytest.raises(Unavailable, match="full"):
        database.check()
    monkeypatch.setattr(db, "_FULL_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="full"):
        _write(database)
    database.check()


@only_postgresql
def test_a_postgresql_that_takes_no_writes_is_not_ready(
    database: Database, postgresql: PostgreSQL
) -> None:
    name = database.url.database
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.close()  # what is set holds for new connections
    with pytest.raises(Unavailable) as refused:
        _write(database)
    assert refused.value.message == READ_ONLY
    with pytest.raises(Unavailable) as refused:
        database.check()
    assert refused.value.message == READ_ONLY
    with pytest.raises(Unavailable, match="read-only"):
        _write(database)
    postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    with pytest.raises(Unavailable, match="read-only"):
        database.check()
    database.check()  # by new connections
    _write(database)
