"""Grants on scorers, which are beside those on their experiment."""

from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, Guarded, bearer

pytestmark = only_sqlite

_PATH = "/api/3.0/mlflow/scorers"
_GIVEN = {"name": "s/1", "serialized_scorer": "{}"}
_NAMED = {"name": "s/1"}


def _of(experiment: str) -> str:
    """How grants name the scorer."""
    return f"{experiment}/s%2F1"


@pytest.fixture
def mine(service: Guarded) -> str:
    """An experiment with a scorer of the administrator's."""
    made = service.experiment("mine")
    service.call(ADMIN, "POST", f"{_PATH}/register", experiment_id=made, **_GIVEN)
    return made


def _names(found: Any) -> list[str]:
    return [each["scorer_name"] for each in found.get("scorers", [])]


def test_who_registers_a_scorer_manages_it_until_it_is_deleted(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "EDIT"))
    of = {"experiment_id": mine, "name": "hers"}
    for _ in range(2):
        service.call("ann", "POST", f"{_PATH}/register", **of, serialized_scorer="{}")
    service.call("ann", "DELETE", f"{_PATH}/delete", **of, version=2)
    service.call("ann", "GET", f"{_PATH}/get", **of)
    service.call("ann", "DELETE", f"{_PATH}/delete", **of)
    service.call(ADMIN, "POST", f"{_PATH}/register", **of, serialized_scorer="{}")
    assert "MANAGE" in service.refusal("ann", "DELETE", f"{_PATH}/delete", **of)


def test_who_may_only_read_the_experiment_registers_nothing(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "READ"))
    service.refusal("ann", "POST", f"{_PATH}/register", experiment_id=mine, **_GIVEN)


@pytest.mark.parametrize("denied", ["scorer", "scorer_version"])
def test_scorer_that_is_denied_is_neither_read_nor_listed_nor_registered(
    service: Guarded, mine: str, denied: str
) -> None:
    pattern = _of(mine) if denied == "scorer" else "*"
    service.user("ann", ("experiment", mine, "EDIT"), (denied, pattern, "DENY"))
    of = {"experiment_id": mine, **_NAMED}
    for spelled in (mine, f"0{mine}"):
        for what in ("get", "versions"):
            service.refusal("ann", "GET", f"{_PATH}/{what}", **{**of, "experiment_id": spelled})
    service.refusal("ann", "POST", f"{_PATH}/register", experiment_id=mine, **_GIVEN)
    service.refusal("ann", "DELETE", f"{_PATH}/delete", **of)
    for query in ({}, {"experiment_id": mine}, {"experiment_ids": [mine]}):
        assert _names(service.call("ann", "GET", f"{_PATH}/list", **query)) == []


def test_scorers_are_listed_of_readable_experiments(service: Guarded, mine: str) -> None:
    theirs = service.experiment("theirs")
    service.call(ADMIN, "POST", f"{_PATH}/register", experiment_id=theirs, **_GIVEN)
    service.user("ann", ("experiment", theirs, "DENY"), ("scorer", "*", "READ"))
    service.grant("ann", ("experiment", mine, "READ"))
    found = service.call("ann", "GET", f"{_PATH}/list")
    assert [each["experiment_id"] for each in found["scorers"]] == [int(mine)]
    service.refusal("ann", "GET", f"{_PATH}/list", experiment_id=theirs)
    service.refusal("ann", "GET", f"{_PATH}/get", experiment_id=theirs, **_NAMED)


def test_one_version_is_deleted_by_who_manages_versions(service: Guarded, mine: str) -> None:
    of = {"experiment_id": mine, **_NAMED}
    service.user("ann", ("experiment", mine, "READ"), ("scorer", "*", "READ"))
    service.refusal("ann", "DELETE", f"{_PATH}/delete", **of, version=1)
    service.grant("ann", ("scorer_version", "*", "MANAGE"))
    service.refusal("ann", "DELETE", f"{_PATH}/delete", **of)
    service.call("ann", "DELETE", f"{_PATH}/delete", **of, version=1)


@pytest.mark.parametrize("who", ["ann", ADMIN])
def test_token_of_one_experiment_reaches_its_scorers_alone(
    service: Guarded, mine: str, who: str
) -> None:
    theirs = service.experiment("theirs")
    service.call(ADMIN, "POST", f"{_PATH}/register", experiment_id=theirs, **_GIVEN)
    if who != ADMIN:
        service.user(who, ("experiment", "*", "EDIT"), ("scorer", "*", "READ"))
    headers = bearer(service.token(who, experiments=[mine]))
    for experiment, status in ((mine, 200), (theirs, 403)):
        query = {"experiment_id": experiment, **_NAMED}
        answer = service.http.get(f"{_PATH}/get", params=query, headers=headers)
        assert answer.status_code == status, answer.text
    found = service.http.get(f"{_PATH}/list", headers=headers).json()
    assert [each["experiment_id"] for each in found["scorers"]] == [int(mine)]
    if who != ADMIN:
        service.grant(who, ("scorer", _of(mine), "DENY"))
        headers = bearer(service.token(who, experiments=[mine]))
        query = {"experiment_id": mine, **_NAMED}
        assert service.http.get(f"{_PATH}/get", params=query, headers=headers).status_code == 403


def test_name_that_no_grant_can_hold_is_refused(service: Guarded, mine: str) -> None:
    given = {"experiment_id": mine, "name": "é" * 100, "serialized_scorer": "{}"}
    status, answer = service.ask(ADMIN, "POST", f"{_PATH}/register", **given)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert _names(service.call(ADMIN, "GET", f"{_PATH}/list", experiment_id=mine)) == ["s/1"]


def test_correlations_tell_nothing_of_what_is_denied(service: Guarded, mine: str) -> None:
    path = "/api/3.0/mlflow/traces/calculate-filter-correlation"
    theirs = service.experiment("theirs")
    plain = {"filter_string1": "status = 'OK'", "filter_string2": "name = 'a'"}
    service.user("ann", ("experiment", mine, "READ"), ("assessment", "*", "DENY"))
    asked = {"experiment_ids": [mine], **plain}
    assert service.call("ann", "POST", path, **asked)["total_count"] == 0
    service.refusal("ann", "POST", path, **{**asked, "experiment_ids": [mine, theirs]})
    for field in ("filter_string1", "filter_string2", "base_filter"):
        service.refusal("ann", "POST", path, **{**asked, field: "feedback.good = 'yes'"})
