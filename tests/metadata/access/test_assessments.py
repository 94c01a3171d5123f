"""Who may assess traces, and read, change and delete assessments."""

from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import DENIED, Granted, Guarded
from tests.metadata.traces import rows

pytestmark = only_sqlite

TRACE = f"tr-{1:032x}"
OF_TRACE = f"/api/3.0/mlflow/traces/{TRACE}/assessments"
ONE = f"{OF_TRACE}/a-one"
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "create": ("POST", OF_TRACE, {"assessment": {"feedback": {"value": True}}}),
    "read": ("GET", ONE, {}),
    "change": ("PATCH", ONE, {"assessment": {}, "update_mask": "rationale"}),
    "delete": ("DELETE", ONE, {}),
}


@pytest.fixture
def experiment(service: Guarded) -> str:
    """An experiment with an assessed trace; another one is somebody else's."""
    made = service.experiment("mine")
    with service.database.write() as conn:
        rows.trace(conn, TRACE, experiment_id=int(made))
        rows.assessment(conn, TRACE, "one", "yes")
    return made


def _allowed(service: Guarded, name: str) -> set[str]:
    allowed = set()
    for what, (method, path, given) in REQUESTS.items():
        status, answer = service.ask(name, method, path, **given)
        if status == DENIED[0]:
            assert answer["message"].startswith("Permission denied")
        else:
            assert status == 200, answer
            allowed.add(what)
    return allowed


ALL = {"create", "read", "change", "delete"}


@pytest.mark.parametrize(
    ("grants", "allowed"),
    [
        ({"experiment": "READ"}, {"read"}),
        ({"experiment": "EDIT"}, ALL),
        ({"experiment": "READ", "trace": "EDIT"}, {"create", "read"}),
        ({"experiment": "EDIT", "trace": "READ"}, ALL),
        ({"experiment": "EDIT", "trace": "DENY"}, set()),
        ({"experiment": "READ", "assessment": "EDIT"}, {"read", "change"}),
        ({"experiment": "READ", "assessment": "MANAGE"}, {"read", "change", "delete"}),
        ({"experiment": "EDIT", "assessment": "READ"}, {"create", "read"}),
        ({"experiment": "EDIT", "assessment": "EDIT"}, {"create", "read", "change"}),
        ({"experiment": "MANAGE", "assessment": "DENY"}, set()),
        ({"assessment": "MANAGE", "trace": "MANAGE"}, set()),
    ],
)
@pytest.mark.parametrize("everywhere", [True, False])
def test_experiment_trace_and_assessment_decide_together(
    service: Guarded, experiment: str, grants: dict[str, str], allowed: set[str], everywhere: bool
) -> None:
    given: list[Granted] = [
        (kind, experiment if kind == "experiment" and not everywhere else "*", level)
        for kind, level in grants.items()
    ]
    service.user("ann", *given)
    assert _allowed(service, "ann") == allowed


@pytest.mark.parametrize("trace_id", [TRACE, f"tr-{2:032x}"])
def test_a_trace_that_is_not_readable_is_refused_as_one_that_does_not_exist(
    service: Guarded, experiment: str, trace_id: str
) -> None:
    service.user("ann", ("experiment", service.experiment("other"), "MANAGE"))
    for method, path, given in REQUESTS.values():
        message = service.refusal("ann", method, path.replace(TRACE, trace_id), **given)
        assert message == (
            f"Permission denied: this needs READ on trace {trace_id}, which user 'ann' lacks."
        )


def test_denied_assessments_do_not_come_with_a_trace(service: Guarded, experiment: str) -> None:
    service.user("ann", ("experiment", experiment, "MANAGE"), ("assessment", "*", "DENY"))
    location = {"mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": TRACE, "trace_location": location}
    path = "/api/3.0/mlflow/traces"
    service.call("ann", "POST", path, trace={"trace_info": info})
    assessed = {**info, "assessments": [{"feedback": {"value": 1}}]}
    message = service.refusal("ann", "POST", path, trace={"trace_info": assessed})
    assert message == "Permission denied: user 'ann' is denied new assessments."
