"""Roles' grants on a model's or prompt's name go with it, and a name never changes its kind."""

from collections.abc import Iterator
from typing import Any

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.settings import replace
from tests.metadata import answers, guarded
from tests.metadata.guarded import ADMIN, Guarded

FAMILIES = pytest.mark.parametrize("family", ["registered_model", "prompt"])
IS_PROMPT = "mlflow.prompt.is_prompt"
INVALID = (400, "INVALID_PARAMETER_VALUE")
ROLES = "/api/3.0/mlflow/roles"


def _role(service: Guarded, name: str, of: str, *granted: guarded.Granted) -> int:
    """The id of a new role, which a user has."""
    made = service.call(ADMIN, "POST", f"{ROLES}/create", name=name, workspace="default")
    role: int = made["role"]["id"]
    for kind, pattern, level in granted:
        given = {"resource_type": kind, "resource_pattern": pattern, "permission": level}
        service.call(ADMIN, "POST", f"{ROLES}/permissions/add", role_id=role, **given)
    service.call(ADMIN, "POST", f"{ROLES}/assign", role_id=role, username=of)
    return role


def _granted(service: Guarded, role: int) -> list[dict[str, Any]]:
    found = service.call(ADMIN, "GET", f"{ROLES}/permissions/list", role_id=role)
    listed: list[dict[str, Any]] = found["role_permissions"]
    return listed


def _registered(service: Guarded, family: str, name: str, of: str) -> str:
    return service.registered(name, of=of, prompt=family == "prompt")


def _reads(service: Guarded, user: str, name: str) -> bool:
    status, _ = service.ask(user, "GET", "registered-models/get", name=name)
    assert status in (200, 403)
    return status == 200


@pytest.fixture
def open_service(guarded_settings: Settings) -> Iterator[Guarded]:
    """The service where everybody reads what is not denied to him."""
    with guarded.running(replace(guarded_settings, auth_default_permission="READ")) as running:
        yield running


@FAMILIES
def test_roles_of_a_deleted_name_reach_nothing_that_gets_the_name(
    service: Guarded, family: str
) -> None:
    for user in ("ann", "bob", "eve"):
        service.user(user)
    _registered(service, family, "shared", "ann")
    other = _registered(service, family, "other", "ann")
    granted = [(family, each, "MANAGE") for each in ("shared", other)]
    role = _role(service, "team", "eve", *granted)
    assert _reads(service, "eve", "shared")
    service.call("ann", "DELETE", "registered-models/delete", name="shared")
    assert [each["resource_pattern"] for each in _granted(service, role)] == [other]
    _registered(service, family, "shared", "bob")
    service.refusal("eve", "GET", "registered-models/get", name="shared")
    service.refusal("eve", "DELETE", "registered-models/delete", name="shared")
    assert _reads(service, "eve", other)
    assert _reads(service, "bob", "shared")


@FAMILIES
def test_roles_grants_follow_a_new_name(service: Guarded, family: str) -> None:
    for user in ("ann", "bob", "eve"):
        service.user(user)
    _registered(service, family, "old", "ann")
    role = _role(service, "team", "eve", (family, "old", "EDIT"))
    (before,) = _granted(service, role)
    assert _reads(service, "eve", "old")
    service.call("eve", "POST", "registered-models/rename", name="old", new_name="new")
    assert _granted(service, role) == [{**before, "resource_pattern": "new"}]
    service.call("eve", "PATCH", "registered-models/update", name="new", description="d")
    _registered(service, family, "old", "bob")
    assert not _reads(service, "eve", "old")


@FAMILIES
def test_role_s_denial_follows_a_new_name(open_service: Guarded, family: str) -> None:
    for user in ("ann", "eve"):
        open_service.user(user)
    _registered(open_service, family, "old", "ann")
    _role(open_service, "kept-out", "eve", (family, "old", "DENY"))
    assert not _reads(open_service, "eve", "old")
    open_service.call("ann", "POST", "registered-models/rename", name="old", new_name="new")
    assert not _reads(open_service, "eve", "new")
    _registered(open_service, family, "old", "ann")
    assert _reads(open_service, "eve", "old")


def test_role_s_denial_of_the_new_name_outlasts_what_comes_with_the_old_one(
    service: Guarded,
) -> None:
    for user in ("ann", "eve"):
        service.user(user)
    service.registered("old", of="ann")
    granted = [("registered_model", "old", "MANAGE"), ("registered_model", "new", "DENY")]
    role = _role(service, "team", "eve", *granted)
    service.call("ann", "POST", "registered-models/rename", name="old", new_name="new")
    (left,) = _granted(service, role)
    assert (left["resource_pattern"], left["permission"]) == ("new", "DENY")
    assert not _reads(service, "eve", "new")


def test_rename_that_is_refused_leaves_roles_as_they_are(service: Guarded) -> None:
    service.user("eve")
    for name in ("old", "taken"):
        service.registered(name)
    role = _role(service, "team", "eve", ("registered_model", "old", "EDIT"))
    before = _granted(service, role)
    given = {"name": "old", "new_name": "taken"}
    assert service.ask("eve", "POST", "registered-models/rename", **given)[0] == 400
    service.call("eve", "POST", "registered-models/rename", name="old", new_name="old")
    assert _granted(service, role) == before


def _of_tag(
    service: Guarded, user: str, name: str, value: str | None, version: str | None = None
) -> tuple[int, Any]:
    """Set the mark of prompts, or delete it."""
    method, action = ("DELETE", "delete-tag") if value is None else ("POST", "set-tag")
    given = {"name": name, "key": IS_PROMPT}
    if value is not None:
        given["value"] = value
    if version:
        given["version"] = version
    family = "model-versions" if version else "registered-models"
    return service.ask(user, method, f"{family}/{action}", **given)


@pytest.mark.parametrize("user", ["editor", "ann", ADMIN])
def test_registered_model_is_made_no_prompt(service: Guarded, user: str) -> None:
    service.user("ann")
    service.registered("m", of="ann")
    service.user("editor", ("registered_model", "m", "EDIT"), ("prompt", "*", "MANAGE"))
    for value in ("true", "True"):
        *refused, message = answers.refusal(_of_tag(service, user, "m", value))
        assert tuple(refused) == INVALID
        assert f"Tag '{IS_PROMPT}' of 'm' cannot be changed" in message
    service.refusal("editor", "DELETE", "registered-models/delete", name="m")
    for same in ("false", "", None):
        assert _of_tag(service, user, "m", same)[0] == 200
    service.call("ann", "DELETE", "registered-models/delete", name="m")


@pytest.mark.parametrize("user", ["editor", "ann", ADMIN])
def test_prompt_is_made_no_registered_model(service: Guarded, user: str) -> None:
    service.user("ann")
    service.registered("p", of="ann", prompt=True)
    service.user("editor", ("prompt", "p", "EDIT"), ("registered_model", "*", "MANAGE"))
    for value in ("false", "", None):
        assert answers.refused(_of_tag(service, user, "p", value)) == INVALID
    service.refusal("editor", "DELETE", "registered-models/delete", name="p")
    # MLflow's client does so where a caller registers twice with the same dict of tags.
    assert _of_tag(service, user, "p", "true")[0] == 200
    other = {"name": "p", "key": "k", "value": "v"}
    service.call(user, "POST", "registered-models/set-tag", **other)
    service.call("ann", "DELETE", "registered-models/delete", name="p")


def test_roles_denial_is_not_escaped_by_a_change_of_kind(open_service: Guarded) -> None:
    for user in ("ann", "eve"):
        open_service.user(user)
    open_service.registered("m", of="ann")
    _role(open_service, "kept-out", "eve", ("registered_model", "m", "DENY"))
    assert answers.refused(_of_tag(open_service, "ann", "m", "true")) == INVALID
    assert not _reads(open_service, "eve", "m")


def test_version_keeps_its_kind_by_which_searches_decide_who_finds_it(service: Guarded) -> None:
    service.user("ann")
    service.user("eve", ("prompt", "*", "READ"))
    service.registered("m", of="ann")
    version = service.version("m", of="ann")
    assert answers.refused(_of_tag(service, "ann", "m", "true", version)) == INVALID
    assert _of_tag(service, "ann", "m", "false", version)[0] == 200
    asked = {"filter": f"tags.`{IS_PROMPT}` = 'true'"}
    assert not service.call("eve", "GET", "model-versions/search", **asked).get("model_versions")
    service.registered("p", of="ann", prompt=True)
    tags = [{"key": IS_PROMPT, "value": "true"}, {"key": "mlflow.prompt.text", "value": "t"}]
    version = service.version("p", of="ann", source="dummy-source", tags=tags)
    assert answers.refused(_of_tag(service, "ann", "p", None, version)) == INVALID
    assert _of_tag(service, "ann", "p", "true", version)[0] == 200
