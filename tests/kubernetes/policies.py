"""What NetworkPolicies let through, worked out from the objects as a network plugin would.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/. Where plugins
differ, more is taken to be allowed: an ipBlock also matches pods, which some do and some do not.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes import schemas
from tests.kubernetes.tools import Object


@dataclass(frozen=True)
class Pod:
    """A pod, by what policies can tell of it."""

    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its named ports."""
    address: str = "10.244.0.7"


@dataclass(frozen=True)
class Host:
    """Anything that is no pod."""

    address: str


Peer = Pod | Host


def pod_of(workload: Object) -> Pod:
    """The pod that a Deployment, a Job or a CronJob makes, or that the object is."""
    template = schemas.pod_of(workload)
    assert template is not None
    ports = {
        port["name"]: port["containerPort"]
        for container in template["spec"]["containers"]
        for port in container.get("ports", [])
    }
    return Pod(workload["metadata"]["namespace"], template["metadata"]["labels"], ports)


def allows(
    policies: Iterable[Object], source: Peer, target: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection passes the source's egress and the target's ingress.

    A namespace has just the label `kubernetes.io/metadata.name`, which Kubernetes gives it.
    """
    given = list(policies)
    return all(
        _passes(given, subject, other, target, port, protocol, direction)
        for subject, other, direction in (
            (source, target, "Egress"),
            (target, source, "Ingress"),
        )
    )


def telling_ports(policies: Iterable[Object], *pods: Pod) -> list[int]:
    """Ports of which one is like any port: each that rules or pods name, and its neighbours."""
    named = {port for pod in pods for port in pod.ports.values()}
    for policy in policies:
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            for port in rule.get("ports", []):
                named |= {each for each in port.values() if isinstance(each, int)}
    return sorted({port + by for port in named for by in (-1, 0, 1)})


def _passes(
    policies: list[Object],
    subject: Peer,
    other: Peer,
    target: Peer,
    port: int,
    protocol: str,
    direction: str,
) -> bool:
    if isinstance(subject, Host):
        return True
    own = [each for each in policies if _applies(each, subject, direction)]
    if not own:
        return True
    peers, rules = ("to", "egress") if direction == "Egress" else ("from", "ingress")
    return any(
        _any_peer(rule.get(peers), other, policy["metadata"]["namespace"])
        and _any_port(rule.get("ports"), target, port, protocol)
        for policy in own
        for rule in policy["spec"].get(rules) or []
    )


def _applies(policy: Object, pod: Pod, direction: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in types
        and _selects(spec["podSelector"], pod.labels)
    )


def _any_peer(peers: list[Any] | None, other: Peer, namespace: str) -> bool:
    # A rule without peers is for all of them.
    return not peers or any(_is_peer(each, other, namespace) for each in peers)


def _is_peer(peer: Object, other: Peer, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        address = ipaddress.ip_address(other.address)
        within = address in ipaddress.ip_network(block["cidr"])
        return within and not any(
            address in ipaddress.ip_network(each) for each in block.get("except", [])
        )
    if isinstance(other, Host):
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": other.namespace}
        if not _selects(peer["namespaceSelector"], labels):
            return False
    elif other.namespace != namespace:
        return False
    return _selects(peer.get("podSelector") or {}, other.labels)


def _any_port(ports: list[Any] | None, target: Peer, port: int, protocol: str) -> bool:
    return not ports or any(_is_port(each, target, port, protocol) for each in ports)


def _is_port(rule: Object, target: Peer, port: int, protocol: str) -> bool:
    if rule.get("protocol", "TCP") != protocol:
        return False
    wanted = rule.get("port")
    if isinstance(wanted, str):
        return isinstance(target, Pod) and target.ports.get(wanted) == port
    return wanted is None or bool(wanted <= port <= rule.get("endPort", wanted))


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    unknown = selector.keys() - {"matchLabels", "matchExpressions"}
    assert not unknown, f"no field of a selector: {unknown}"
    exact: Mapping[str, str] = selector.get("matchLabels") or {}
    if not exact.items() <= labels.items():
        return False
    return all(_meets(each, labels) for each in selector.get("matchExpressions") or [])


def _meets(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]
