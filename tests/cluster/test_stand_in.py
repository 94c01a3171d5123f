"""The stand-in of a cluster does what a cluster does, and sees what must not be overlooked."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.cluster import edge, manifests
from tests.cluster.cluster import Cluster, Image
from tests.cluster.kubelet import Pod
from tests.cluster.objects import Unsupported
from tests.cluster.routes import Route
from tests.harness.processes import eventually

OBJECTS = """
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: web
          image: web
          command: [python, /opt/tiny_server.py]
          args: [--host, 0.0.0.0, --port, "5000"]
          env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: store, key: password}}}
            - {name: URL, value: "http://web.ns.svc:8080/$(PASSWORD)"}
            - {name: HOSTS, value: "web.example.com,web,web.ns:80,my-web,web.ns.svc.cluster.local"}
            - {name: BUCKET, value: "s3://web/web"}
            - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: TMPDIR, value: /tmp}
          envFrom: [{secretRef: {name: more}}]
          ports: [{name: http, containerPort: 5000}]
          startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 0.2, failureThreshold: 50}
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 0.2}
          livenessProbe: {httpGet: {path: /alive, port: 5000}, periodSeconds: 0.2}
          lifecycle: {preStop: {sleep: {seconds: 1}}}
          volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: http}]}
"""
SECRETS = {"store": {"password": "p$(A)ss"}, "more": {"EXIT_STATUS": "0"}}

Edit = Callable[[dict[str, Any]], None]


def _container(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def _read(edit: Edit) -> manifests.Manifests:
    objects = list(yaml.safe_load_all(OBJECTS))
    edit(objects[0])
    return manifests.read(objects, "ns")


@contextmanager
def _cluster(
    directory: Path, edit: Edit = lambda _: None, **variables: str
) -> Iterator[tuple[Cluster, list[Pod]]]:
    image = Image(
        {"/opt": Path(__file__).parent}, {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    )
    secrets = {**SECRETS, "more": {**SECRETS["more"], **variables}}
    with Cluster(_read(edit), directory, image, secrets).running() as cluster:
        yield cluster, cluster.start_deployment("web")


def _environ(pod: Pod) -> dict[str, str]:
    (line,) = [line for line in pod.tail(20_000).splitlines() if line.startswith("variables ")]
    environ: dict[str, str] = yaml.safe_load(line.removeprefix("variables "))
    return environ


def test_a_pod_gets_what_its_manifest_says(tmp_path: Path) -> None:
    with _cluster(tmp_path) as (cluster, pods):
        cluster.wait_ready(pods)
        service = cluster.names["web"]
        assert len({service, *(pod.address for pod in pods)}) == 3
        for pod in pods:
            environ = _environ(pod)
            assert environ["ADDRESS"] == pod.address
            short, zoned, svc, full = (cluster.names[name] for name in cluster.names_of("web"))
            assert environ["URL"] == f"http://{svc}:8080/p$(A)ss"
            assert environ["HOSTS"] == f"web.example.com,{short},{zoned}:80,my-web,{full}"
            assert environ["BUCKET"] == "s3://web/web"
            assert environ["TMPDIR"] == str(tmp_path / pod.name / "tmp")
            assert environ["WEB_PORT"] == f"tcp://{service}:8080"
            assert "HOME" not in environ


def test_endpoints_are_the_ready_pods(tmp_path: Path) -> None:
    with _cluster(tmp_path) as (cluster, pods):
        assert cluster.endpoints("web", 8080) == []
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{cluster.names['web']}:8080/", timeout=5)
        cluster.wait_ready(pods)
        assert cluster.endpoints("web", 8080) == [(pod.address, 5000) for pod in pods]
        assert _answering(cluster) == {pod.name for pod in pods}
        for name in cluster.names_of("web"):
            assert requests.get(f"http://{cluster.names[name]}:8080/", timeout=5).ok
        requests.get(f"http://{pods[0].address}:5000/stop-ready", timeout=5)
        eventually(lambda: not pods[0].ready)
        assert _answering(cluster) == {pods[1].name}
        assert pods[0].answers["readiness"].failed >= 3


def _answering(cluster: Cluster) -> set[str]:
    url = f"http://{cluster.names['web']}:8080/"
    return {requests.get(url, timeout=5).text for _ in range(20)}


def test_a_service_keeps_the_connections_that_it_has_led_to_a_pod(tmp_path: Path) -> None:
    with _cluster(tmp_path) as (cluster, pods):
        cluster.wait_ready(pods)
        url = f"http://{cluster.names['web']}:8080/"
        with requests.Session() as session:
            (pod,) = [each for each in pods if each.name == session.get(url, timeout=5).text]
            pod.delete()
            assert session.get(url, timeout=5).text == pod.name
        assert pod.name not in _answering(cluster)


def test_deletion_is_hook_then_sigterm_then_end(tmp_path: Path) -> None:
    with _cluster(tmp_path, EXIT_SECONDS="0.5") as (cluster, pods):
        cluster.wait_ready(pods)
        begun = time.time()
        pods[0].delete()
        assert cluster.endpoints("web", 8080) == [(pods[1].address, 5000)]
        cluster.wait_ended(pods[:1], 5)
        assert 1.4 < time.time() - begun < 3
        (told,) = re.findall(r"SIGTERM (\S+)", pods[0].tail())
        assert 0.9 < float(told) - begun < 1.5
        assert pods[0].status == 0


def test_a_roll_adds_a_ready_pod_before_it_takes_one_away(tmp_path: Path) -> None:
    with _cluster(tmp_path) as (cluster, pods):
        cluster.wait_ready(pods)
        counts = []
        old = cluster.roll("web", lambda _: counts.append(len(cluster.endpoints("web", 8080))))
        assert counts == [3, 3]
        assert old == pods
        assert len(cluster.pods_of("web")) == 2


SIDECAR = {
    "name": "beside",
    "image": "beside",
    "restartPolicy": "Always",
    "command": ["python", "/opt/tiny_server.py"],
    "args": ["--host", "127.0.0.1", "--port", "6000"],
    "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
    "env": [{"name": "KEYS", "value": "/keys/password"}, {"name": "EXIT_SECONDS", "value": "0.3"}],
}


def _with(sidecar: dict[str, Any], replicas: int = 1) -> Edit:
    def edit(deployment: dict[str, Any]) -> None:
        deployment["spec"]["replicas"] = replicas
        spec = deployment["spec"]["template"]["spec"]
        spec["initContainers"] = [sidecar]
        spec["volumes"].append({"name": "keys", "secret": {"secretName": "store"}})

    return edit


def test_a_sidecar_is_at_the_pods_loopback_until_after_its_container(tmp_path: Path) -> None:
    edit = _with(SIDECAR, replicas=2)
    with _cluster(tmp_path, edit, PROXY="127.0.0.1:6000") as (cluster, pods):
        cluster.wait_ready(pods)
        for pod in pods:
            assert _environ(pod)["PROXY"] == f"{pod.address}:6000"
            answer = requests.get(f"http://{pod.address}:6000/", timeout=5)
            assert answer.text == pod.name
            (line,) = [
                each for each in pod.sidecar_log("beside").splitlines() if "variables" in each
            ]
            path = yaml.safe_load(line.removeprefix("variables "))["KEYS"]
            assert Path(path).read_text() == SECRETS["store"]["password"]
        pods[0].delete()
        cluster.wait_ended(pods[:1], 10)
        told = [
            float(re.findall(r"SIGTERM (\S+)", text)[0])
            for text in (pods[0].tail(), pods[0].sidecar_log("beside"))
        ]
        assert told == sorted(told)
        assert time.time() - told[1] >= 0.3


def _that_lives_too_long(container: dict[str, Any]) -> None:
    container["lifecycle"]["preStop"]["sleep"]["seconds"] = 2.9


def _that_is_not_alive(container: dict[str, Any]) -> None:
    container["livenessProbe"]["httpGet"]["path"] = "/ready"
    container["readinessProbe"]["httpGet"]["path"] = "/"


def _that_never_starts(container: dict[str, Any]) -> None:
    container["startupProbe"] |= {"httpGet": {"path": "/", "port": 5001}, "failureThreshold": 2}


def _that_ends(container: dict[str, Any]) -> None:
    container["command"] = ["python", "-c", "print('over')"]


def _that_writes(container: dict[str, Any]) -> None:
    container["command"] = ["sh", "-c", 'touch written; exec python /opt/tiny_server.py "$@"', "-"]


@pytest.mark.parametrize(
    ("edit", "variables", "fault"),
    [
        (_that_lives_too_long, {"EXIT_SECONDS": "5"}, "killed after 3 s"),
        (lambda _: None, {"EXIT_STATUS": "3"}, "the exit status is 3"),
        (_that_is_not_alive, {}, "the liveness probe failed 3 times: 503 "),
        (_that_never_starts, {}, "the startup probe failed 2 times: ConnectionRefusedError"),
        (_that_ends, {}, "the container ended with 0"),
        (_that_writes, {}, "wrote to its root file system: written"),
    ],
)
def test_what_a_kubelet_would_report_fails_the_test(
    edit: Edit, variables: dict[str, str], fault: str, tmp_path: Path
) -> None:
    def spoil(deployment: dict[str, Any]) -> None:
        deployment["spec"]["replicas"] = 1
        edit(_container(deployment))

    with pytest.raises(AssertionError, match=f"web-1: {re.escape(fault)}"):
        _live(tmp_path, spoil, variables)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (["python", "-c", "print('over')"], "the sidecar beside ended with 0: over"),
        (["sh", "-c", "touch x; exec sleep 60"], "the sidecar beside wrote to its root: x"),
    ],
)
def test_what_goes_wrong_with_a_sidecar_fails_the_test(
    command: list[str], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=f"web-1: {re.escape(fault)}"):
        _live(tmp_path, _with({**SIDECAR, "command": command, "args": []}), {})


def _live(directory: Path, edit: Edit, variables: dict[str, str]) -> None:
    """A cluster from its start to its end."""
    with _cluster(directory, edit, **variables) as (_, (pod,)):
        eventually(lambda: pod.ready or bool(pod.faults))
        if pod.ready:
            requests.get(f"http://{pod.address}:5000/stop-ready", timeout=5)
            eventually(lambda: pod.answers["readiness"].failed + pod.answers["liveness"].failed > 3)


@pytest.mark.parametrize(
    "edit",
    [
        lambda each: _container(each)["startupProbe"].update(httpGet=None, tcpSocket={"port": 1}),
        lambda each: _container(each)["lifecycle"].update(postStart={"exec": {"command": ["x"]}}),
        lambda each: each["spec"]["template"]["spec"]["containers"].append({}),
        _with({**SIDECAR, "restartPolicy": None}),
        _with({**SIDECAR, "startupProbe": {"httpGet": {"path": "/", "port": 6000}}}),
        lambda each: each["spec"]["strategy"].update(type="Recreate"),
        lambda each: each["spec"]["selector"]["matchLabels"].update(app="other"),
    ],
)
def test_what_the_stand_in_cannot_do_is_refused(edit: Edit) -> None:
    with pytest.raises(Unsupported):
        _read(edit)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_edge_follows_paths_and_endpoints(tmp_path: Path) -> None:
    routes = [
        Route("a.test", "/", False, "all", 8080),
        Route("a.test", "/files", False, "files", 8080),
        Route("a.test", "/files/exact", True, "exact", 8080),
    ]
    with _cluster(tmp_path) as (cluster, pods):
        cluster.wait_ready(pods)
        places = dict(zip(("all", "files"), pods, strict=True))

        def endpoints(service: str, _: int) -> list[tuple[str, int]]:
            return [(places[service].address, 5000)] if service in places else []

        with edge.serve(tmp_path / "edge", routes, ["a.test"], endpoints) as running:

            def ask(path: str, host: str = "a.test") -> str:
                url = f"https://{running.address[0]}:{running.address[1]}{path}"
                answer = requests.get(url, headers={"Host": host}, verify=False, timeout=5)
                return answer.text if answer.ok else str(answer.status_code)

            assert ask("/") == ask("/filesystem") == pods[0].name
            assert ask("/files") == ask("/files/x") == ask("/files/exact/x") == pods[1].name
            assert ask("/files/exact") == "503"
            assert ask("/", host="b.test") == "404"
            places["exact"] = pods[0]
            running.update()
            eventually(lambda: ask("/files/exact") == pods[0].name)
