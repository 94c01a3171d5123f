"""A proxy as a native sidecar: the migration and the service have no other way to the database."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests

from tests import debian
from tests.cluster import manifests
from tests.cluster.cluster import Cluster, Image
from tests.cluster.installation import BRIEF, IMAGE, METADATA, MIGRATE
from tests.cluster.kubelet import Pod
from tests.kubernetes import tools
from tests.postgresql import PostgreSQL

PASSWORD = "p@ss/w:rd%?#"
VALUES = tools.CHART / "ci" / "pgbouncer-sidecar-values.yaml"
CONFIGURATION = """
[databases]
mlflow = host=db.example.com port={port} dbname={database} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_query =
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
{user}
"""


def _secrets(uri: str) -> dict[str, dict[str, str]]:
    address = urlsplit(uri)
    # It refuses to run as root, which a container is not.
    user = "user = nobody" if os.geteuid() == 0 else ""
    database = address.path.removeprefix("/")
    configuration = CONFIGURATION.format(port=address.port, database=database, user=user)
    return {
        "tandem-database": {"password": PASSWORD},
        "pgbouncer": {"pgbouncer.ini": configuration, "userlist.txt": f'"tandem" "{PASSWORD}"\n'},
    }


def _pooled(pod: Pod) -> bool:
    """Whether its sidecar let it in."""
    return "login attempt: db=mlflow user=tandem" in pod.sidecar_log("pgbouncer")


def test_the_migration_and_metadata_connect_through_pgbouncer_beside_them(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    name = postgresql.create()
    uri = postgresql.uri(name)
    program = Path(debian.find("pgbouncer", package="pgbouncer"))
    image = Image({**IMAGE.paths, "pgbouncer": program}, IMAGE.environ)
    rendered = manifests.read(tools.render_chart(VALUES, sets=BRIEF), tools.NAMESPACE)
    outside = {"db.example.com": "127.0.0.1"}
    with Cluster(rendered, tmp_path, image, _secrets(uri), outside=outside).running() as cluster:
        job = cluster.start_job(MIGRATE)
        cluster.finish(job, seconds=60)
        assert "Created the tables" in job.tail()
        assert _pooled(job)
        pods = cluster.start_deployment(METADATA)
        cluster.wait_ready(pods)
        for pod in pods:
            answer = requests.post(
                f"http://{pod.address}:5000/api/2.0/mlflow/experiments/create",
                json={"name": pod.name},
                headers={"Host": "mlflow.example.com"},
                timeout=20,
            )
            assert answer.status_code == 200, answer.text
            assert _pooled(pod)
        with psycopg.connect(uri) as conn:
            found = conn.execute("SELECT count(*) FROM experiments")
            assert found.fetchone() == (1 + len(pods),)
    postgresql.drop(name)
