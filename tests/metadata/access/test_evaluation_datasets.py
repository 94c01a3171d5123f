"""Who may read and change evaluation datasets: all of their experiments decide."""

from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, DENIED, Guarded

pytestmark = only_sqlite

PATH = "/api/3.0/mlflow/datasets"
READS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", ""): {},
    ("GET", "/records"): {},
    ("GET", "/experiment-ids"): {},
}
CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/tags"): {"tags": "{}"},
    ("POST", "/records"): {"records": "[]"},
}


def _dataset(service: Guarded, *experiments: str) -> str:
    given = {"name": "d", "experiment_ids": experiments}
    made = service.call(ADMIN, "POST", f"{PATH}/create", **given)
    return str(made["dataset"]["dataset_id"])


def _status(service: Guarded, method: str, path: str, **given: Any) -> int:
    status, answer = service.ask("alice", method, PATH + path, **given)
    if status == DENIED[0]:
        assert answer["message"].startswith("Permission denied")
    return status


@pytest.mark.parametrize(
    ("levels", "reads", "changes", "deletes"),
    [
        (("READ", "READ"), True, False, False),
        (("EDIT", "EDIT"), True, True, False),
        (("MANAGE", "MANAGE"), True, True, True),
        (("MANAGE", "EDIT"), True, True, False),
        (("MANAGE", "READ"), True, False, False),
        (("MANAGE", ""), False, False, False),
    ],
)
def test_all_experiments_of_a_dataset_decide(
    service: Guarded, levels: tuple[str, str], reads: bool, changes: bool, deletes: bool
) -> None:
    experiments = [service.experiment(name) for name in ("one", "two")]
    dataset = _dataset(service, *experiments)
    service.user("alice")
    for experiment, level in zip(experiments, levels, strict=True):
        if level:
            service.grant("alice", ("experiment", experiment, level))
    for requests, allowed in ((READS, reads), (CHANGES, changes)):
        for (method, path), given in requests.items():
            expected = 200 if allowed else DENIED[0]
            assert _status(service, method, f"/{dataset}{path}", **given) == expected, path
    assert _status(service, "DELETE", f"/{dataset}") == (200 if deletes else DENIED[0])


def test_a_dataset_of_no_experiment_is_the_administrators(service: Guarded) -> None:
    experiment = service.experiment("one")
    dataset = _dataset(service)
    service.user("alice")
    service.grant("alice", ("experiment", "*", "MANAGE"))
    for path in (dataset, "d-nobody"):
        assert _status(service, "GET", f"/{path}") == DENIED[0]
    for action, given in (("create", {"name": "d"}), ("search", {})):
        assert _status(service, "POST", f"/{action}", **given) == DENIED[0]
        given |= {"experiment_ids": [experiment]}
        assert _status(service, "POST", f"/{action}", **given) == 200
    assert service.ask(ADMIN, "GET", f"{PATH}/{dataset}")[0] == 200


def test_a_dataset_comes_only_into_experiments_that_may_be_changed(service: Guarded) -> None:
    mine, theirs = (service.experiment(name) for name in ("mine", "theirs"))
    dataset = _dataset(service, mine)
    service.user("alice")
    service.grant("alice", ("experiment", mine, "EDIT"), ("experiment", theirs, "READ"))
    path = f"/{dataset}/add-experiments"
    assert _status(service, "POST", path, experiment_ids=[theirs]) == DENIED[0]
    assert _status(service, "POST", path, experiment_ids=[]) == DENIED[0]
    service.grant("alice", ("experiment", theirs, "EDIT"))
    assert _status(service, "POST", path, experiment_ids=[theirs]) == 200
