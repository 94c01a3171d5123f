"""The chart's values for RDS with IAM: no Secret of the database, and a role for each workload."""

from pathlib import Path

import requests

from tests.cloud import front, identities
from tests.cluster import manifests
from tests.cluster.cluster import Cluster
from tests.cluster.installation import BRIEF, IMAGE, METADATA, MIGRATE
from tests.kubernetes import tools
from tests.postgresql import PostgreSQL

USERS = ("tandem_service", "tandem_migration")


def test_the_migration_and_metadata_log_in_with_tokens_of_their_roles(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    name = postgresql.create()
    aws = identities.Aws(tmp_path)
    with identities.serve(aws), front.serve(postgresql, aws, tmp_path, USERS) as database:
        rendered = manifests.read(
            tools.render_chart(
                tools.CHART / "ci" / "rds-iam-values.yaml",
                sets=(f"database.port={database.port}", f"database.name={name}", *BRIEF),
            ),
            tools.NAMESPACE,
        )
        # What EKS's webhook adds to pods of an annotated account, and the endpoint's address.
        given = {**aws.environ("irsa"), "PGHOSTADDR": "127.0.0.1"}
        with Cluster(
            rendered,
            tmp_path / "node",
            IMAGE,
            secrets={},
            identities={METADATA: given, MIGRATE: given},
            configs={"rds-ca": {"global-bundle.pem": database.certificate.read_text()}},
        ).running() as cluster:
            job = cluster.start_job(MIGRATE)
            cluster.finish(job, seconds=60)
            assert "Created the tables" in job.tail()
            assert database.users == {"tandem_migration"}
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
            assert database.users == set(USERS)
            assert database.refused == 0
    postgresql.drop(name)
