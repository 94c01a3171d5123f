"""The alerting and recording rules: what promtool says, and what the reader of an alert needs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.prometheus import promtool
from tests.kubernetes import chart, schemas
from tests.kubernetes.promql import Selector, read
from tests.kubernetes.tools import CHART, ROOT

RULES = CHART / "files" / "rules.yaml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
RULE: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in RULE if "alert" in rule]
RECORDED = {rule["record"]: rule["expr"] for rule in RULE if "record" in rule}
UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))

_WINDOW = re.compile(r"\[\w+\]")
_OF_TARGETS = {"namespace", "pod", "instance", "job"}
"""Labels that Prometheus gives every series of a pod."""


def name(rule: dict[str, Any]) -> str:
    labels = rule["labels"]
    return f"{rule['alert']}-{labels['severity']}-{labels.get('service', 'any')}"


def selectors(rule: dict[str, Any]) -> tuple[Selector, ...]:
    return read(rule["expr"]).selectors


def rendered(*sets: str, **options: Any) -> dict[str, Any]:
    objects = chart.render("production", "monitoring.prometheusRule.enabled=true", *sets, **options)
    (rule,) = chart.of_kind(objects, "PrometheusRule").values()
    schemas.check(rule)
    return rule


def test_promtool_finds_nothing_wrong() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in UNIT_TESTS])
def test_alerts_fire_on_bad_data_and_are_silent_on_good(path: Path) -> None:
    promtool("test", "rules", path)


def cases() -> list[dict[str, Any]]:
    tests = [test for path in UNIT_TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    return [case for test in tests for case in test["promql_expr_test"]]


@pytest.mark.parametrize("alert", [pytest.param(alert, id=name(alert)) for alert in ALERTS])
def test_every_alert_is_tested_both_ways(alert: dict[str, Any]) -> None:
    expected = {"alertname": alert["alert"], "severity": alert["labels"]["severity"]}
    if "service" in alert["labels"]:
        expected["service"] = alert["labels"]["service"]
    fires = silent = False
    for case in cases():
        for sample in case["exp_samples"]:
            (found,) = read(sample["labels"]).selectors
            labels = {each.label: each.value for each in found.matchers}
            fires |= labels.get("alertstate") == "firing" and expected.items() <= labels.items()
        asked = {each.label: each.value for each in read(case["expr"]).selectors[0].matchers}
        asked.pop("alertstate", None)
        narrower = asked.items() <= {**expected, "namespace": asked.get("namespace")}.items()
        silent |= not case["exp_samples"] and "alertname" in asked and narrower
    assert fires, "no test in which it fires"
    assert silent, "no test in which it is silent"


@pytest.mark.parametrize("alert", [pytest.param(alert, id=name(alert)) for alert in ALERTS])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Tandem([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in ("critical", "warning")
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith(".")
    assert len(annotations["description"].split(". ")) >= 2, "what is, and what to do"
    page = chart.default_values()["monitoring"]["prometheusRule"]["runbook"]
    assert page.startswith("https://"), "a relative address leads nowhere from a notification"
    assert page.endswith("/docs/operations.md")
    assert annotations["runbook_url"] == f"{page}#{alert['alert'].lower()}"


@pytest.mark.parametrize("alert", sorted({alert["alert"] for alert in ALERTS}))
def test_the_runbook_has_a_section_for_every_alert(alert: str) -> None:
    headings = re.findall(r"(?m)^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text())
    assert alert in [heading.strip("`") for heading in headings]


@pytest.mark.parametrize("alert", [pytest.param(alert, id=name(alert)) for alert in ALERTS])
def test_annotations_name_only_labels_that_the_alert_has(alert: dict[str, Any]) -> None:
    """An aggregation leaves the labels of its `by`; else those of the target stay."""
    given = set(alert["labels"])
    for selector in selectors(alert):
        source = RECORDED.get(selector.metric, selector.metric)
        grouped = set(re.findall(r"by \(([^)]*)\)", source + alert["expr"]))
        if grouped:
            given |= {label.strip() for each in grouped for label in each.split(",")}
        else:
            given |= _OF_TARGETS | {"direction"}
    if alert["expr"].startswith("absent("):
        given = {"service"}
    used = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))
    assert used <= given


def test_every_selector_names_the_namespace_that_the_chart_fills_in() -> None:
    for rule in RULE:
        text = rule["expr"]
        assert text.count('namespace=~".*"') == len(selectors(rule)), text


def test_windows_of_one_ratio_differ_in_nothing_else() -> None:
    families: dict[str, set[str]] = {}
    for record, expression in RECORDED.items():
        (window,) = set(_WINDOW.findall(expression)) or {""}
        if window:
            assert record.endswith(window.strip("[]")), f"{record} is over {window}"
        family = re.sub(r"\d+[mhd]$", "", record)
        families.setdefault(family, set()).add(_WINDOW.sub("[…]", expression))
    assert {family: len(texts) for family, texts in families.items()} == dict.fromkeys(families, 1)


def test_alerts_use_what_is_recorded_and_all_of_it() -> None:
    used = {selector.metric for alert in ALERTS for selector in selectors(alert)}
    assert {metric for metric in used if ":" in metric} == set(RECORDED)


def test_the_chart_takes_the_rules_over_as_they_are() -> None:
    groups = rendered()["spec"]["groups"]
    for group in groups:
        for rule in group["rules"]:
            assert 'namespace=~"' not in rule["expr"]
            rule["expr"] = rule["expr"].replace('namespace="tandem"', 'namespace=~".*"')
            rule["expr"] = rule["expr"].replace('job=~"tandem-(', 'job=~".*tandem.*-(')
    assert groups == GROUPS


def test_the_chart_writes_its_namespace_targets_objectives_and_runbook(tmp_path: Path) -> None:
    objectives = {
        "metadata": {"availability": 0.9995, "latency": 0.98},
        "artifacts": {"availability": 0.95, "latency": 0.97},
    }
    rule = rendered(
        "monitoring.prometheusRule.runbook=https://wiki.example.com/tandem",
        "fullnameOverride=mlflow",
        namespace="prod",
        arguments=(
            "--set-json",
            f"monitoring.prometheusRule.objectives={json.dumps(objectives)}",
        ),
    )
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    written: dict[str, set[str]] = {}
    for group in rule["spec"]["groups"]:
        for each in group["rules"]:
            for selector in selectors(each):
                matcher = selector.matcher("namespace")
                assert matcher is not None
                assert (matcher.operator, matcher.value) == ("=", "prod")
            found = set(re.findall(r"\(1 - ([0-9.]+)\)", each["expr"]))
            written.setdefault(group["name"], set()).update(found)
            if "alert" in each:
                wiki = f"https://wiki.example.com/tandem#{each['alert'].lower()}"
                assert each["annotations"]["runbook_url"] == wiki
    assert {group: texts for group, texts in written.items() if texts} == {
        "tandem-metadata-errors-objective": {"0.9995"},
        "tandem-metadata-latency-objective": {"0.98"},
        "tandem-artifacts-errors-objective": {"0.95"},
        "tandem-artifacts-latency-objective": {"0.97"},
    }
    assert 'job=~"mlflow-(metadata|artifacts)"' in path.read_text()
