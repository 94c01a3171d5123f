"""Requests of the administrator about accounts, whose whole answers are compared."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx

from tests.system.peer.decisions.team import ADMIN, PASSWORD, Server, filled

_V3 = "/api/3.0/mlflow"
_ROLES = f"{_V3}/roles"
_GRANTED = f"{_V3}/users/permissions"
_ROLE = {"role_id": "${role-of-editor}"}
_ALL = {"resource_type": "experiment", "resource_pattern": "*", "permission": "READ"}
_BETA = {"username": "reader", "resource_type": "experiment", "resource_id": "${beta}"}
_UNKNOWN = {"role_id": 9999}
_OF_OLD_CLIENTS = ("experiment_permissions", "registered_model_permissions")

REQUESTS: dict[str, tuple[str, str, Any]] = {
    "who am I": ("GET", "users/current", {}),
    "a user": ("GET", "users/get", {"username": "reader"}),
    "an unknown user": ("GET", "users/get", {"username": "none"}),
    "no user": ("GET", "users/get", {}),
    "all users": ("GET", "users/list", {}),
    "roles of a user": ("GET", f"{_V3}/users/roles/list", {"username": "editor"}),
    "roles of nobody": ("GET", f"{_V3}/users/roles/list", {"username": "none"}),
    "grants of a user": ("GET", f"{_GRANTED}/list", {"username": "editor"}),
    "grants of oneself": ("GET", f"{_V3}/users/current/permissions", {}),
    "all roles": ("GET", f"{_ROLES}/list", {}),
    "roles of another workspace": ("GET", f"{_ROLES}/list", {"workspace": "none"}),
    "a role": ("GET", f"{_ROLES}/get", _ROLE),
    "a role by a word": ("GET", f"{_ROLES}/get", {"role_id": "x"}),
    "an unknown role": ("GET", f"{_ROLES}/get", _UNKNOWN),
    "no role": ("GET", f"{_ROLES}/get", {}),
    "grants of a role": ("GET", f"{_ROLES}/permissions/list", _ROLE),
    "users of a role": ("GET", f"{_ROLES}/users/list", _ROLE),
    "a level": ("GET", f"{_GRANTED}/get", _BETA),
    "a level on the workspace": ("GET", f"{_GRANTED}/get", {**_BETA, "resource_type": "workspace"}),
    "a level on a thing": ("GET", f"{_GRANTED}/get", {**_BETA, "resource_type": "thing"}),
    "a level of nobody": ("GET", f"{_GRANTED}/get", {**_BETA, "username": "none"}),
    "create a user": ("POST", "users/create", {"username": "one", "password": PASSWORD}),
    "create him again": ("POST", "users/create", {"username": "one", "password": PASSWORD}),
    "create with a short password": (
        "POST",
        "users/create",
        {"username": "x", "password": "short"},
    ),
    "create without a password": ("POST", "users/create", {"username": "x"}),
    "create without a name": ("POST", "users/create", {"password": PASSWORD}),
    "make him an administrator": (
        "PATCH",
        "users/update-admin",
        {"username": "one", "is_admin": True},
    ),
    "make nobody one": ("PATCH", "users/update-admin", {"username": "none", "is_admin": True}),
    "change his password": (
        "PATCH",
        "users/update-password",
        {"username": "one", "password": "another long password"},
    ),
    "change it to a short one": (
        "PATCH",
        "users/update-password",
        {"username": "one", "password": "short"},
    ),
    "change nobody's": (
        "PATCH",
        "users/update-password",
        {"username": "none", "password": PASSWORD},
    ),
    "change one's own": (
        "PATCH",
        "users/update-password",
        {"username": ADMIN, "password": "another long password"},
    ),
    "change one's own by a wrong one": (
        "PATCH",
        "users/update-password",
        {"username": ADMIN, "password": PASSWORD, "current_password": "a wrong password"},
    ),
    "change one's own to the same": (
        "PATCH",
        "users/update-password",
        {"username": ADMIN, "password": PASSWORD, "current_password": PASSWORD},
    ),
    "delete oneself": ("DELETE", "users/delete", {"username": ADMIN}),
    "delete him": ("DELETE", "users/delete", {"username": "one"}),
    "delete him again": ("DELETE", "users/delete", {"username": "one"}),
    "create a role": (
        "POST",
        f"{_ROLES}/create",
        {"name": "r", "workspace": "default", "description": "d"},
    ),
    "create it again": ("POST", f"{_ROLES}/create", {"name": "r", "workspace": "default"}),
    "create one without a name": ("POST", f"{_ROLES}/create", {"workspace": "default"}),
    "create one of blanks": ("POST", f"{_ROLES}/create", {"name": " ", "workspace": "default"}),
    "create one without a workspace": ("POST", f"{_ROLES}/create", {"name": "s"}),
    "create one of a user": (
        "POST",
        f"{_ROLES}/create",
        {"name": "__user_x", "workspace": "default"},
    ),
    "rename a role to another's": ("PATCH", f"{_ROLES}/update", {**_ROLE, "name": "r"}),
    "rename a role to a user's": ("PATCH", f"{_ROLES}/update", {**_ROLE, "name": "__user_1__"}),
    "describe a role": ("PATCH", f"{_ROLES}/update", {**_ROLE, "description": "new"}),
    "change nothing of a role": ("PATCH", f"{_ROLES}/update", _ROLE),
    "change an unknown role": ("PATCH", f"{_ROLES}/update", {**_UNKNOWN, "name": "x"}),
    "delete an unknown role": ("DELETE", f"{_ROLES}/delete", _UNKNOWN),
    "add a grant": ("POST", f"{_ROLES}/permissions/add", {**_ROLE, **_ALL}),
    "add it again": ("POST", f"{_ROLES}/permissions/add", {**_ROLE, **_ALL}),
    "add one to an unknown role": ("POST", f"{_ROLES}/permissions/add", {**_UNKNOWN, **_ALL}),
    "add one of no level": (
        "POST",
        f"{_ROLES}/permissions/add",
        {**_ROLE, **_ALL, "permission": "NO_PERMISSIONS"},
    ),
    "add one on a thing": (
        "POST",
        f"{_ROLES}/permissions/add",
        {**_ROLE, **_ALL, "resource_type": "thing"},
    ),
    "add one on a run": (
        "POST",
        f"{_ROLES}/permissions/add",
        {**_ROLE, **_ALL, "resource_type": "run", "resource_pattern": "x"},
    ),
    "add one to read a workspace": (
        "POST",
        f"{_ROLES}/permissions/add",
        {**_ROLE, **_ALL, "resource_type": "workspace"},
    ),
    "change an unknown grant": (
        "PATCH",
        f"{_ROLES}/permissions/update",
        {"role_permission_id": 9999, "permission": "READ"},
    ),
    "remove an unknown grant": (
        "DELETE",
        f"{_ROLES}/permissions/remove",
        {"role_permission_id": 9999},
    ),
    "assign a role": ("POST", f"{_ROLES}/assign", {**_ROLE, "username": "plain"}),
    "assign it again": ("POST", f"{_ROLES}/assign", {**_ROLE, "username": "plain"}),
    "assign it to nobody": ("POST", f"{_ROLES}/assign", {**_ROLE, "username": "none"}),
    "assign an unknown role": ("POST", f"{_ROLES}/assign", {**_UNKNOWN, "username": "plain"}),
    "unassign it": ("DELETE", f"{_ROLES}/unassign", {**_ROLE, "username": "plain"}),
    "unassign it again": ("DELETE", f"{_ROLES}/unassign", {**_ROLE, "username": "plain"}),
    "grant what is granted": ("POST", f"{_GRANTED}/grant", {**_BETA, "permission": "EDIT"}),
    "grant nobody": (
        "POST",
        f"{_GRANTED}/grant",
        {**_BETA, "username": "none", "permission": "EDIT"},
    ),
    "grant no level": ("POST", f"{_GRANTED}/grant", {**_BETA, "permission": "NONE"}),
    "revoke it": ("POST", f"{_GRANTED}/revoke", _BETA),
    "revoke it again": ("POST", f"{_GRANTED}/revoke", _BETA),
    "grant it again": ("POST", f"{_GRANTED}/grant", {**_BETA, "permission": "READ"}),
}
"""Method, path, and the query of a GET or the body, by name, in this order."""


def answers(server: Server, ids: Mapping[str, str]) -> dict[str, str]:
    """What a server answers: the status and the whole body, or the code of an error."""
    found = {}
    for name, (method, path, fields) in REQUESTS.items():
        given = filled(fields, ids)
        query, body = (given, None) if method == "GET" else (None, given)
        found[name] = _shown(server.ask(ADMIN, method, path, body, query))
    return found


def _shown(answer: httpx.Response) -> str:
    body = answer.json()
    if answer.status_code != 200:
        return f"{answer.status_code} {body['error_code']}"
    for field in _OF_OLD_CLIENTS:
        body.get("user", {}).pop(field, None)
    return f"200 {json.dumps(_ordered(body), sort_keys=True)}"


def _ordered(value: Any) -> Any:
    """Lists in one order: MLflow promises none."""
    if isinstance(value, dict):
        return {key: _ordered(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=partial(json.dumps, sort_keys=True))
    return value
