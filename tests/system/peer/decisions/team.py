"""Users of every kind, and what they share; made by MLflow's API on either server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

ADMIN = "admin"
PASSWORD = "correct horse battery"
"""Of each user."""

_PROMPT = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
_TIMEOUT = 60

Grants = tuple[tuple[str, str, str], ...]
"""Type, pattern and level of each; `${…}` in a pattern stands for an id."""


@dataclass(frozen=True)
class Member:
    """A user, with grants of his own and grants by a role."""

    own: Grants = ()
    role: Grants = ()
    asks: tuple[str, ...] = ("experiments", "registry", "accounts", "files")
    """What his requests are about, among what his grants decide: all would take minutes."""


MEMBERS: Mapping[str, Member] = {
    "plain": Member(),
    "reader": Member(
        own=(
            ("experiment", "${beta}", "READ"),
            ("registered_model", "m", "READ"),
            ("prompt", "p", "READ"),
        )
    ),
    "user-of-all": Member(
        asks=("experiments", "registry"),
        role=(
            ("experiment", "*", "USE"),
            ("registered_model", "*", "USE"),
            ("prompt", "*", "USE"),
        ),
    ),
    "editor": Member(
        asks=("experiments", "registry", "files"),
        own=(("experiment", "${beta}", "EDIT"), ("registered_model", "m", "EDIT")),
        role=(("prompt", "p", "EDIT"), ("experiment", "${alpha}", "DENY")),
    ),
    "manager": Member(
        own=(
            ("experiment", "${beta}", "MANAGE"),
            ("registered_model", "m", "MANAGE"),
            ("prompt", "p", "MANAGE"),
        )
    ),
    "denied": Member(
        asks=("experiments", "registry", "files"),
        own=(("experiment", "${beta}", "MANAGE"), ("prompt", "p", "MANAGE")),
        role=(
            ("experiment", "*", "EDIT"),
            ("experiment", "${beta}", "DENY"),
            ("registered_model", "m", "DENY"),
            ("prompt", "*", "DENY"),
        ),
    ),
    "of-runs": Member(
        asks=("experiments", "files"),
        role=(
            ("run", "*", "MANAGE"),
            ("logged_model", "*", "READ"),
            ("experiment", "${alpha}", "READ"),
        ),
    ),
    "not-of-runs": Member(
        asks=("experiments", "files"),
        own=(("experiment", "${beta}", "MANAGE"),),
        role=(("run", "*", "DENY"), ("logged_model", "*", "DENY")),
    ),
    "of-versions": Member(
        asks=("registry",),
        own=(("registered_model", "m", "READ"),),
        role=(("registered_model_version", "*", "MANAGE"), ("prompt_version", "*", "EDIT")),
    ),
    "not-of-versions": Member(
        asks=("registry",),
        own=(("registered_model", "m", "MANAGE"), ("prompt", "p", "MANAGE")),
        role=(("registered_model_version", "*", "DENY"), ("prompt_version", "*", "READ")),
    ),
    "no-maker": Member(
        asks=("experiments", "registry"),
        role=(
            ("experiment", "*", "DENY"),
            ("registered_model", "*", "DENY"),
            ("prompt", "*", "MANAGE"),
        ),
    ),
    "of-workspace": Member(
        own=(("experiment", "${beta}", "DENY"),),
        role=(("workspace", "*", "MANAGE"), ("registered_model", "*", "DENY")),
    ),
    "in-workspace": Member(asks=("accounts",), role=(("workspace", "*", "USE"),)),
}
"""All but the administrator."""


@dataclass
class Server:
    """One server, asked by any user."""

    url: str
    symbols: dict[str, str] = field(default_factory=dict)
    _clients: dict[str | None, httpx.Client] = field(default_factory=dict)

    def ask(
        self,
        by: str | None,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Send a request below `/api/2.0/mlflow/`, or to an absolute path, as a user or nobody."""
        client = self._clients.get(by)
        if client is None:
            auth = (by, PASSWORD) if by else None
            client = httpx.Client(auth=auth, trust_env=False, timeout=_TIMEOUT)
            self._clients[by] = client
        url = self.url + (path if path.startswith("/") else f"/api/2.0/mlflow/{path}")
        return client.request(method, url, json=body, params=dict(query or {}) or None)

    def must(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer to the administrator, which has to be 200."""
        answer = self.ask(ADMIN, method, path, body, query)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()


def fill(server: Server) -> dict[str, str]:
    """Make everything on a server that has nothing; returns the ids by name."""
    ids: dict[str, str] = {}
    for name in ("alpha", "beta"):
        ids[name] = server.must("POST", "experiments/create", {"name": name})["experiment_id"]
        _fill_experiment(server, name, ids)
    for name in ("m", "n"):
        server.must("POST", "registered-models/create", {"name": name})
        _version(server, name, ids["beta-run"])
    for name in ("p", "q"):
        server.must("POST", "registered-models/create", {"name": name, "tags": _PROMPT})
        _version(server, name, None)
    for number, (name, member) in enumerate(MEMBERS.items()):
        server.must("POST", "users/create", {"username": name, "password": PASSWORD})
        _grant(server, name, number, member, ids)
    return ids


def _fill_experiment(server: Server, name: str, ids: dict[str, str]) -> None:
    experiment = {"experiment_id": ids[name]}
    server.must("POST", "experiments/set-experiment-tag", {**experiment, "key": "k", "value": "v"})
    run = server.must("POST", "runs/create", {**experiment, "run_name": f"{name}-run"})
    run_id = ids[f"{name}-run"] = run["run"]["info"]["run_id"]
    server.must(
        "POST",
        "runs/log-batch",
        {
            "run_id": run_id,
            "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}],
            "params": [{"key": "p", "value": "1"}],
            "tags": [{"key": "k", "value": "v"}],
        },
    )
    made = server.must(
        "POST", "logged-models", {**experiment, "name": f"{name}-model", "source_run_id": run_id}
    )
    model_id = ids[f"{name}-model"] = made["model"]["info"]["model_id"]
    tags = {"tags": [{"key": "k", "value": "v"}]}
    server.must("PATCH", f"logged-models/{model_id}/tags", tags)
    ready = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
    server.must("PATCH", f"logged-models/{model_id}", ready)


def _version(server: Server, name: str, run_id: str | None) -> None:
    asked: dict[str, Any] = {"name": name, "tags": [{"key": "k", "value": "v"}]}
    if run_id:
        asked |= {"source": f"runs:/{run_id}/model", "run_id": run_id}
    else:
        asked |= {"source": "dummy-source", "tags": [*_PROMPT, *asked["tags"]]}
    server.must("POST", "model-versions/create", asked)
    server.must("POST", "registered-models/set-tag", {"name": name, "key": "k", "value": "v"})
    alias = {"name": name, "alias": "a", "version": "1"}
    server.must("POST", "registered-models/alias", alias)


def _grant(server: Server, name: str, number: int, member: Member, ids: dict[str, str]) -> None:
    for kind, pattern, level in member.own:
        asked = {"resource_type": kind, "resource_id": filled(pattern, ids), "permission": level}
        path = "/api/3.0/mlflow/users/permissions/grant"
        server.must("POST", path, {"username": name, **asked})
    if not member.role:
        return
    path = "/api/3.0/mlflow/roles"
    role = {"name": f"role-{number}", "workspace": "default"}
    role_id = server.must("POST", f"{path}/create", role)["role"]["id"]
    ids[f"role-of-{name}"] = str(role_id)
    for kind, pattern, level in member.role:
        asked = {"resource_type": kind, "resource_pattern": filled(pattern, ids)}
        granted = {"role_id": role_id, **asked, "permission": level}
        server.must("POST", f"{path}/permissions/add", granted)
    server.must("POST", f"{path}/assign", {"username": name, "role_id": role_id})


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """A value with the ids in place of `${…}`."""
    if isinstance(value, dict):
        return {key: filled(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if isinstance(value, str):
        for name, made in ids.items():
            value = value.replace(f"${{{name}}}", made)
    return value
