"""The examples of values render beside production values, and a cluster takes what they make."""

import pytest

from tests.kubernetes import chart, tools
from tests.kubernetes.schemas import check, check_restricted, pod_of
from tests.kubernetes.tools import CHART, Object

EXAMPLES = sorted(
    path.name.removesuffix("-values.yaml")
    for way in ("edge", "gateway")
    for path in (CHART / "examples").glob(f"{way}-*-values.yaml")
)
UNKNOWN = {"gateway.envoyproxy.io", "security.istio.io"}
"""Groups of which no package has types that can be read."""

every_example = pytest.mark.parametrize("name", EXAMPLES)


def render(name: str, *sets: str) -> list[Object]:
    path = CHART / "examples" / f"{name}-values.yaml"
    return tools.render_chart(chart.values("production"), path, sets=sets)


def group(obj: Object) -> str:
    return str(obj["apiVersion"]).rpartition("/")[0]


@every_example
def test_a_cluster_takes_every_object(name: str) -> None:
    for each in render(name):
        if group(each) not in UNKNOWN:
            check(each)
        if pod := pod_of(each):
            check_restricted(pod["spec"], pod["metadata"].get("annotations"))


@every_example
def test_both_hosts_are_asked_alike(name: str) -> None:
    """A route that nobody guards would be a way in past the other."""
    objects = render(name)
    ingresses = chart.of_kind(objects, "Ingress").values()
    routes = chart.of_kind(objects, "HTTPRoute").values()
    assert len(ingresses or routes) == 2
    asked = [each["metadata"].get("annotations") for each in ingresses]
    asked += [each["spec"]["rules"][0].get("filters") for each in routes]
    assert asked[0] == asked[1]
    if not asked[0]:
        policies = [each for each in objects if "targetRefs" in each.get("spec", {})]
        assert policies
        for policy in policies:
            _cover(policy, [each["metadata"]["name"] for each in routes])


def _cover(policy: Object, routes: list[str]) -> None:
    """Whether a policy holds for both routes: it names them, or their hosts at the Gateway."""
    targets = policy["spec"]["targetRefs"]
    if {each["kind"] for each in targets} == {"HTTPRoute"}:
        assert sorted(each["name"] for each in targets) == sorted(routes)
        return
    assert [each["kind"] for each in targets] == ["Gateway"]
    for rule in policy["spec"].get("rules", []):
        (to,) = rule["to"]
        assert {"mlflow.example.com", "artifacts.example.com"} <= set(to["operation"]["hosts"])


def test_authentication_by_a_middleware_names_one_that_is_there() -> None:
    objects = render("gateway-basic-traefik")
    (route, _) = chart.of_kind(objects, "HTTPRoute").values()
    (asked,) = route["spec"]["rules"][0]["filters"]
    named = asked["extensionRef"]
    assert chart.one(objects, named["kind"], named["name"])["metadata"]["namespace"] == "tandem"
