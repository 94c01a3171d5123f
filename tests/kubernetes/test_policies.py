"""The evaluator of NetworkPolicies follows Kubernetes's rules."""

from typing import Any

import pytest

from tests.kubernetes.policies import Host, Peer, Pod, allows, telling_ports

WEB = Pod("shop", {"app": "web"}, {"http": 8080})
DATABASE = Pod("shop", {"app": "database"}, {"sql": 5432}, "10.244.0.8")
STRANGER = Pod("other", {"app": "web"}, {}, "10.244.1.9")


def policy(spec: Any, namespace: str = "shop") -> Any:
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def ingress(*rules: Any) -> Any:
    return policy({"podSelector": {"matchLabels": {"app": "database"}}, "ingress": list(rules)})


def egress(*rules: Any) -> Any:
    return policy({"policyTypes": ["Egress"], "egress": list(rules)})


def test_without_policies_everything_passes() -> None:
    assert allows([], STRANGER, DATABASE, 1)
    assert allows([policy({"ingress": []}, "elsewhere")], STRANGER, DATABASE, 1)
    assert allows([ingress()], DATABASE, WEB, 8080), "only ingress, and only of the database"


def test_a_policy_denies_what_it_does_not_name() -> None:
    assert not allows([ingress()], WEB, DATABASE, 5432)
    assert not allows([egress()], WEB, DATABASE, 5432)
    assert allows([ingress({})], STRANGER, DATABASE, 5432), "an empty rule is for everything"


def test_policies_add_up_and_both_ends_must_agree() -> None:
    assert allows([ingress(), ingress({})], WEB, DATABASE, 5432)
    assert not allows([ingress({}), egress()], WEB, DATABASE, 5432)
    assert allows([ingress({}), egress({})], WEB, DATABASE, 5432)


@pytest.mark.parametrize(
    ("peer", "passing"),
    [
        ({"podSelector": {}}, [WEB]),
        ({"podSelector": {"matchLabels": {"app": "none"}}}, []),
        ({"namespaceSelector": {}}, [WEB, STRANGER]),
        (
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}},
            [STRANGER],
        ),
        (
            {
                "namespaceSelector": {},
                "podSelector": {
                    "matchExpressions": [
                        {"key": "app", "operator": "In", "values": ["web"]},
                        {"key": "app", "operator": "Exists"},
                        {"key": "old", "operator": "DoesNotExist"},
                        {"key": "app", "operator": "NotIn", "values": ["web"]},
                    ]
                },
            },
            [],
        ),
        ({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]}}, [WEB]),
        ({"ipBlock": {"cidr": "192.0.2.0/24"}}, [Host("192.0.2.1")]),
    ],
)
def test_peers(peer: Any, passing: list[Peer]) -> None:
    for source in (WEB, STRANGER, Host("192.0.2.1")):
        expected = source in passing
        assert allows([ingress({"from": [peer]})], source, DATABASE, 5432) == expected, source


@pytest.mark.parametrize(
    ("port", "passing"),
    [
        ({"port": 5432}, [("TCP", 5432)]),
        ({"port": "sql"}, [("TCP", 5432)]),
        ({"port": "sql", "protocol": "UDP"}, [("UDP", 5432)]),
        ({"port": "unknown"}, []),
        ({"port": 5432, "endPort": 5433}, [("TCP", 5432), ("TCP", 5433)]),
        ({"protocol": "UDP"}, [("UDP", 5432), ("UDP", 5433)]),
    ],
)
def test_ports(port: Any, passing: list[tuple[str, int]]) -> None:
    for rules in ([ingress({"ports": [port]})], [egress({"ports": [port]})]):
        for protocol in ("TCP", "UDP"):
            for number in (5432, 5433):
                expected = (protocol, number) in passing
                assert allows(rules, WEB, DATABASE, number, protocol) == expected


def test_telling_ports() -> None:
    rules = [ingress({"ports": [{"port": 443}]}), egress({"ports": [{"port": 20, "endPort": 30}]})]
    assert telling_ports(rules, DATABASE) == [
        19,
        20,
        21,
        29,
        30,
        31,
        442,
        443,
        444,
        5431,
        5432,
        5433,
    ]
