"""How the chart's workloads log in to the database."""

import json

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.settings import load
from tests.kubernetes import chart
from tests.kubernetes.tools import Object


def _workloads(objects: list[Object]) -> dict[str, Object]:
    names = ("tandem-metadata", "tandem-migrate")
    return {
        each["metadata"]["name"]: each
        for each in objects
        if each["kind"] in ("Deployment", "Job") and each["metadata"]["name"] in names
    }


def _environ(workload: Object) -> dict[str, str]:
    return {each["name"]: each["value"] for each in chart.container(workload)["env"]}


@pytest.mark.parametrize(
    ("name", "auth", "annotation", "users"),
    [
        (
            "rds-iam",
            "aws-iam",
            "eks.amazonaws.com/role-arn",
            {"tandem-metadata": "tandem_service", "tandem-migrate": "tandem_migration"},
        ),
        (
            "cloud-sql-iam",
            "gcp-iam",
            "iam.gke.io/gcp-service-account",
            {
                "tandem-metadata": "tandem-metadata@project.iam",
                "tandem-migrate": "tandem-migrate@project.iam",
            },
        ),
    ],
)
def test_tokens_need_no_secret_and_are_of_each_workloads_own_identity(
    name: str,
    auth: str,
    annotation: str,
    users: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = chart.render(name)
    workloads = _workloads(objects)
    assert workloads.keys() == users.keys()
    identities = set()
    for each, user in users.items():
        assert "secretKeyRef" not in json.dumps(workloads[each])
        account = workloads[each]["spec"]["template"]["spec"]["serviceAccountName"]
        found = chart.one(objects, "ServiceAccount", account)
        identities.add(found["metadata"]["annotations"][annotation])
        environ = _environ(workloads[each])
        assert environ["PGUSER"] == user
        with monkeypatch.context() as context:
            for variable, value in environ.items():
                context.setenv(variable, value)
            settings = load(Settings, environ)
            assert settings.db_auth == auth
            Database(settings).close()  # the service itself takes them so
    assert len(identities) == 2


def test_tokens_may_come_to_an_address_that_a_secret_has() -> None:
    objects = chart.render("minimal", "database.auth=aws-iam")
    for each in _workloads(objects).values():
        env = {item["name"]: item for item in chart.container(each)["env"]}
        assert env["TANDEM_DB_AUTH"]["value"] == "aws-iam"
        assert "secretKeyRef" in env["MLFLOW_BACKEND_STORE_URI"]["valueFrom"]
        assert "PGHOST" not in env


def test_a_password_leaves_the_way_to_log_in_alone() -> None:
    for name in ("minimal", "kubeflow", "sqlite-disk"):
        assert "TANDEM_DB_AUTH" not in json.dumps(chart.render(name))
