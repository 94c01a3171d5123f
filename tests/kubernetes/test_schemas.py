"""What a cluster would refuse is refused here, and what it would take is taken."""

import copy
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes import crds, schemas
from tests.kubernetes.schemas import Invalid, check
from tests.kubernetes.tools import Object

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, labels: {app.kubernetes.io/name: a}}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a, more: b}}
    spec:
      containers:
        - name: a
          image: a:1
          ports: [{name: http, containerPort: 80}]
          readinessProbe: {httpGet: {path: /, port: http}}
          resources: {requests: {cpu: 100m, memory: 1.5Gi}}
          volumeMounts: [{name: tmp, mountPath: /tmp}]
          env: [{name: A, value: b}]
      volumes: [{name: tmp, emptyDir: {}}]
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec:
  parentRefs: [{name: gateway}]
  hostnames: [a.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      timeouts: {request: 0s}
      backendRefs: [{name: a, port: 80}]
"""
MONITOR = """
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: a, labels: {a: b}}
spec:
  selector: {matchLabels: {a: b}}
  podMetricsEndpoints: [{port: http, targetPort: 80}]
"""
RULE = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: a}
spec: {groups: [{name: a, rules: [{alert: A, expr: up == 0, for: 5m, labels: {severity: b}}]}]}
"""
SCALED = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: a}
spec:
  scaleTargetRef: {name: a}
  triggers: [{type: prometheus, metadata: {query: up}}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {selector: {a: b}, ports: [{port: 80, targetPort: http}]}
"""
SCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a}
spec: {maxReplicas: 2, scaleTargetRef: {kind: Deployment, name: a}}
"""
CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: a}
spec: {secretName: a, dnsNames: [a.example.com], issuerRef: {name: a}}
"""
EXTERNAL_SECRET = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: a}
spec:
  secretStoreRef: {name: a, kind: ClusterSecretStore}
  data: [{secretKey: uri, remoteRef: {key: a}}]
"""
MIDDLEWARE = """
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: a}
spec: {basicAuth: {secret: a, removeHeader: true}}
"""
TLS_POLICY = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: a}
spec:
  targetRefs: [{group: "", kind: Service, name: a}]
  validation: {hostname: a, caCertificateRefs: [{group: "", kind: ConfigMap, name: a}]}
"""
AUTHENTICATED = ROUTE.replace(
    "      backendRefs",
    """      filters:
        - type: ExternalAuth
          externalAuth:
            {protocol: HTTP, backendRef: {name: a, port: 80}, http: {allowedHeaders: [Cookie]}}
      backendRefs""",
)
VALID = [
    DEPLOYMENT, ROUTE, MONITOR, RULE, SCALED, SERVICE, SCALER, CERTIFICATE, EXTERNAL_SECRET,
    MIDDLEWARE, TLS_POLICY, AUTHENTICATED,
]  # fmt: skip


@pytest.mark.parametrize("text", VALID, ids=lambda text: yaml.safe_load(text)["kind"])
def test_valid_objects(text: str) -> None:
    check(yaml.safe_load(text))


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
REFUSED = [
    (DEPLOYMENT, "spec.replica", 2, r"Deployment/a: spec: .*'replica' was unexpected"),
    (DEPLOYMENT, f"{CONTAINER}.imagePullpolicy", "Always", r"containers\[0\]: .*imagePullpolicy"),
    (DEPLOYMENT, f"{CONTAINER}.ports.0.containerPort", "80", r"ports\[0\]\.containerPort: '80'"),
    (DEPLOYMENT, f"{CONTAINER}.lifecycle", {"preStop": {"sleep": {"second": 5}}}, "second"),
    (DEPLOYMENT, "spec.selector", None, r"spec\.selector: null"),
    (DEPLOYMENT, "spec.selector.matchLabels.app", "b", "does not match the pods' labels"),
    (DEPLOYMENT, "metadata.name", "Upper", "metadata.name: 'Upper' is not a name"),
    (DEPLOYMENT, "metadata.name", "a" * 254, "is not a name"),
    (DEPLOYMENT, "metadata.labels.a", "b" * 64, r"metadata\.labels\.a: .* not a label's value"),
    (DEPLOYMENT, "metadata.labels.a", "b c", "not a label's value"),
    (DEPLOYMENT, "metadata.labels.a/b/c", "d", "'a/b/c' is not a key"),
    (DEPLOYMENT, "spec.template.metadata.labels.a", "-", r"pod metadata\.labels\.a"),
    (DEPLOYMENT, "metadata.annotations", {"a": True}, "True is not"),
    (DEPLOYMENT, "metadata.annotations", None, "metadata.annotations: null"),
    (DEPLOYMENT, f"{CONTAINER}.resources.requests.cpu", "1 core", "'1 core' is not a quantity"),
    (DEPLOYMENT, f"{CONTAINER}.resources.limits", {"memory": "1GB"}, "'1GB' is not a quantity"),
    (DEPLOYMENT, f"{CONTAINER}.env.1", {"name": "A", "value": "c"}, "'A' is there twice"),
    (DEPLOYMENT, f"{CONTAINER}.env.0.value", 1, r"env\[0\]\.value"),
    (DEPLOYMENT, f"{CONTAINER}.volumeMounts.0.name", "temp", "mounts 'temp', which is no volume"),
    (DEPLOYMENT, f"{POD}.volumes.1", {"name": "tmp", "emptyDir": {}}, "volumes: 'tmp' .* twice"),
    (DEPLOYMENT, f"{CONTAINER}.ports.0.name", "web", "readinessProbe: asks the port 'http'"),
    (DEPLOYMENT, "apiVersion", "apps/v1beta1", "no schema for apps/v1beta1 Deployment"),
    (DEPLOYMENT, "apiVersion", "apps.example.com/v1", "no schema for apps.example.com/v1"),
    (DEPLOYMENT, "kind", None, "has no kind"),
    (SERVICE, "metadata.name", "a.b", "'a.b' is not a name"),
    (SERVICE, "spec.ports.0.targetport", "http", "targetport"),
    (SCALER, "spec.maxReplicas", "two", "maxReplicas"),
    (SCALER, "apiVersion", "autoscaling/v2beta2", "no schema"),
    (ROUTE, "spec.rules.0.timeout", {"request": "0s"}, r"spec\.rules\[0\]: .*timeout"),
    (ROUTE, "spec.rules.0.timeouts.request", "0", r"rules\[0\]\.timeouts\.request"),
    (ROUTE, "spec.rules.0.matches.0.path.type", "Prefix", r"path\.type: 'Prefix'"),
    (ROUTE, "metadata.label", {}, "label"),
    (ROUTE, "kind", "HTTPRoutes", "no schema"),
    (MONITOR, "spec.podMetricsEndpoints.0.ports", "http", "ports"),
    (MONITOR, "spec.selector", None, r"spec\.selector: null"),
    (RULE, "spec.groups.0.rules.0.labels.severity", 1, "severity"),
    (RULE, "spec.groups.0.rules.0.annotation", {}, "annotation"),
    (SCALED, "spec.triggers.0.metadata.query", 1, "query"),
    (SCALED, "spec.maxReplicas", 1, "maxReplicas"),
    (CERTIFICATE, "spec.dnsName", "a", "dnsName"),
    (EXTERNAL_SECRET, "spec.secretStore", {}, "secretStore"),
    (MIDDLEWARE, "spec.basicAuth.users", ["a"], "users"),
    (TLS_POLICY, "spec.targetRef", {}, "targetRef"),
    (AUTHENTICATED, "spec.rules.0.filters.0.externalAuth.body", 1, "body"),
    (AUTHENTICATED, "spec.rules.0.filters.0.externalAuth.backendRef.port", "80", "port"),
]


@pytest.mark.parametrize(("text", "path", "value", "sentence"), REFUSED)
def test_what_a_cluster_refuses(text: str, path: str, value: Any, sentence: str) -> None:
    with pytest.raises(Invalid, match=f"(?s){sentence}"):
        check(changed(yaml.safe_load(text), path, value))


def changed(obj: Object, path: str, value: Any) -> Object:
    """The object with one field set; a list grows by the index after its last."""
    whole = copy.deepcopy(obj)
    *parents, last = path.split(".")
    part: Any = whole
    for name in parents:
        part = part[int(name)] if isinstance(part, list) else part[name]
    if isinstance(part, list):
        part[int(last) :] = [value]
    else:
        part[last] = value
    return whole


def test_every_problem_is_told_at_once() -> None:
    obj = yaml.safe_load(DEPLOYMENT)
    obj["metadata"]["name"], obj["spec"]["replica"] = "A", 2
    with pytest.raises(Invalid) as caught:
        check(obj)
    assert len(str(caught.value).splitlines()) == 2


DECLARED = """
import { IIoK8sApimachineryPkgApisMetaV1ObjectMeta } from "@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta";
import { IKeyOfASecret, ICount as INumber } from "kubernetes-models/v1/SecretKeySelector";
import { IPart } from "../v2/Part.js";
import { ModelData, TypeMeta, Model } from "@kubernetes-models/base";
/** A comment with { braces }; and "quotes". */
export interface IScaled extends TypeMeta {
    "apiVersion": "keda.sh/v1alpha1";
    "metadata"?: IIoK8sApimachineryPkgApisMetaV1ObjectMeta;
    /** Of how many? */
    "count": number | string;
    "free"?: {
        [key: string]: Array<IPart>;
    };
    "codes"?: 301 | 302;
    "properties"?: {
        "secret"?: IKeyOfASecret;
    };
}
export declare class Scaled extends Model<IScaled> implements IScaled {
    "count": boolean;
}
"""  # noqa: E501


def test_fields_are_read_from_declarations_and_others_are_refused() -> None:
    source = crds.Source({"keda.sh/v1alpha1/Scaled": DECLARED}, {})
    found = crds.schema("keda.sh/v1alpha1/Scaled", source)
    kubernetes = crds.KUBERNETES
    assert found["additionalProperties"] is False
    assert found["required"] == ["apiVersion", "count"]
    assert found["properties"] == {
        "apiVersion": {"enum": ["keda.sh/v1alpha1"]},
        "metadata": {"$ref": f"{kubernetes}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        "count": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        "free": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": {
                "type": "array",
                "items": {"$ref": f"{crds.TYPES}keda.sh/v2/Part"},
            },
        },
        "codes": {"enum": [301, 302]},
        "properties": {
            "type": "object",
            "properties": {"secret": {"$ref": f"{kubernetes}io.k8s.api.core.v1.SecretKeySelector"}},
            "required": [],
            "additionalProperties": False,
        },
    }


def tarball(folder: Path, **files: str) -> Path:
    path = folder / "a.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name.replace('__', '/')}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_patterns_are_read_from_code_that_is_not_run(tmp_path: Path) -> None:
    pattern = r"^[0-9]+\.s$"
    path = tarball(
        tmp_path,
        **{
            "keda.sh/v1/Time.d.ts": (
                "export type ITime = string;\nexport type Time = ITime;\n"
                "export type { ITime as IShKedaV1Time, Time as ShKedaV1Time };\n"
            ),
            "keda.sh/v1/Time.js": 'throw "run";',
            "_schemas/ShKedaV1Time.js": f'throw "run";let a=RegExp({json.dumps(pattern)},"u");',
        },
    )
    source = crds.read(path)
    assert list(source.declared) == ["keda.sh/v1/Time"]
    assert crds.schema("keda.sh/v1/Time", source) == {"type": "string", "pattern": pattern}


def test_every_type_of_the_packages_can_be_read() -> None:
    for pin in crds.pins():
        source = crds.read(crds.fetch(pin))
        assert source.declared
        for name, text in source.declared.items():
            if "\nexport interface " in text:
                assert crds.schema(name, source)


def test_a_part_of_a_resource_is_none() -> None:
    with pytest.raises(KeyError, match="a part of resources"):
        crds.resource("keda.sh/v1alpha1", "ScaleTriggers")


def test_another_tarball_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pins another"):
        crds.check_digest(tarball(tmp_path, a=""), crds.pins()[0])


@pytest.fixture
def no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    monkeypatch.setattr(crds, "_CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return lambda: crds.fetch(crds.pins()[0])


def test_without_npm_tests_skip(
    no_npm: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TANDEM_REQUIRE_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install npm"):
        no_npm()


def test_without_npm_tests_fail_where_tools_are_required(
    no_npm: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_REQUIRE_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="install npm"):
        no_npm()


def test_pods_are_found_in_every_workload() -> None:
    pod = {"spec": {"containers": []}}
    assert schemas.pod_of({"kind": "Job", "spec": {"template": pod}}) == pod
    cron = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod}}}}
    assert schemas.pod_of(cron) == pod
    assert schemas.pod_of({"kind": "Pod", "metadata": {}, **pod}) == {"metadata": {}, **pod}
    assert schemas.pod_of({"kind": "Service", "spec": {}}) is None
