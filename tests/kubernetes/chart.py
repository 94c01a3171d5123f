"""The chart under the values of its own matrix, and how tests look into what it renders."""

import copy
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes import tools
from tests.kubernetes.tools import CHART, Object

MATRIX = tuple(
    sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
)
COMPONENTS = {"metadata": 5000, "artifacts": 5500}
"""Each with the port that its container listens on."""


def values(name: str) -> Path:
    """The values file of an entry of the matrix."""
    return CHART / "ci" / f"{name}-values.yaml"


def render(name: str, *sets: str, **options: Any) -> list[Object]:
    """The objects under an entry of the matrix and further `--set` arguments."""
    return copy.deepcopy(_rendered(name, sets, tuple(sorted(options.items()))))


@cache
def _rendered(name: str, sets: tuple[str, ...], options: tuple[tuple[str, Any], ...]) -> Any:
    return tools.render_chart(values(name), sets=sets, **dict(options))


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind by their names."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def tests_of(objects: Iterable[Object]) -> list[Object]:
    """What is there only as long as helm test runs."""
    annotated = ((each, each["metadata"].get("annotations") or {}) for each in objects)
    return [each for each, annotations in annotated if annotations.get("helm.sh/hook") == "test"]


def standing_policies(objects: Iterable[Object]) -> list[Object]:
    """The NetworkPolicies that hold all the time, without those of helm test."""
    given = list(objects)
    passing = tests_of(given)
    return [each for each in given if each["kind"] == "NetworkPolicy" and each not in passing]


def one(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The object of that kind and name; KeyError if there is none."""
    return of_kind(objects, kind)[name]


def container(workload: Object) -> Object:
    """The first container of a workload: the service itself, before sidecars."""
    first: Object = workload["spec"]["template"]["spec"]["containers"][0]
    return first


def flag(workload: Object, name: str) -> str:
    """The value of a flag among a container's arguments, which must be there once."""
    arguments = container(workload)["args"]
    assert arguments.count(name) == 1, (name, arguments)
    value: str = arguments[arguments.index(name) + 1]
    return value


def default_values() -> Object:
    """What values.yaml says."""
    loaded: Object = yaml.safe_load((CHART / "values.yaml").read_text())
    return loaded
