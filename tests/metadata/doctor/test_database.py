"""The database under the doctor's eyes: missing, empty, too old, without rights or indexes."""

from pathlib import Path

import pytest
from sqlalchemy import insert, text

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.traces import trace_info
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.doctor.database import Examined
from tandem_metadata.settings import Settings
from tandem_shared.doctor.findings import Finding, Status, examine
from tandem_shared.settings import replace
from tests.harness.processes import free_port
from tests.metadata.conftest import only_postgresql
from tests.postgresql import PostgreSQL


def look(settings: Settings) -> dict[str, list[Finding]]:
    """What is found, by check."""
    examined = Examined(settings)
    found = {each.name: [*each.findings] for each in examine(examined.checks(), 60)}
    examined.close()
    return found


def bad(found: dict[str, list[Finding]]) -> list[Finding]:
    return [each for some in found.values() for each in some if each.cure]


def test_a_database_in_use_is_fine_and_stays_as_it_is(
    settings: Settings, database: Database
) -> None:
    with database.read() as conn:
        before = conn.exec_driver_sql("SELECT * FROM experiments").all()
    found = look(settings)
    assert bad(found) == []
    assert found["database: revision"][0].said.endswith("(supported).")
    with database.read() as conn:
        assert conn.exec_driver_sql("SELECT * FROM experiments").all() == before


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    settings = Settings(backend_store_uri=f"sqlite:///{path}")
    (warned,) = bad(look(settings))
    assert (warned.status, "no SQLite database" in warned.said) == (Status.WARNING, True)
    (failed,) = bad(look(replace(settings, migrate=False)))
    assert failed.status is Status.FAILURE
    assert "db upgrade" in failed.cure
    assert not path.exists()


def test_an_empty_database_is_told_by_who_would_fill_it(backend_store_uri: str) -> None:
    settings = Settings(backend_store_uri=backend_store_uri)
    database = Database(settings)
    database.ping()  # makes SQLite's file
    database.close()
    (warned,) = bad(look(settings))
    assert (warned.status, "no tables yet" in warned.said) == (Status.WARNING, True)
    (failed,) = bad(look(replace(settings, migrate=False)))
    assert failed.status is Status.FAILURE


def test_a_database_of_mlflows_is_used_by_a_service_that_may_add_its_table(
    settings: Settings, database: Database
) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE tandem_webhook_deliveries")
    found = look(settings)
    (warned,) = bad(found)
    assert warned.status is Status.WARNING
    assert "not yet Tandem's own tandem_webhook_deliveries" in warned.said
    assert Status.SKIPPED not in {each.status for each in found["database: speed"]}
    (failed,) = bad(look(replace(settings, migrate=False)))
    assert (failed.status, "db upgrade" in failed.cure) == (Status.FAILURE, True)


def test_a_database_that_does_not_answer_fails_once_and_shows_no_password() -> None:
    uri = f"postgresql://me:secret@127.0.0.1:{free_port()}/mlflow"
    found = look(Settings(backend_store_uri=uri))
    (failed,) = bad(found)
    assert failed.status is Status.FAILURE
    assert "secret" not in failed.said
    assert found["database: revision"][0].status is Status.SKIPPED


def test_a_revision_that_is_too_old_names_the_upgrade(
    settings: Settings, database: Database
) -> None:
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = 'cbc13b556ace'"))
    (failed,) = bad(look(settings))
    assert "cannot be used" in failed.said
    assert "mlflow db upgrade" in failed.said


def test_a_missing_default_experiment_is_warned_of(settings: Settings, database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("DELETE FROM experiments"))
    (warned,) = bad(look(settings))
    assert (warned.status, "Default" in warned.said) == (Status.WARNING, True)


def test_missing_indexes_count_once_there_are_many_runs(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_metadata.database.indexes.MANY_RUNS", 3)
    with database.write() as conn:
        conn.execute(text("DROP INDEX tandem_runs_started"))
    assert bad(look(settings)) == []
    with database.write() as conn:
        rows = [{"run_uuid": f"{number:032x}", "experiment_id": 0} for number in range(4)]
        conn.execute(insert(runs), rows)
    warned = bad(look(settings))
    assert {each.status for each in warned} == {Status.WARNING}
    assert "tandem_runs_started is missing" in warned[0].said
    assert all("db optimize" in each.cure for each in warned)


def test_the_index_of_costs_counts_once_there_are_many_traces(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_metadata.database.indexes.MANY_RUNS", 3)
    with database.write() as conn:
        conn.execute(text("DROP INDEX IF EXISTS tandem_spans_costs"))
    assert bad(look(settings)) == []
    with database.write() as conn:
        one = {"experiment_id": 0, "timestamp_ms": 1, "status": "OK"}
        rows = [{"request_id": f"tr-{number:032x}", **one} for number in range(4)]
        conn.execute(insert(trace_info), rows)
    warned = bad(look(settings))
    if database.dialect == "postgresql":  # which has such an index of MLflow's
        assert warned == []
        return
    assert [each.status for each in warned] == [Status.WARNING]
    assert "tandem_spans_costs is missing or unfinished, among more than 3 traces" in warned[0].said
    assert "db optimize" in warned[0].cure


@only_postgresql
def test_a_role_without_rights_is_told_what_to_be_granted(
    settings: Settings, database: Database, postgresql: PostgreSQL
) -> None:
    name = f"poor_{settings.backend_store_uri.rpartition('/')[2]}"
    postgresql.create_role(name, "its-password")
    where = settings.backend_store_uri.replace("postgres@", f"{name}:its-password@")
    with database.write() as conn:
        tables = conn.scalars(
            text("SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r'"
                 " AND relnamespace = 'public'::regnamespace")
        ).all()  # fmt: skip
        for table in tables:
            conn.execute(text(f"GRANT SELECT ON {table} TO {name}"))
    found = bad(look(replace(settings, backend_store_uri=where)))
    said = "\n".join(f"{each.said} {each.cure}" for each in found)
    assert {each.status for each in found} == {Status.FAILURE}
    assert f"The role {name} lacks rights: DELETE, INSERT, UPDATE on " in said
    assert "alembic_version" not in said
    assert "lacks USAGE on experiments_experiment_id_seq" in said
    assert f'ALL TABLES IN SCHEMA public TO "{name}"' in said
    with database.write() as conn:
        for what in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
            conn.execute(text(f'GRANT {what} IN SCHEMA public TO "{name}"'))
    assert bad(look(replace(settings, backend_store_uri=where))) == []
    with database.write() as conn:
        conn.execute(text(f"DROP OWNED BY {name}"))
    postgresql.execute(f"DROP ROLE {name}")


@only_postgresql
def test_a_role_that_may_read_nothing_is_told_so(
    settings: Settings, database: Database, postgresql: PostgreSQL
) -> None:
    name = f"none_{settings.backend_store_uri.rpartition('/')[2]}"
    postgresql.create_role(name, "its-password")
    where = settings.backend_store_uri.replace("postgres@", f"{name}:its-password@")
    found = bad(look(replace(settings, backend_store_uri=where)))
    assert [each.status for each in found] == [Status.FAILURE] * len(found)
    assert "SELECT" in found[0].said
    assert any("may not read the tables" in each.said for each in found)
    with database.write() as conn:
        conn.execute(text("REVOKE USAGE ON SCHEMA public FROM PUBLIC"))
    (failed,) = bad(look(replace(settings, backend_store_uri=where)))
    assert "may use no schema" in failed.said
    with database.write() as conn:
        conn.execute(text("GRANT USAGE ON SCHEMA public TO PUBLIC"))
    postgresql.execute(f"DROP ROLE {name}")


def test_tables_of_accounts_are_looked_at_where_they_are_needed(
    settings: Settings,
) -> None:
    (failed,) = bad(look(replace(settings, auth="basic")))
    assert failed.status is Status.FAILURE
    assert "tables of accounts cannot be used" in failed.said
    assert "db upgrade" in failed.cure
