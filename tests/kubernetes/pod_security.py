"""The Pod Security Standards' `restricted` profile, with all of `baseline`, for Linux pods.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, of Kubernetes 1.37.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Fields = dict[str, Any]

_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret",
    }
)  # fmt: skip
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip
_SELINUX = frozenset(
    {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_CONFINED = frozenset({"RuntimeDefault", "Localhost"})
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


class Unrestricted(AssertionError):
    """A namespace that enforces `restricted` would refuse the pod; a line for each reason."""


def check_restricted(spec: Fields, annotations: Mapping[str, str] | None = None) -> None:
    """Raise Unrestricted unless the profile allows a pod of this spec and these annotations."""
    problems = [*_of_pod(spec), *_of_annotations(annotations or {})]
    pod = spec.get("securityContext") or {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or []:
            name = f"container {container.get('name')}"
            problems += [f"{name}: {each}" for each in _of_container(container, pod)]
    if problems:
        raise Unrestricted("\n".join(problems))


def _of_pod(spec: Fields) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes") or []:
        for kind in volume.keys() - {"name"} - _VOLUMES:
            yield f"volume {volume.get('name')} is a {kind}"
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl.get("name") not in _SYSCTLS:
            yield f"the sysctl {sysctl.get('name')} is set"
    yield from _of_context(context)


def _of_annotations(annotations: Mapping[str, str]) -> Iterator[str]:
    for name, value in annotations.items():
        if name.startswith(_APPARMOR) and value != "runtime/default":
            if not value.startswith("localhost/"):
                yield f"{name} is {value}"


def _of_context(context: Fields) -> Iterator[str]:
    """What pods and containers may say alike."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess is set"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX:
        yield f"the SELinux type is {selinux['type']}"
    for field in ("user", "role"):
        if selinux.get(field):
            yield f"an SELinux {field} is set"
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if profile is not None and profile.get("type") not in _CONFINED:
            yield f"{field} is {profile.get('type')}"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot is false"
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"


def _of_container(container: Fields, pod: Fields) -> Iterator[str]:
    context = container.get("securityContext") or {}
    yield from _of_context(context)
    if context.get("privileged"):
        yield "privileged is set"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount is {context['procMount']}"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities do not drop ALL"
    for added in set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"the capability {added} is added"
    if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot is not true, here or for the pod"
    if not context.get("seccompProfile", pod.get("seccompProfile")):
        yield "seccompProfile is not set, here or for the pod"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']} is taken"
    lifecycle = container.get("lifecycle") or {}
    handlers = {name: container.get(name) for name in _PROBES} | lifecycle
    for name, handler in handlers.items():
        for action in ("httpGet", "tcpSocket"):
            if isinstance(handler, dict) and (handler.get(action) or {}).get("host"):
                yield f"{name} asks another host"
