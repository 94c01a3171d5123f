"""What helm test runs: a Pod that may do what a client may, as long as it runs.

What it does is tests/cluster's.
"""

import pytest

from tests.kubernetes import chart, tools
from tests.kubernetes.policies import Host, Pod, allows, pod_of
from tests.kubernetes.tools import Object

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
NEIGHBOUR = Pod("tandem", {"app": "notebook"}, {"http": 8080})
STRANGERS = (Host("10.0.5.10"), Host("52.95.110.1"), Host("198.51.100.7"), NEIGHBOUR)


@pytest.fixture
def objects() -> list[Object]:
    return chart.render("production")


def policies(objects: list[Object]) -> list[Object]:
    """Those of a running test beside all others."""
    return list(chart.of_kind(objects, "NetworkPolicy").values())


def test_the_pod_is_metadatas_image_with_pythons_own_library(objects: list[Object]) -> None:
    pod = chart.one(objects, "Pod", "tandem-test")
    (container,) = pod["spec"]["containers"]
    metadata = chart.container(chart.one(objects, "Deployment", "tandem-metadata"))
    assert container["image"] == metadata["image"]
    assert container["command"] == ["python", "-c"]
    (script,) = container["args"]
    assert script.rstrip() == (tools.CHART / "files" / "client.py").read_text().rstrip()
    assert pod["spec"]["restartPolicy"] == "Never"


def test_it_calls_both_services_by_their_names_in_the_cluster() -> None:
    objects = chart.render("everything", "staticPrefix=/mlflow")
    (container,) = chart.one(objects, "Pod", "ml-test")["spec"]["containers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert environ["METADATA_URL"] == "http://ml-metadata:80/mlflow"
    assert environ["ARTIFACTS_URL"] == "http://ml-artifacts:5500/mlflow"
    for component in chart.COMPONENTS:
        hosts = chart.flag(
            chart.one(objects, "Deployment", f"ml-{component}"), "--allowed-hosts"
        ).split(",")
        assert f"ml-{component}" in hosts


def test_all_of_it_is_there_only_while_it_runs() -> None:
    made = chart.tests_of(chart.render("production"))
    assert {f"{each['kind']}/{each['metadata']['name']}" for each in made} == {
        "Pod/tandem-test",
        "ServiceAccount/tandem-test",
        "NetworkPolicy/tandem-test",
        "NetworkPolicy/tandem-metadata-test",
        "NetworkPolicy/tandem-artifacts-test",
    }
    for each in made:
        annotations = each["metadata"]["annotations"]
        policy = annotations["helm.sh/hook-delete-policy"]
        assert policy == "before-hook-creation,hook-succeeded"
        first = each["kind"] != "Pod"
        assert (int(annotations["helm.sh/hook-weight"]) < 0) == first


def test_it_reaches_both_services_and_names_and_nothing_else(objects: list[Object]) -> None:
    pod = pod_of(chart.one(objects, "Pod", "tandem-test"))
    assert allows(policies(objects), pod, DNS, 53, "UDP")
    for component, port in chart.COMPONENTS.items():
        server = pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        assert allows(policies(objects), pod, server, port)
        assert not allows(policies(objects), pod, server, port + 1)
        assert not allows(policies(objects), server, pod, port)
    for stranger in STRANGERS:
        for port in (80, 443, 5432, 8080):
            assert not allows(policies(objects), pod, stranger, port)
    assert not allows(policies(objects), NEIGHBOUR, pod, 8080)


def test_it_opens_the_services_for_itself_alone(objects: list[Object]) -> None:
    pod = pod_of(chart.one(objects, "Pod", "tandem-test"))
    others = chart.render("production", release="other")
    stranger = pod_of(chart.one(others, "Pod", "other-tandem-test"))
    for component, port in chart.COMPONENTS.items():
        server = pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        for each in (NEIGHBOUR, stranger):
            assert not allows(policies(objects), each, server, port)
        assert not allows(chart.standing_policies(objects), pod, server, port)


def test_it_meets_a_mesh_at_its_port() -> None:
    objects = chart.render("istio-ambient")
    pod = pod_of(chart.one(objects, "Pod", "tandem-test"))
    for component in chart.COMPONENTS:
        server = pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        assert allows(policies(objects), pod, server, 15008)


def test_it_may_be_left_out() -> None:
    assert chart.tests_of(chart.render("production", "test.enabled=false")) == []
    assert chart.tests_of(chart.render("gitops")) == []


def test_it_has_not_the_object_stores_identity() -> None:
    account = chart.one(chart.render("production"), "ServiceAccount", "tandem-test")
    assert "eks.amazonaws.com/role-arn" not in account["metadata"]["annotations"]
    with pytest.raises(tools.ToolError, match=r"test\.serviceAccount and artifacts\.serviceAcc"):
        chart.render("production", "test.serviceAccount.name=tandem-artifacts")
