"""The metadata service behind PgBouncer in transaction mode, which gives each transaction another
connection.
"""

import asyncio
import itertools
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import ReadTimeout
from tandem_metadata.settings import Settings
from tests import pgbouncer
from tests.harness.processes import answers, eventually
from tests.metadata.spans.exports import export, span
from tests.postgresql import PostgreSQL
from tests.system import services

API = "/api/2.0/mlflow"
ROOT = "mlflow-artifacts://127.0.0.1:5500/"
POOL = 4
PROTOBUF = {"Content-Type": "application/x-protobuf"}
CLIENTS = 6
ROUNDS = 12


@pytest.fixture
def pooled(postgresql: PostgreSQL) -> Iterator[tuple[str, str]]:
    """A database's address through PgBouncer, and its own."""
    with pgbouncer.serve(postgresql, POOL) as pattern:
        name = postgresql.create()
        yield pattern.format(name=name), postgresql.uri(name)
        postgresql.drop(name)


def test_transactions_that_change_connections_all_succeed(
    pooled: tuple[str, str], tmp_path: Path
) -> None:
    uri, direct = pooled
    command = services.database_command("upgrade", uri)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 0, said
    options = ("--no-db-prepared-statements", "--no-migrate", "--workers", "2")
    with services.metadata_service(tmp_path, uri, ROOT, *options) as service:
        # One worker is ready before the other: several connections reach both.
        eventually(lambda: all(answers(f"{service.url}/ready") for _ in range(20)))
        assert _failures(service.url) == []
        assert 1 < len(_serving(direct)) <= POOL
        errors = [line for line in service.log_lines() if line["level"] in ("WARNING", "ERROR")]
        assert errors == []


def test_prepared_statements_would_fail_there(pooled: tuple[str, str], tmp_path: Path) -> None:
    """So that the test above shows something; a driver or a PgBouncer that copes ends it."""
    uri, _ = pooled
    with services.metadata_service(tmp_path, uri, ROOT, "--workers", "2") as service:
        assert _failures(service.url) != []
        log = service.log.read_text()
        assert "prepared statement" in log


def test_a_read_is_stopped_through_it(pooled: tuple[str, str]) -> None:
    uri, direct = pooled
    database = Database(Settings(backend_store_uri=uri, db_prepared_statements=False))

    def read() -> None:
        with database.read() as conn:
            conn.exec_driver_sql("SELECT pg_sleep(60)")

    async def main() -> None:
        threads = Threads(1, 5, 0.5)
        async with asyncio.timeout(20):
            with pytest.raises(ReadTimeout):
                await threads.run(read)
            await threads.run(database.ping)
        await threads.aclose()

    asyncio.run(main())
    database.close()
    with psycopg.connect(direct) as conn:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
        others = "AND state = 'active' AND pid <> pg_backend_pid()"
        assert conn.execute(sleeping + others).fetchone() == (0,)


def _serving(direct: str) -> list[Any]:
    """The server's connections for PgBouncer to this database."""
    with psycopg.connect(direct) as conn:
        return conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()


def _failures(url: str) -> list[str]:
    """What clients at once, each with a run of its own, were refused; that all was kept besides."""
    failures: list[str] = []
    numbers = itertools.count()

    def ask(
        http: requests.Session, method: str, path: str, fields: dict[str, Any], api: str = API
    ) -> Any:
        named = {"params": fields} if method == "GET" else {"json": fields}
        answer = http.request(method, f"{url}{api}/{path}", timeout=60, **named)
        if answer.status_code != 200:
            failures.append(f"{path}: {answer.status_code} {answer.text}")
            return {}
        return answer.json()

    def work() -> None:
        with requests.Session() as http:
            name = f"e{next(numbers)}"
            experiment = ask(http, "POST", "experiments/create", {"name": name}).get(
                "experiment_id", "0"
            )
            run = ask(http, "POST", "runs/create", {"experiment_id": experiment, "start_time": 1})
            run_id = run["run"]["info"]["run_id"] if run else "none"
            for step in range(ROUNDS):
                metrics = [
                    {"key": key, "value": step, "timestamp": step, "step": step} for key in "abc"
                ]
                tags = [{"key": f"t{step}", "value": "v"}, {"key": "last", "value": str(step)}]
                batch = {"run_id": run_id, "metrics": metrics, "tags": tags}
                ask(http, "POST", "runs/log-batch", batch)
                ask(http, "GET", "runs/get", {"run_id": run_id})
                search = {"experiment_ids": [experiment], "filter": f"metrics.a = {step}"}
                found = ask(http, "POST", "runs/search", search)
                if [each["info"]["run_id"] for each in found.get("runs", [])] != [run_id]:
                    failures.append(f"step {step} was not found")
                trace = secrets.token_bytes(16)
                for each in (b"second..", b"first..."):
                    sent = export(span(each, trace_id=trace))
                    headers = {**PROTOBUF, "x-mlflow-experiment-id": experiment}
                    body = sent.SerializeToString()
                    if http.post(f"{url}/v1/traces", body, headers=headers).status_code != 200:
                        failures.append("a span was refused")
                place = {"mlflow_experiment": {"experiment_id": experiment}}
                search = {"locations": [{"type": "MLFLOW_EXPERIMENT", **place}]}
                found = ask(http, "POST", "traces/search", search, "/api/3.0/mlflow")
                if len(found.get("traces", [])) != step + 1:
                    failures.append(f"trace {step} was not found")

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
