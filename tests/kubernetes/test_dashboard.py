"""The Grafana dashboard: its layout and variables. What its queries find, test_scrape.py asks."""

import itertools
import json
import re
from typing import Any

import pytest

from tests.kubernetes import chart, schemas
from tests.kubernetes.dashboard import DASHBOARD, expressions, panels, variables
from tests.kubernetes.promql import read

ROWS = [
    "Overview", "Metadata", "Database", "Traces", "Artifact transfers", "Webhooks", "Processes",
]  # fmt: skip
UNITS = {"short", "reqps", "ops", "percentunit", "s", "Bps", "bytes"}
"""Grafana's names of units: a wrong one is shown as text behind the number."""

PANELS = [pytest.param(panel, id=panel["title"]) for panel in panels()]


def test_it_is_grafanas_classic_model() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["schemaVersion"] >= 40
    assert board["uid"]
    assert "id" not in board, "Grafana gives it"
    assert "__inputs" not in board, "only for imports by hand"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in panels()]
    assert len(set(titles)) == len(titles)
    assert [panel["title"] for panel in board["panels"] if panel["type"] == "row"] == ROWS


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    places = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        columns, lines = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        assert columns.stop <= 24, panel["title"]
        taken = set(itertools.product(columns, lines))
        assert not taken & places, panel["title"]
        places |= taken


def test_every_row_has_panels() -> None:
    types = [panel["type"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    assert types[-1] != "row"
    assert all(pair != ("row", "row") for pair in itertools.pairwise(types))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["type"] in ("timeseries", "stat")
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["legendFormat"]
        named = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        aggregated = re.search(r"\bby \(", target["expr"])
        assert not aggregated or set(named) <= read(substituted(target["expr"])).labels


@pytest.mark.parametrize("panel", PANELS)
def test_every_selector_goes_by_the_variables(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for selector in read(substituted(target["expr"])).selectors:
            matchers = {each.label: (each.operator, each.value) for each in selector.matchers}
            assert matchers["namespace"] == ("=~", "$namespace")
            assert matchers["pod"] == ("=~", "$pod")
            if selector.metric.startswith("tandem_http_"):
                assert matchers["service"] in (("=~", "$service"), ("=", "tandem-metadata"))
        assert "[$__rate_interval]" in target["expr"] or "rate(" not in target["expr"]


def test_variables_follow_one_another() -> None:
    found = variables()
    assert list(found) == ["datasource", "namespace", "service", "pod"]
    assert found.pop("datasource")["type"] == "datasource"
    known: set[str] = set()
    for name, variable in found.items():
        assert variable["type"] == "query"
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["multi"]
        assert variable["allValue"] == ".*"
        assert set(re.findall(r"\$(\w+)", variable["query"]["query"])) == known
        assert variable["query"]["query"].endswith(f", {name})")
        known.add(name)


def test_queries_use_no_other_variables() -> None:
    used = {name for each in expressions() for name in re.findall(r"\$(\w+)", each)}
    assert used == {"namespace", "service", "pod", "__rate_interval"}


def test_the_chart_gives_it_to_grafanas_sidecar() -> None:
    objects = chart.render("production", "monitoring.dashboard.enabled=true")
    config_map = chart.one(objects, "ConfigMap", "tandem-dashboard")
    schemas.check(config_map)
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = config_map["data"].values()
    assert json.loads(text) == json.loads(DASHBOARD.read_text())


def substituted(expression: str) -> str:
    """With a duration in place of Grafana's, which is no PromQL."""
    return expression.replace("$__rate_interval", "1m")
