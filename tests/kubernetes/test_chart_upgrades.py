"""Installing, upgrading and ending: what must not change, what must, and in which order."""

from pathlib import Path

import pytest
import yaml

from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART, Object

SPEC = "app.kubernetes.io/"
HOOKS = "helm.sh/hook"


def annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def pod_annotations(workload: Object) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"].get("annotations") or {})


def job(objects: list[Object]) -> Object:
    (found,) = chart.of_kind(objects, "Job").values()
    return found


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The chart as its next release would be."""
    for path in CHART.rglob("*"):
        if path.is_file():
            to = tmp_path / path.relative_to(CHART)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())
    manifest = tmp_path / "Chart.yaml"
    told = yaml.safe_load(manifest.read_text()) | {"version": "0.2.0", "appVersion": "0.2.0"}
    manifest.write_text(yaml.safe_dump(told))
    return tmp_path


def test_a_new_version_changes_pods_and_no_selector(next_version: Path) -> None:
    before = chart.render("production")
    after = tools.render_chart(chart.values("production"), chart=next_version)
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert chart.of_kind(before, kind).keys() == chart.of_kind(after, kind).keys()
    for name, old in chart.of_kind(before, "Deployment").items():
        new = chart.one(after, "Deployment", name)
        assert new["spec"]["selector"] == old["spec"]["selector"]
        assert chart.container(new)["image"] == chart.container(old)["image"].replace("1.0", "2.0")
        assert new["metadata"]["labels"][f"{SPEC}version"] == "0.2.0"


@pytest.mark.parametrize(
    "pairs",
    ["commonLabels.a=b", "metadata.podLabels.a=b", "metadata.image.tag=v9", "hosts.scheme=http"],
)
def test_values_change_no_selector(pairs: str) -> None:
    before, after = chart.render("production"), chart.render("production", pairs)
    assert before != after
    for name, old in chart.of_kind(before, "Deployment").items():
        assert chart.one(after, "Deployment", name)["spec"]["selector"] == old["spec"]["selector"]


@pytest.mark.parametrize(
    ("value", "rolled"),
    [
        ("database.uri=postgresql://tandem:new@db/mlflow", "metadata"),
        (f"metadata.webhooks.encryptionKey={'B' * 43}=", "metadata"),
        ("objectStore.credentials.AWS_SECRET_ACCESS_KEY=new", "artifacts"),
    ],
)
def test_a_changed_secret_rolls_the_pods_that_use_it_and_no_others(value: str, rolled: str) -> None:
    before = chart.render("generated-secrets")
    after = chart.render("generated-secrets", value)
    for component in chart.COMPONENTS:
        old, new = (
            chart.one(objects, "Deployment", f"tandem-{component}") for objects in (before, after)
        )
        assert (pod_annotations(old) != pod_annotations(new)) == (component == rolled)
        old["spec"]["template"]["metadata"].pop("annotations")
        new["spec"]["template"]["metadata"].pop("annotations")
        assert old == new


def test_hooks_run_in_order_and_leave_nothing_behind() -> None:
    objects = chart.render("generated-secrets", "networkPolicy.enabled=true", *_PEERS)
    tests = chart.tests_of(objects)
    hooks = {
        each["kind"]: each for each in objects if HOOKS in annotations(each) and each not in tests
    }
    assert sorted(hooks) == ["Job", "NetworkPolicy", "Secret", "ServiceAccount"]
    for kind, each in hooks.items():
        assert annotations(each)[HOOKS] == "pre-install,pre-upgrade"
        assert annotations(each)[f"{HOOKS}-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert (int(annotations(each)[f"{HOOKS}-weight"]) < 0) == (kind != "Job")
    pod = hooks["Job"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == hooks["ServiceAccount"]["metadata"]["name"]
    (uri,) = [each for each in pod["containers"][0]["env"] if "valueFrom" in each]
    assert uri["valueFrom"]["secretKeyRef"]["name"] == hooks["Secret"]["metadata"]["name"]
    release = chart.one(objects, "Secret", "tandem-database")
    assert HOOKS not in annotations(release), "helm uninstall would leave it"
    assert release["data"] == hooks["Secret"]["data"]
    labels = hooks["Job"]["spec"]["template"]["metadata"]["labels"]
    selector = hooks["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= labels.items()


_PEERS = (
    "networkPolicy.database.peers[0].ipBlock.cidr=10.0.5.0/24",
    "networkPolicy.objectStore.peers[0].ipBlock.cidr=192.0.2.0/24",
)


def test_gitops_has_no_hooks_and_a_job_of_the_secret_of_the_release() -> None:
    for name in ("gitops", "generated-secrets"):
        objects = chart.render(name, "migration.mode=job", "test.enabled=false")
        assert not [each for each in objects if HOOKS in annotations(each)]
        (uri,) = [each for each in chart.container(job(objects))["env"] if "valueFrom" in each]
        assert uri["valueFrom"]["secretKeyRef"]["name"] == "tandem-database"


@pytest.mark.parametrize(
    "change",
    [
        "metadata.image.tag=0.2.0",
        "migration.waitSeconds=10",
        "migration.resources.limits.memory=1Gi",
        "database.uri=postgresql://tandem:new@db/mlflow",
        "commonLabels.a=b",
    ],
)
def test_a_plain_job_is_another_one_when_it_does_something_else(change: str) -> None:
    before = job(chart.render("generated-secrets", "migration.mode=job"))
    after = job(chart.render("generated-secrets", "migration.mode=job", change))
    assert before["spec"] != after["spec"]
    assert before["metadata"]["name"] != after["metadata"]["name"]


@pytest.mark.parametrize("change", ["artifacts.replicas=5", "ingress.enabled=true"])
def test_a_plain_job_stays_the_same_otherwise(change: str) -> None:
    sets = ("migration.mode=job", "insecureNoAuth=true")
    before = job(chart.render("generated-secrets", *sets))
    assert job(chart.render("generated-secrets", *sets, change)) == before


def test_the_end_of_a_pod_is_as_long_as_its_longest_transfer() -> None:
    objects = chart.render(
        "minimal",
        "artifacts.longestTransferSeconds=604800",
        "artifacts.preStopSeconds=7",
        "artifacts.shutdownDelaySeconds=11",
        "metadata.preStopSeconds=0",
        "metadata.gracefulTimeoutSeconds=90",
    )
    artifacts = chart.one(objects, "Deployment", "tandem-artifacts")
    pod = artifacts["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 7 + 11 + 604800 + 15
    assert chart.flag(artifacts, "--graceful-timeout") == "604800"
    assert chart.flag(artifacts, "--shutdown-delay") == "11"
    assert chart.container(artifacts)["lifecycle"] == {"preStop": {"sleep": {"seconds": 7}}}
    metadata = chart.one(objects, "Deployment", "tandem-metadata")
    assert metadata["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0 + 5 + 90 + 15
    assert "lifecycle" not in chart.container(metadata), "before Kubernetes 1.32, 0 is refused"


def test_artifacts_scale_down_slowly_by_either_autoscaler() -> None:
    slowly = chart.default_values()["artifacts"]["autoscaling"]["behavior"]
    assert slowly["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]
    hpa = chart.one(chart.render("custom-metrics"), "HorizontalPodAutoscaler", "tandem-artifacts")
    assert hpa["spec"]["behavior"] == slowly
    scaled = chart.one(chart.render("keda"), "ScaledObject", "tandem-artifacts")
    assert scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == slowly


def test_artifacts_pods_end_within_the_hour_that_clouds_give() -> None:
    pod = chart.one(chart.render("production"), "Deployment", "tandem-artifacts")["spec"][
        "template"
    ]
    assert pod["spec"]["terminationGracePeriodSeconds"] == 3600


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("clusterAutoscaler", ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")),
        ("karpenter", ("karpenter.sh/do-not-disrupt", "true")),
    ],
)
def test_artifacts_pods_keep_their_nodes_if_they_must_not_be_evicted(
    value: str, annotation: tuple[str, str]
) -> None:
    name, text = annotation
    for evictable in ("true", "false"):
        objects = chart.render("production", f"artifacts.evictable.{value}={evictable}")
        found = pod_annotations(chart.one(objects, "Deployment", "tandem-artifacts"))
        assert found.get(name) == (text if evictable == "false" else None)
        assert name not in pod_annotations(chart.one(objects, "Deployment", "tandem-metadata"))


@pytest.mark.parametrize("component", ["metadata", "artifacts", "migration"])
def test_pods_get_a_token_of_the_kubernetes_api_only_if_told(component: str) -> None:
    for told in (False, True):
        objects = chart.render(
            "production", f"{component}.automountServiceAccountToken={str(told).lower()}"
        )
        mounted = {
            each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"][
                "spec"
            ]["automountServiceAccountToken"]
            for each in objects
            if each["kind"] in ("Job", "Deployment")
        }
        assert mounted == {name: told and name == component for name in mounted}
        assert component in mounted


def test_custom_metrics() -> None:
    hpa = chart.one(chart.render("custom-metrics"), "HorizontalPodAutoscaler", "tandem-artifacts")
    types = [each["type"] for each in hpa["spec"]["metrics"]]
    assert types == ["Resource", "Resource", "Pods", "Pods"]
    wanted = {
        each["pods"]["metric"]["name"]: each["pods"]["target"]["averageValue"]
        for each in hpa["spec"]["metrics"][2:]
    }
    assert wanted == {
        "tandem_artifact_transfers_in_flight": "8",
        "tandem_artifact_bytes_per_second": "200M",
    }
    large = chart.render("custom-metrics", "artifacts.autoscaling.bytesPerSecond=250000000")
    metrics = chart.one(large, "HorizontalPodAutoscaler", "tandem-artifacts")["spec"]["metrics"]
    assert metrics[3]["pods"]["target"]["averageValue"] == "250000000"


def test_keda_asks_for_the_pods_of_this_release() -> None:
    scaled = chart.one(chart.render("keda"), "ScaledObject", "tandem-artifacts")
    queries = [each["metadata"].get("query") for each in scaled["spec"]["triggers"]]
    own = 'namespace="tandem",pod=~"tandem-artifacts-.+"'
    leaving = f"unless on (namespace, pod) (tandem_draining{{{own}}} == 1)"
    assert queries == [
        f"sum(tandem_artifact_transfers_in_flight{{{own}}} {leaving})",
        f"sum(rate(tandem_artifact_bytes_total{{{own}}}[2m]) {leaving})",
        None,
    ]
    thresholds = [each["metadata"].get("threshold") for each in scaled["spec"]["triggers"]]
    assert thresholds == ["8", "200000000", None]


def test_volumes_outlive_the_release() -> None:
    claims = chart.of_kind(chart.render("sqlite-disk"), "PersistentVolumeClaim")
    assert sorted(claims) == ["tandem-artifacts", "tandem-metadata"]
    for each in claims.values():
        assert annotations(each)["helm.sh/resource-policy"] == "keep"
    given = chart.render("sqlite-disk", "metadata.persistence.existingClaim=mine")
    assert list(chart.of_kind(given, "PersistentVolumeClaim")) == ["tandem-artifacts"]
    pod = chart.one(given, "Deployment", "tandem-metadata")["spec"]["template"]["spec"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}} in pod["volumes"]


def test_sqlite_is_brought_up_by_its_own_pod() -> None:
    objects = chart.render("sqlite-disk")
    assert not chart.of_kind(objects, "Job")
    deployment = chart.one(objects, "Deployment", "tandem-metadata")
    (migrate,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert [*migrate["command"], *migrate["args"]] == ["tandem-metadata", "db", "upgrade"]
    server = chart.container(deployment)
    for key in ("image", "volumeMounts"):
        assert migrate[key] == server[key]
    uri = {"name": "MLFLOW_BACKEND_STORE_URI", "value": "sqlite:////var/lib/tandem/mlflow.db"}
    assert uri in migrate["env"]
    assert uri in server["env"]
    assert "--no-migrate" in server["args"]


def test_the_migration_can_be_somebody_elses() -> None:
    objects = chart.render("production", "migration.enabled=false")
    assert not chart.of_kind(objects, "Job")
    assert "tandem-migrate" not in chart.of_kind(objects, "ServiceAccount")
    assert "tandem-migrate" not in chart.of_kind(objects, "NetworkPolicy")


@pytest.mark.parametrize(
    ("release", "fullname"),
    [
        ("tandem", "tandem"),
        ("my-tandem", "my-tandem"),
        ("mlflow", "mlflow-tandem"),
        ("a" * 53, "a" * 40),
    ],
)
def test_names(release: str, fullname: str) -> None:
    objects = chart.render("gitops", release=release)
    assert sorted(chart.of_kind(objects, "Deployment")) == [
        f"{fullname}-artifacts",
        f"{fullname}-metadata",
    ]
    metadata = chart.one(objects, "Deployment", f"{fullname}-metadata")
    assert chart.flag(metadata, "--artifacts-url") == f"http://{fullname}-artifacts:5500"
    assert len(job(objects)["metadata"]["name"]) <= 63


def test_the_migration_may_have_a_role_of_its_own() -> None:
    objects = chart.render("generated-secrets", "migration.existingSecret=owner")
    (uri,) = [each for each in chart.container(job(objects))["env"] if "valueFrom" in each]
    assert uri["valueFrom"]["secretKeyRef"] == {"name": "owner", "key": "uri"}
    assert "tandem-migrate" not in chart.of_kind(objects, "Secret")
    metadata = chart.one(objects, "Deployment", "tandem-metadata")
    assert "owner" not in str(metadata)
    assert "checksum/database" not in pod_annotations(job(objects)), "a hash of what it has not"
