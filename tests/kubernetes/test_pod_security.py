"""The restricted profile refuses each thing that it names."""

import copy
from typing import Any

import pytest

from tests.kubernetes.pod_security import Unrestricted, check_restricted

POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "initContainers": [],
    "containers": [
        {
            "name": "a",
            "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {}}],
}


def test_a_restricted_pod() -> None:
    check_restricted(POD)
    check_restricted(POD, {"container.apparmor.security.beta.kubernetes.io/a": "runtime/default"})


def test_containers_may_say_it_instead_of_the_pod() -> None:
    pod = copy.deepcopy(POD)
    pod["containers"][0]["securityContext"] |= pod.pop("securityContext")
    check_restricted(pod)


POD_CONTEXT = "securityContext"
CONTEXT = "containers.0.securityContext"


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("hostNetwork", True, "hostNetwork"),
        ("hostPID", True, "hostPID"),
        ("hostIPC", True, "hostIPC"),
        ("volumes.0", {"name": "tmp", "hostPath": {"path": "/"}}, "volume tmp is a hostPath"),
        ("volumes.0", {"name": "tmp", "nfs": {}}, "volume tmp is a nfs"),
        (POD_CONTEXT, {}, "runAsNonRoot is not true"),
        (POD_CONTEXT, {"runAsNonRoot": True}, "container a: seccompProfile is not set"),
        (f"{POD_CONTEXT}.runAsNonRoot", False, "runAsNonRoot is false"),
        (f"{POD_CONTEXT}.runAsUser", 0, "runAsUser is 0"),
        (f"{POD_CONTEXT}.seccompProfile", {"type": "Unconfined"}, "seccompProfile is Unconfined"),
        (f"{POD_CONTEXT}.appArmorProfile", {"type": "Unconfined"}, "appArmorProfile is Unconfined"),
        (f"{POD_CONTEXT}.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "kernel.msgmax"),
        (f"{POD_CONTEXT}.seLinuxOptions", {"type": "spc_t"}, "SELinux type is spc_t"),
        (f"{POD_CONTEXT}.windowsOptions", {"hostProcess": True}, "hostProcess"),
        (f"{CONTEXT}.seLinuxOptions", {"user": "root"}, "container a: an SELinux user"),
        (f"{CONTEXT}.seLinuxOptions", {"role": "sysadm_r"}, "an SELinux role"),
        (f"{CONTEXT}.runAsNonRoot", False, "runAsNonRoot is false"),
        (f"{CONTEXT}.runAsUser", 0, "container a: runAsUser is 0"),
        (f"{CONTEXT}.seccompProfile", {"type": "Unconfined"}, "seccompProfile is Unconfined"),
        (f"{CONTEXT}.privileged", True, "privileged"),
        (f"{CONTEXT}.procMount", "Unmasked", "procMount is Unmasked"),
        (f"{CONTEXT}.allowPrivilegeEscalation", True, "allowPrivilegeEscalation"),
        (CONTEXT, {"capabilities": {"drop": ["ALL"]}}, "allowPrivilegeEscalation"),
        (f"{CONTEXT}.capabilities", {}, "do not drop ALL"),
        (f"{CONTEXT}.capabilities", {"drop": ["NET_RAW"]}, "do not drop ALL"),
        (f"{CONTEXT}.capabilities.add", ["NET_BIND_SERVICE", "CHOWN"], "capability CHOWN"),
        ("containers.0.ports.0.hostPort", 80, "hostPort 80"),
        ("containers.0.readinessProbe.httpGet.host", "10.0.0.1", "readinessProbe asks another"),
        ("containers.0.lifecycle.postStart", {"tcpSocket": {"host": "b"}}, "postStart asks"),
        ("initContainers", [{"name": "b"}], "container b: capabilities do not drop ALL"),
        ("ephemeralContainers", [{"name": "c"}], "container c: allowPrivilegeEscalation"),
    ],
)
def test_what_the_profile_forbids(path: str, value: Any, sentence: str) -> None:
    pod = copy.deepcopy(POD)
    *parents, last = path.split(".")
    part: Any = pod
    for name in parents:
        part = part[int(name)] if isinstance(part, list) else part[name]
    part[int(last) if isinstance(part, list) else last] = value
    with pytest.raises(Unrestricted, match=sentence):
        check_restricted(pod)


def test_apparmor_by_annotation() -> None:
    with pytest.raises(Unrestricted, match="unconfined"):
        check_restricted(POD, {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"})
