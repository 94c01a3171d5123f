"""What the chart and kustomize render, a cluster takes, restricted and consistent in itself."""

from functools import cache

import pytest

from tests.kubernetes import consistency, tools
from tests.kubernetes.overlays import rendered
from tests.kubernetes.schemas import check, check_restricted, pod_of
from tests.kubernetes.tools import CHART, KUSTOMIZE, Object

MATRIX = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
FOLDERS = ["base", *sorted(f"overlays/{each.name}" for each in (KUSTOMIZE / "overlays").iterdir())]
RENDERED = [f"chart {each}" for each in MATRIX] + [f"kustomize {each}" for each in FOLDERS]

pytestmark = pytest.mark.parametrize("of", RENDERED)


@cache
def render(of: str) -> list[Object]:
    how, _, name = of.partition(" ")
    if how == "chart":
        return tools.render_chart(CHART / "ci" / name)
    return rendered(name)


def test_a_cluster_takes_every_object(of: str) -> None:
    objects = render(of)
    assert {each["metadata"]["name"] for each in consistency.of_kind(objects, "Deployment")}
    for each in objects:
        check(each)


def test_every_pod_is_restricted(of: str) -> None:
    for each in consistency.workloads(render(of)):
        pod = pod_of(each)
        assert pod is not None
        check_restricted(pod["spec"], pod["metadata"].get("annotations"))


def test_objects_agree_with_each_other(of: str) -> None:
    assert consistency.problems(render(of)) == []
