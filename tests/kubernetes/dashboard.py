"""The Grafana dashboard, as data."""

import json
from collections.abc import Mapping
from typing import Any

from tests.kubernetes.tools import CHART

DASHBOARD = CHART / "files" / "dashboard.json"


def panels() -> list[dict[str, Any]]:
    """Its panels, without rows."""
    board = json.loads(DASHBOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables() -> dict[str, dict[str, Any]]:
    """Its variables by name."""
    found = json.loads(DASHBOARD.read_text())["templating"]["list"]
    return {variable["name"]: variable for variable in found}


def expressions() -> list[str]:
    """The queries of all panels and variables."""
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    return queries + [
        each["query"]["query"] for each in variables().values() if each["type"] == "query"
    ]


def filled(expression: str, values: Mapping[str, str]) -> str:
    """An expression as Grafana sends it, with these values of its variables."""
    for name, value in values.items():
        expression = expression.replace(f"${name}", value)
    return expression
