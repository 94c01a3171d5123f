"""`db upgrade` and `db current`, and the preparation before a service starts."""

import subprocess
import sys
import threading
import time
import uuid

import pytest
from sqlalchemy import select

from tandem_metadata import __main__
from tandem_metadata.cli import db
from tandem_metadata.database import known_revisions
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import OWN
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError
from tests.postgresql import PostgreSQL


def test_upgrade_creates_the_tables_of_an_empty_database(
    backend_store_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(backend_store_uri=backend_store_uri)
    database = Database(settings)
    database.ping()  # makes SQLite's file
    database.close()
    assert db.current(settings) == 1
    assert db.upgrade(settings) == 0
    assert db.current(settings) == 0
    assert capsys.readouterr().out.splitlines() == [
        "no revision (not supported)",
        f"Created the tables of revision {known_revisions.HEAD}.",
        f"{known_revisions.HEAD} (supported)",
    ]


def test_a_service_adds_the_default_experiment_to_an_upgraded_database(
    backend_store_uri: str,
) -> None:
    settings = Settings(backend_store_uri=backend_store_uri)
    db.upgrade(settings)
    db.prepare(settings, "mlflow-artifacts:/")
    database = Database(settings)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.artifact_location)).scalars().all() == [
            "mlflow-artifacts:/0"
        ]
    database.close()


def test_upgrade_leaves_a_supported_database_as_it_is(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db.upgrade(settings) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_upgrade_adds_the_tables_that_are_tandems_own(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.write() as conn:
        OWN.drop_all(conn)
    assert db.upgrade(settings) == 0
    assert "Added Tandem's own tables" in capsys.readouterr().out
    assert db.upgrade(settings) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_upgrade_refuses_tables_that_are_not_mlflows(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE alembic_version")
    uri = database.url.render_as_string(hide_password=False)
    with pytest.raises(SettingsError, match="no revision"):
        db.upgrade(Settings(backend_store_uri=uri))


def test_a_database_that_does_not_answer_ends_the_command_with_a_sentence() -> None:
    settings = Settings(backend_store_uri="postgresql://someone:secret@127.0.0.1:1/name")
    for command in (db.current, db.upgrade):
        with pytest.raises(SettingsError, match=r"--backend-store-uri: .* refused"):
            command(settings)


def test_upgrade_waits_for_a_database_that_does_not_answer_yet(
    postgresql: PostgreSQL, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"later_{uuid.uuid4().hex}"
    timer = threading.Timer(1.5, postgresql.execute, [f"CREATE DATABASE {name}"])
    timer.start()
    assert db.upgrade(Settings(backend_store_uri=postgresql.uri(name)), 60) == 0
    timer.join()
    postgresql.drop(name)
    shown = capsys.readouterr()
    assert shown.out == f"Created the tables of revision {known_revisions.HEAD}.\n"
    (line,) = shown.err.splitlines()  # once, not at every attempt
    assert line.startswith("waiting for the database: ")
    assert f'"{name}" does not exist' in line


def test_upgrade_does_not_wait_longer_than_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(backend_store_uri="postgresql://someone:secret@127.0.0.1:1/name")
    began = time.monotonic()
    with pytest.raises(SettingsError, match="refused"):
        db.upgrade(settings, 2.5)
    assert 1 < time.monotonic() - began < 15
    assert "secret" not in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "soon"])
def test_seconds_that_are_none_are_refused(
    seconds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["tandem-metadata", "db", "upgrade", "--wait-seconds", seconds]
    )
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 2
    assert "--wait-seconds" in capsys.readouterr().err


_UPGRADES = """
import sys
from tandem_metadata import __main__
for uri in sys.argv[1].split():
    sys.stdin.readline()
    sys.argv[1:] = ["db", "upgrade", "--backend-store-uri", uri]
    if status := __main__.main():
        sys.exit(status)
    print(end="", flush=True)
"""
_TIMES = 5


def test_two_upgrades_at_once_of_an_empty_database_both_succeed(postgresql: PostgreSQL) -> None:
    names = [postgresql.create() for _ in range(_TIMES)]
    uris = [postgresql.uri(name) for name in names]
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", _UPGRADES, " ".join(uris)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for name, uri in zip(names, uris, strict=True):
        said = []
        for command in commands:  # both begin before either is asked what it did
            assert command.stdin is not None
            command.stdin.write("go\n")
            command.stdin.flush()
        for command in commands:
            assert command.stdout is not None
            said.append(command.stdout.readline())
        assert sorted(line.split()[0] for line in said) == ["Created", "The"], said
        database = Database(Settings(backend_store_uri=uri))
        assert database.revision() == known_revisions.HEAD
        database.close()
        postgresql.drop(name)
    assert [command.communicate()[1] for command in commands] == ["", ""]
    assert [command.returncode for command in commands] == [0, 0]
