"""Real services, scraped by a real Prometheus as the chart's monitors tell it to.

Four pods: metadata and artifacts with one worker, and again with two. The first pair is scraped
through the ServiceMonitors, the second through the PodMonitors; and by its annotations too, under
another namespace.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from tests.harness import prometheus
from tests.harness.processes import eventually
from tests.harness.prometheus import Prometheus
from tests.kubernetes import chart, dashboard, node_metrics, schemas, traffic
from tests.kubernetes.monitors import Pod, scrape_by_annotations, scrape_of
from tests.kubernetes.promql import Matcher, Selector, alternatives, read
from tests.kubernetes.tools import CHART, NAMESPACE, Object
from tests.kubernetes.traffic import Exposition, exposition
from tests.receiver import Receiver, receiving
from tests.system import services
from tests.system.services import Stack

EXAMPLES = CHART / "examples"
VARIABLES = {"namespace": NAMESPACE, "service": ".*", "pod": ".*", "__rate_interval": "1m"}
TARGET_LABELS = {"namespace", "pod", "job", "instance"}
"""What every way of scraping gives; and `up` those of a Prometheus that takes pods' labels over."""
PODS_OWN = "app_kubernetes_io_name"
ANNOTATED = "annotated"

WITH_TLS: dict[str, dict[str, set[str]]] = {
    "tandem_tls_certificate_expiry_timestamp_seconds": {"use": {"server", "client"}}
}
"""What these services lack; tests/cluster/test_pod_tls.py asks some with TLS for it."""

_TARGETS = 7
"""Two by ServiceMonitors, two by PodMonitors, two by annotations, and one that tells of nodes."""

Values = dict[str, set[str]]


@dataclass(frozen=True)
class Watched:
    """Services that had all kinds of requests, and the Prometheus that watched."""

    prometheus: Prometheus
    one: tuple[Exposition, Exposition]
    """What metadata and artifacts with one worker each export."""
    two: tuple[Exposition, Exposition]
    at: float
    """When the last scrape after the last request was done, by the clock."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("watched")
    with contextlib.ExitStack() as running:
        receiver = running.enter_context(receiving())
        stacks = []
        for workers in ("1", "2"):
            folder = directory / workers
            folder.mkdir()
            database = f"sqlite:///{folder / 'mlflow.db'}"
            stack = services.stack(
                folder, database, str(folder / "artifacts"), "--workers", workers,
                variables=traffic.VARIABLES,
            )  # fmt: skip
            stacks.append(running.enter_context(stack))
        groups = _rules()["spec"]["groups"]
        told = running.enter_context(node_metrics.serving(containers(*stacks)))
        configs = [*scrape_configs(*stacks), node_metrics.scrape_config(told)]
        server = running.enter_context(prometheus.running(directory, configs, groups))
        eventually(lambda: [each["health"] for each in server.targets()] == ["up"] * _TARGETS)
        _send_twice(stacks, receiver, server)
        one, two = ((exposition(each.metadata), exposition(each.artifacts)) for each in stacks)
        yield Watched(server, one, two, time.time())


def _send_twice(stacks: list[Stack], receiver: Receiver, server: Prometheus) -> None:
    """With scrapes before, between and after: a rate needs two that see a difference."""
    for _ in range(2):
        for stack in stacks:
            traffic.send(stack, receiver)
        _wait_for_scrapes(server)


def _wait_for_scrapes(server: Prometheus) -> None:
    """Until every target has been scraped anew."""
    now = time.time()
    last = "count(timestamp(tandem_http_requests_in_flight) > {})"

    def scraped() -> bool:
        series = server.query(last.format(now))
        return bool(series) and series[0]["value"][1] == str(_TARGETS - 1)

    eventually(scraped)


def _monitored(*sets: str) -> list[Object]:
    return chart.render("production", *sets)


def _rules() -> Object:
    objects = _monitored("monitoring.prometheusRule.enabled=true")
    return chart.one(objects, "PrometheusRule", "tandem")


def scrape_configs(first: Stack, second: Stack) -> list[Object]:
    """Of both stacks, each another way."""
    configs = []
    by_service = _monitored("monitoring.serviceMonitor.enabled=true")
    by_pod = _monitored("monitoring.podMonitor.enabled=true")
    found = chart.of_kind(by_service, "Service").values()
    for monitor in chart.of_kind(by_service, "ServiceMonitor").values():
        configs.append(scrape_of(monitor, pods(by_service, first, "aaaaa"), found))
    for monitor in chart.of_kind(by_pod, "PodMonitor").values():
        configs.append(scrape_of(monitor, pods(by_pod, second, "bbbbb")))
    example = yaml.safe_load((EXAMPLES / "prometheus-scrape.yaml").read_text())
    annotated = scrape_by_annotations(example, pods(by_pod, second, "bbbbb"))
    for target in annotated["static_configs"]:
        target["labels"]["__meta_kubernetes_namespace"] = ANNOTATED
    return [*configs, annotated]


def containers(*stacks: Stack) -> list[node_metrics.Container]:
    """Of the pods of both stacks, what a node knows of them."""
    objects = chart.render("production")
    return [
        node_metrics.Container(NAMESPACE, pod.name, chart.container(pod.deployment), process.pid)
        for stack, suffix in zip(stacks, ("aaaaa", "bbbbb"), strict=True)
        for pod, process in zip(
            pods(objects, stack, suffix), (stack.metadata, stack.artifacts), strict=True
        )
    ]


def pods(objects: list[Object], stack: Stack, suffix: str) -> list[Pod]:
    """Both of a stack, as pods of the rendered Deployments."""
    own = f"6d4cf56db6-{suffix}"
    return [
        Pod(chart.one(objects, "Deployment", f"tandem-{name}"), process.url[7:], own)
        for name, process in (("metadata", stack.metadata), ("artifacts", stack.artifacts))
    ]


def rule_expressions() -> list[str]:
    rules = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@cache
def recorded() -> dict[str, set[str]]:
    """Of each recording rule the labels that it leaves; of ratios per target, the target's."""
    rules = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
    found = {}
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                found[rule["record"]] = set(read(rule["expr"]).labels) or TARGET_LABELS
    return found


def adapter_rules() -> list[dict[str, Any]]:
    """Those of the example for prometheus-adapter."""
    example = yaml.safe_load((EXAMPLES / "prometheus-adapter-values.yaml").read_text())
    rules: list[dict[str, Any]] = example["rules"]["custom"]
    return rules


def adapter_queries() -> list[str]:
    """What the adapter would ask for the artifacts pods."""
    queries = []
    for rule in adapter_rules():
        (selector,) = read(rule["seriesQuery"]).selectors
        asked = rule["metricsQuery"].replace("<<.Series>>", selector.metric)
        matchers = f'namespace="{NAMESPACE}",pod=~"tandem-artifacts-.+"'
        asked = asked.replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod")
        queries.append(asked)
    return queries


def keda_queries() -> list[str]:
    (scaled,) = chart.of_kind(chart.render("keda"), "ScaledObject").values()
    triggers = [each for each in scaled["spec"]["triggers"] if each["type"] == "prometheus"]
    return [each["metadata"]["query"] for each in triggers]


def panel_queries() -> list[str]:
    targets = [target for panel in dashboard.panels() for target in panel["targets"]]
    return [dashboard.filled(target["expr"], VARIABLES) for target in targets]


EVERY: dict[str, Callable[[], list[str]]] = {
    "rules": rule_expressions,
    "dashboard": panel_queries,
    "adapter": adapter_queries,
    "keda": keda_queries,
}


@pytest.mark.parametrize("of", EVERY)
def test_every_query_names_what_the_services_export(watched: Watched, of: str) -> None:
    queries = EVERY[of]()
    assert queries
    for text in queries:
        query = read(text)
        labels = set(TARGET_LABELS)
        for selector in query.selectors:
            values = _exported(watched, selector)
            labels |= set(values)
            for matcher in selector.matchers:
                if matcher.label not in TARGET_LABELS:
                    _check(matcher, values, text)
        assert query.labels <= labels, text


def _exported(watched: Watched, selector: Selector) -> Values:
    """The labels of a metric with the values that they had; fails when there is no such metric."""
    if selector.metric == "up":
        return {PODS_OWN: {"tandem"}}
    if selector.metric in recorded():
        known = recorded()[selector.metric]
        both = {"tandem-metadata", "tandem-artifacts"}
        found = _exported(watched, Selector("tandem_artifact_driver_duration_seconds_count", ()))
        return {label: both if label == "service" else found.get(label, set()) for label in known}
    if selector.metric in node_metrics.METRICS:
        known = {"container": set(chart.COMPONENTS), "resource": {"cpu", "memory"}}
        return {label: known.get(label, set()) for label in node_metrics.METRICS[selector.metric]}
    if selector.metric in WITH_TLS:
        return WITH_TLS[selector.metric]
    merged: Values = {}
    for stack in (watched.one, watched.two):
        holders = [service[selector.metric] for service in stack if selector.metric in service]
        assert holders, f"nobody exports {selector.metric}"
        for labels in holders:
            for label, values in labels.items():
                merged.setdefault(label, set()).update(values)
    return merged


def _check(matcher: Matcher, values: Values, text: str) -> None:
    """Whether each value that a matcher names, or each part of its expression, was there."""
    assert matcher.label in values, f"no label {matcher.label} in {text}"
    had = values[matcher.label]
    if matcher.operator in ("=", "!="):
        assert matcher.value in had, f"{matcher} in {text}: there were {had}"
        return
    for part in alternatives(matcher.value):
        assert any(re.fullmatch(part, value) for value in had), f"{part} in {text}: {had}"


def test_the_dashboard_finds_data_for_every_panel(watched: Watched) -> None:
    empty = []
    for panel in dashboard.panels():
        for target in panel["targets"]:
            series = watched.prometheus.query(
                dashboard.filled(target["expr"], VARIABLES), watched.at
            )
            if not any(math.isfinite(float(each["value"][1])) for each in series):
                empty.append((panel["title"], target["expr"]))
            named = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            for each in series:
                assert set(named) <= set(each["metric"]), (panel["title"], each["metric"])
    assert not empty


def test_the_dashboard_tells_the_services_apart(watched: Watched) -> None:
    only = {**VARIABLES, "service": "tandem-artifacts"}
    shown = dashboard.panels()[0]["targets"][0]["expr"]
    series = watched.prometheus.query(dashboard.filled(shown, only))
    assert [each["metric"]["service"] for each in series] == ["tandem-artifacts"]
    assert series[0]["value"][1] == "2"


def test_variables_offer_what_there_is(watched: Watched) -> None:
    offered = {}
    for name, variable in dashboard.variables().items():
        if variable["type"] == "query":
            asked = dashboard.filled(variable["query"]["query"], {"namespace": NAMESPACE, **ALL})
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", asked)
            assert match is not None, asked
            series = watched.prometheus.query(match[1])
            offered[name] = {each["metric"].get(match[2]) for each in series}
    assert offered["namespace"] == {NAMESPACE, ANNOTATED}
    assert offered["service"] == {"tandem-metadata", "tandem-artifacts"}
    assert len(offered["pod"]) == 4


ALL = {"service": ".*", "pod": ".*"}


def test_every_way_of_scraping_gives_the_labels_that_rules_go_by(watched: Watched) -> None:
    series = watched.prometheus.query("tandem_build_info")
    seen = {
        (labels["namespace"], labels["pod"], labels["job"], labels["service"])
        for labels in (each["metric"] for each in series)
    }
    parts = ("metadata", "artifacts")
    assert seen == {
        (namespace, f"tandem-{part}-6d4cf56db6-{suffix}", f"tandem-{part}", f"tandem-{part}")
        for part in parts
        for namespace, suffix in (
            (NAMESPACE, "aaaaa"), (NAMESPACE, "bbbbb"), (ANNOTATED, "bbbbb"),
        )
    }  # fmt: skip
    assert not watched.prometheus.query('{exported_service!=""}')
    assert not watched.prometheus.query('{__name__=~"tandem_db_.+", service!=""}')


def test_each_pod_is_scraped_once_a_way(watched: Watched) -> None:
    up = watched.prometheus.query('count by (namespace, job) (up{namespace!=""} == 1)')
    counts = {(each["metric"]["namespace"], each["metric"]["job"]): each["value"][1] for each in up}
    assert counts == {
        (NAMESPACE, "tandem-metadata"): "2",
        (NAMESPACE, "tandem-artifacts"): "2",
        (ANNOTATED, "tandem-metadata"): "1",
        (ANNOTATED, "tandem-artifacts"): "1",
    }


def test_the_rules_run_and_an_alert_of_theirs_reads_well(watched: Watched) -> None:
    eventually(lambda: all(rule["health"] == "ok" for rule in watched.prometheus.rules()))
    for window in ("5m", "30m", "1h", "6h", "3d"):
        for ratio in ("errors", "slow"):
            name = f"namespace_service:tandem_http_{ratio}_per_requests:ratio_rate{window}"
            for service in ("tandem-metadata", "tandem-artifacts"):
                if (ratio, service) == ("errors", "tandem-metadata"):
                    continue  # none of its requests failed
                series = watched.prometheus.query(f'{name}{{service="{service}"}}')
                assert [each["metric"]["namespace"] for each in series] == [NAMESPACE]
    firing = {
        alert["labels"]["alertname"]: alert
        for rule in watched.prometheus.rules()
        for alert in rule.get("alerts", [])
        if alert["state"] == "firing"
    }
    assert set(firing) == {"TandemWebhookDeliveriesGivenUp"}
    told = firing["TandemWebhookDeliveriesGivenUp"]["annotations"]
    assert told["summary"] == "tandem-metadata in tandem has given up deliveries to webhooks."
    assert re.match(r"About \d+ deliveries of the last 30 minutes", told["description"])


def test_an_hpa_asks_for_what_the_adapter_offers(watched: Watched) -> None:
    (hpa,) = (
        each
        for each in chart.of_kind(
            chart.render("custom-metrics"), "HorizontalPodAutoscaler"
        ).values()
        if each["metadata"]["name"].endswith("-artifacts")
    )
    asked = {
        metric["pods"]["metric"]["name"]
        for metric in hpa["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    offered = {rule["name"]["as"] for rule in adapter_rules()}
    assert asked == offered
    for rule in adapter_rules():
        (selector,) = read(rule["seriesQuery"]).selectors
        assert re.fullmatch(rule["name"]["matches"], selector.metric)
        assert watched.prometheus.query(rule["seriesQuery"])
    for query in (*adapter_queries(), *keda_queries()):
        series = watched.prometheus.query(query, watched.at)
        assert series, query
        assert all(math.isfinite(float(each["value"][1])) for each in series)
    for query in adapter_queries():
        named = {each["metric"]["pod"] for each in watched.prometheus.query(query)}
        assert named == {f"tandem-artifacts-6d4cf56db6-{each}" for each in ("aaaaa", "bbbbb")}


def test_a_monitor_of_another_release_finds_nothing() -> None:
    other = chart.render("production", "monitoring.serviceMonitor.enabled=true", release="tandem-2")
    own = chart.render("production")
    for monitor in chart.of_kind(other, "ServiceMonitor").values():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        for service in chart.of_kind(own, "Service").values():
            assert not wanted <= service["metadata"]["labels"].items()


def test_a_monitor_is_what_its_operator_takes() -> None:
    for kind in ("serviceMonitor", "podMonitor"):
        objects = _monitored(
            f"monitoring.{kind}.enabled=true",
            f"monitoring.{kind}.labels.release=kube-prometheus-stack",
            f"monitoring.{kind}.interval=15s",
            f"monitoring.{kind}.relabelings[0].targetLabel=cluster",
            f"monitoring.{kind}.relabelings[0].replacement=blue",
        )
        found = chart.of_kind(objects, kind[0].upper() + kind[1:])
        assert set(found) == {"tandem-metadata", "tandem-artifacts"}
        for monitor in found.values():
            schemas.check(monitor)
            assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
            (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
            assert endpoint["interval"] == "15s"
            assert endpoint["relabelings"][-1] == {"targetLabel": "cluster", "replacement": "blue"}
