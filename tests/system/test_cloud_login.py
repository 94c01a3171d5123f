"""Tokens of AWS's and Google's IAM instead of the database's password, in all that connects.

PostgreSQL, the clouds' libraries and the commands are real. What hands out credentials in a pod,
and what looks at tokens before PostgreSQL, stands in for the clouds' own.
"""

import asyncio
import contextlib
import datetime
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import ReadTimeout
from tandem_metadata.settings import Settings
from tests.cloud import front, identities
from tests.cloud.front import HOST, USER, Front
from tests.cloud.identities import Aws, Google
from tests.harness.processes import Process, environment, eventually
from tests.metadata.database import mlflow_tables
from tests.postgresql import PostgreSQL
from tests.system import services

API = "/api/2.0/mlflow"
ROOT = "mlflow-artifacts://127.0.0.1:5500/"


@dataclass(frozen=True)
class Cloud:
    """A database behind a cloud's login."""

    front: Front
    uri: str
    direct: str
    """The address at which PostgreSQL itself asks for no password."""
    environ: Mapping[str, str]
    """A pod's variables."""

    def db(self, action: str, *arguments: str, status: int = 0, **variables: str) -> str:
        """What `tandem-metadata db …` says."""
        done = subprocess.run(
            [sys.executable, "-m", "tandem_metadata", "db", action, *arguments],
            env=environment(**{**self.environ, **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    @contextlib.contextmanager
    def service(self, folder: Path, *arguments: str, started: str = "/ready") -> Iterator[Process]:
        """`tandem-metadata serve`, in whose log no token may be."""
        with services.metadata_service(
            folder, self.uri, ROOT, *arguments, variables=self.environ, started=started
        ) as process:
            yield process
        assert not [token for token in self.front.tokens if token[-40:] in process.output()]

    def backends(self) -> set[int]:
        """The processes of PostgreSQL that serve Tandem."""
        with psycopg.connect(self.direct) as conn:
            rows = conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'tandem-metadata'"
            )
            return {pid for (pid,) in rows}

    def terminate(self) -> None:
        """Close all connections of Tandem's, as a failover does."""
        with psycopg.connect(self.direct, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'tandem-metadata'"
            )


@contextlib.contextmanager
def _cloud(
    server: PostgreSQL, folder: Path, identity: Aws | Google, auth: str, *way: str
) -> Iterator[Cloud]:
    with identities.serve(identity), front.serve(server, identity, folder) as before:
        name = server.create()
        uri = before.uri(name)
        environ = {
            **identity.environ(*way),
            "TANDEM_DB_AUTH": auth,
            "MLFLOW_BACKEND_STORE_URI": uri,
        }
        yield Cloud(before, uri, server.uri(name), environ)
        server.drop(name)


@pytest.fixture
def google_identity() -> Google:
    return Google()


@pytest.fixture
def google(postgresql: PostgreSQL, tmp_path: Path, google_identity: Google) -> Iterator[Cloud]:
    with _cloud(postgresql, tmp_path, google_identity, "gcp-iam") as cloud:
        yield cloud


@pytest.fixture
def aws_identity(tmp_path: Path) -> Aws:
    return Aws(tmp_path)


@pytest.fixture(params=["irsa"])
def aws(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, tmp_path: Path, aws_identity: Aws
) -> Iterator[Cloud]:
    with _cloud(postgresql, tmp_path, aws_identity, "aws-iam", request.param) as cloud:
        yield cloud


by_pod_identity = pytest.mark.parametrize("aws", ["pod-identity"], indirect=True)


def _post(service: Process, path: str, **fields: Any) -> Any:
    answer = requests.post(f"{service.url}{API}/{path}", json=fields, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _use(service: Process) -> None:
    """A request of each way to the database: handlers, group commit, grouped and point reads."""
    experiment = service.get(f"{API}/experiments/get?experiment_id=0")
    assert experiment.status_code == 200, experiment.text
    run = _post(service, "runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    _post(service, "runs/log-metric", run_id=run, key="m", value=1.0, timestamp=1, step=0)
    assert service.get(f"{API}/runs/get?run_id={run}").status_code == 200
    found = _post(service, "runs/search", experiment_ids=["0"], filter="metrics.m = 1")
    assert run in [each["info"]["run_id"] for each in found["runs"]]


def _use_at_once(service: Process) -> None:
    threads = [threading.Thread(target=_use, args=(service,)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_a_role_of_aws_logs_in_for_the_job_and_the_service(
    aws: Cloud, aws_identity: Aws, tmp_path: Path
) -> None:
    assert "Created the tables" in aws.db("upgrade")
    assert "supported" in aws.db("current", "--db-auth", "aws-iam", TANDEM_DB_AUTH="")
    aws.db("optimize")
    before, asked = len(aws.front.tokens), aws_identity.handed_out
    options = ("--no-migrate", "--workers", "1", "--log-level", "DEBUG")
    with aws.service(tmp_path, *options) as service:
        _use_at_once(service)
        assert len(aws.backends()) > 4
        assert len(set(aws.front.tokens[before:])) == 1
        assert aws_identity.handed_out - asked == 1
        # A token that is refused is not tried again for the rest of its time.
        aws_identity.refuses_before = datetime.datetime.now(datetime.UTC)
        aws.terminate()
        eventually(lambda: service.answers("/ready"))
        _use(service)
        assert len(set(aws.front.tokens[before:])) > 1
        assert "PAM authentication failed" in service.output()


@by_pod_identity
def test_keys_of_eks_pod_identity_log_in(aws: Cloud, aws_identity: Aws) -> None:
    assert "Created the tables" in aws.db("upgrade")
    aws_identity.denies = True
    said = aws.db("current", status=2)
    assert "AWS gives no credentials to sign a token with: " in said
    assert "IRSA or EKS Pod Identity" in said


def test_an_expired_token_is_replaced_and_its_connections_go_on(
    google: Cloud, google_identity: Google, tmp_path: Path
) -> None:
    google.db("upgrade")
    google_identity.seconds = 6
    options = ("--no-migrate", "--workers", "1", "--log-level", "DEBUG")
    with google.service(tmp_path, *options) as service:
        _use(service)
        opened, used = google.backends(), google.front.tokens[-1]
        eventually(lambda: not google_identity.takes(USER, "", used))
        _use(service)
        assert google.backends() >= opened
        before = len(google.front.tokens)
        google.terminate()
        eventually(lambda: service.answers("/ready"))
        _use(service)
        assert google.front.tokens[before:]
        assert used not in google.front.tokens[before:]
        assert google.front.refused == 0


def test_a_cloud_without_tokens_is_waited_for_as_a_database_is(
    google: Cloud, google_identity: Google, tmp_path: Path
) -> None:
    google_identity.denies = True
    said = google.db("upgrade", "--wait-seconds", "1", status=2)
    assert "waiting for the database: Google gives no token: " in said
    assert "Give the service an identity, as by Workload Identity" in said
    with google.service(tmp_path, "--no-migrate", "--workers", "1", started="/health") as service:
        eventually(lambda: "cannot log in to its database" in service.get("/ready").text)
        assert service.get("/ready").status_code == 503
        assert "waiting for the database: Google gives no token" in service.output()
        google_identity.denies = False
        google.db("upgrade")
        eventually(lambda: service.answers("/ready"))
        _use(service)


def test_a_token_that_cloud_sql_refuses_is_told_with_what_to_look_at(google: Cloud) -> None:
    google.front.closed = True
    said = google.db("current", status=2)
    assert f'Cloud SQL IAM service account authentication failed for user "{USER}"' in said
    assert "roles/cloudsql.instanceUser" in said


def test_a_token_that_rds_refuses_is_told_with_what_to_look_at(aws: Cloud) -> None:
    aws.front.closed = True
    said = aws.db("current", status=2)
    assert f'PAM authentication failed for user "{USER}"' in said
    assert "rds-db:connect" in said


def test_a_token_is_not_sent_to_another_host(google: Cloud) -> None:
    other = google.uri.replace(HOST, "other.example.com")
    said = google.db("current", MLFLOW_BACKEND_STORE_URI=other, status=2)
    assert "does not match host name" in said
    assert google.front.tokens == []


def test_parts_of_the_address_need_no_escapes(google: Cloud) -> None:
    said = google.db(
        "upgrade",
        MLFLOW_BACKEND_STORE_URI=f"postgresql://?{google.uri.partition('?')[2]}",
        PGHOST=HOST,
        PGPORT=str(google.front.port),
        PGUSER=USER,
        PGDATABASE=google.direct.rpartition("/")[2],
    )
    assert "Created the tables" in said


def test_mlflows_own_migrations_get_a_token(google: Cloud) -> None:
    mlflow_tables.load(google.direct)
    said = google.db("upgrade", "--revision", "head")
    assert "The database goes from revision" in said
    tokens = google.front.tokens
    # MLflow's is fetched for it; Tandem's connections after it take the same.
    assert len(set(tokens)) == 2
    assert tokens.index(tokens[-1]) > 0
    assert not [token for token in tokens if token in said]


@by_pod_identity
def test_a_read_is_stopped_through_it(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking PostgreSQL to cancel takes no token, but the same encrypted way."""
    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    database = Database(Settings(backend_store_uri=aws.uri, db_auth="aws-iam"))

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

    began = time.monotonic()
    asyncio.run(main())
    database.close()
    assert time.monotonic() - began < 20
