"""Services that leave the migration to somebody else, as real processes."""

import re
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from sqlalchemy import create_engine

from tandem_metadata.database.address import parse_url
from tests.harness.processes import Process, eventually
from tests.postgresql import PostgreSQL
from tests.system import services

API = "/api/2.0/mlflow"
ROOT = "mlflow-artifacts://127.0.0.1:5500/"


def _post(service: Process, path: str, **fields: Any) -> Any:
    response = requests.post(f"{service.url}{API}/{path}", json=fields, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def _pending(service: Process) -> float:
    text = requests.get(f"{service.url}/metrics").text
    found = re.search(r"^tandem_db_migration_pending (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def _waits(service: Process) -> Counter[str]:
    """What the log says that is waited for, and how often."""
    said = (line["message"] for line in service.log_lines())
    return Counter(message for message in said if "waiting for the database" in message)


def _statuses(service: Process, path: str) -> set[int]:
    """What several connections get, so that all workers are asked."""
    return {requests.get(service.url + path).status_code for _ in range(20)}


def _upgrade(uri: str) -> str:
    command = services.database_command("upgrade", uri)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    return said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_waits_for_the_migration_and_then_serves(
    database: str, workers: str, tmp_path: Path
) -> None:
    options = ("--no-migrate", "--workers", workers)
    with services.metadata_service(
        tmp_path, database, ROOT, *options, started="/health"
    ) as service:
        assert _statuses(service, "/ready") == {503}
        assert _statuses(service, f"{API}/experiments/get?experiment_id=0") == {503}
        assert _pending(service) == 1
        eventually(lambda: _waits(service).total() == int(workers))
        assert "Created" in _upgrade(database)
        eventually(lambda: _statuses(service, "/ready") == {200})
        eventually(lambda: _pending(service) == 0)
        assert _statuses(service, f"{API}/experiments/get?experiment_id=0") == {200}
        # Said once by each, whatever SQLite's file showed in between.
        assert set(_waits(service).values()) <= {*range(int(workers) + 1)}


def test_a_database_at_an_unknown_revision_is_served_with_one_warning_for_all_workers(
    database: str, tmp_path: Path
) -> None:
    _upgrade(database)
    engine = create_engine(parse_url(database))
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = 'feedfacecafe'")
    engine.dispose()
    with services.metadata_service(
        tmp_path, database, ROOT, "--workers", "2", "--webhook-allow-private-ips"
    ) as service:
        _use(service)
        (warning,) = [line for line in service.log_lines() if line["level"] == "WARNING"]
        assert "revision feedfacecafe, which this version" in warning["message"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_ends_the_wait(workers: str, tmp_path: Path) -> None:
    # 192.0.2.0/24 is for documentation: connecting there is refused or hangs.
    database = "postgresql://someone:secret@192.0.2.1/name"
    options = ("--no-migrate", "--workers", workers)
    with services.metadata_service(
        tmp_path, database, ROOT, *options, started="/health"
    ) as service:
        assert _statuses(service, "/ready") == {503}
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 5
        assert "secret" not in service.log.read_text()


def test_a_service_without_rights_over_tables_works_beside_a_migration_with_them(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    """The roles and grants are those that docs/settings.md gives."""
    tag = uuid.uuid4().hex[:12]
    migration, service_role = f"migration_{tag}", f"service_{tag}"
    name = postgresql.create()
    owner = postgresql.uri(name)
    roles = _documented_roles(migration, service_role)
    with psycopg.connect(owner, autocommit=True) as conn:
        for statement in roles:
            conn.execute(statement)
    uri = owner.replace("postgres@", f"{service_role}@")
    with services.metadata_service(
        tmp_path, uri, ROOT, "--no-migrate", "--webhook-allow-private-ips", started="/health"
    ) as service:
        assert _statuses(service, "/ready") == {503}
        _upgrade(owner.replace("postgres@", f"{migration}@"))
        eventually(lambda: _statuses(service, "/ready") == {200})
        _use(service)
    with psycopg.connect(owner) as conn:
        owners = conn.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname='public'")
        assert owners.fetchall() == [(migration,)]
    with psycopg.connect(uri, autocommit=True) as conn:
        for statement in ("CREATE TABLE t (x int)", "ALTER TABLE runs ADD x int"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)
    postgresql.drop(name)
    for role in (migration, service_role):
        postgresql.execute(f"DROP ROLE {role}")


def _documented_roles(migration: str, service: str) -> list[str]:
    """The statements of docs/settings.md, with names of this test."""
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    (block,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    for given, ours in (
        ("tandem_migration", migration),
        ("tandem_service", service),
    ):
        assert given in block
        block = block.replace(given, ours)
    return [statement for statement in block.split(";") if statement.strip()]


def _use(service: Process) -> None:
    """Write to what has sequences, cascades and Tandem's own table."""
    experiment = _post(service, "experiments/create", name="new")["experiment_id"]
    run = _post(service, "runs/create", experiment_id=experiment, start_time=1)["run"]
    run_id = run["info"]["run_id"]
    metric = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    _post(service, "runs/log-batch", run_id=run_id, metrics=[metric])
    _post(
        service,
        "webhooks",
        name="w",
        url="https://192.0.2.1/",
        events=[{"entity": "REGISTERED_MODEL", "action": "CREATED"}],
    )
    _post(service, "registered-models/create", name="model")
    _post(service, "model-versions/create", name="model", source="s3://bucket/model")
    _post(service, "runs/delete", run_id=run_id)
    _post(service, "experiments/delete", experiment_id=experiment)
