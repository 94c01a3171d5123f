"""The requests that each user sends; `${…}` stands for an id, `${me}` for the user's name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.system.peer.decisions.team import PASSWORD

Undo = tuple[str, str, Any]
"""A request of the administrator that makes undone what was allowed: method, path, body."""

Shown = Callable[[Any], list[str]]
"""What an answer shows of what there is."""


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] | None = None
    undo: tuple[Undo, ...] = ()
    shown: Shown | None = None
    files: bool = False
    """Whether it needs the artifacts service, which is not there: only refusals count."""


def _get(path: str, **query: Any) -> Ask:
    return Ask("GET", path, query=query)


def _post(path: str, *undo: Undo, **body: Any) -> Ask:
    return Ask("POST", path, body, undo=undo)


def _patch(path: str, *undo: Undo, **body: Any) -> Ask:
    return Ask("PATCH", path, body, undo=undo)


def _delete(path: str, *undo: Undo, **body: Any) -> Ask:
    return Ask("DELETE", path, body, undo=undo)


def _names(field: str, key: str = "name") -> Shown:
    def names(body: Any) -> list[str]:
        return sorted(str(each[key]) for each in body.get(field, ()))

    return names


def _runs(body: Any) -> list[str]:
    return sorted(each["info"]["run_id"] for each in body.get("runs", ()))


def _models(body: Any) -> list[str]:
    return sorted(each["info"]["model_id"] for each in body.get("models", ()))


def _versions(body: Any) -> list[str]:
    return sorted(f"{each['name']}/{each['version']}" for each in body.get("model_versions", ()))


def _users(body: Any) -> list[str]:
    return sorted(
        f"{each['username']}: {', '.join(sorted(role['name'] for role in each['roles']))}"
        for each in body["users"]
        if not each["username"].startswith("new-")
    )


def _held(body: Any) -> list[str]:
    rows = (*body["permissions"],)
    return sorted(
        f"{row['role_name']} {row['resource_type']} {row['permission']}"
        for row in rows
        if "new-" not in row["resource_pattern"]
    )


def _told(body: Any) -> list[str]:
    return [str(body["allowed"]), body["permission"]]


_V3 = "/api/3.0/mlflow"
_TAG = {"key": "k", "value": "v"}
_PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}
_IN_BETA = {"experiment_id": "${beta}"}
_RUN = {"run_id": "${beta-run}"}
_MISSING = "0" * 32
_METRIC = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
_MODEL = "logged-models/${beta-model}"
_PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"
_SET_TAG: Undo = ("POST", "runs/set-tag", {**_RUN, **_TAG})

EXPERIMENTS: dict[str, Ask] = {
    "get alpha": _get("experiments/get", experiment_id="${alpha}"),
    "get beta": _get("experiments/get", **_IN_BETA),
    "get beta by name": _get("experiments/get-by-name", experiment_name="beta"),
    "get a missing experiment": _get("experiments/get", experiment_id="98765"),
    "get a missing name": _get("experiments/get-by-name", experiment_name="none"),
    "create an experiment": _post("experiments/create", name="new-${me}"),
    "rename beta": _post("experiments/update", **_IN_BETA, new_name="beta"),
    "tag beta": _post("experiments/set-experiment-tag", **_IN_BETA, **_TAG),
    "search experiments": Ask(
        "POST",
        "experiments/search",
        {"max_results": 100},
        shown=_names("experiments"),
    ),
    "delete beta": _post(
        "experiments/delete", ("POST", "experiments/restore", _IN_BETA), **_IN_BETA
    ),
}

RUNS: dict[str, Ask] = {
    "get the run of alpha": _get("runs/get", run_id="${alpha-run}"),
    "get the run of beta": _get("runs/get", **_RUN),
    "get a missing run": _get("runs/get", run_id=_MISSING),
    "start a run in alpha": _post("runs/create", experiment_id="${alpha}", run_name="new"),
    "start a run in beta": _post("runs/create", **_IN_BETA, run_name="new"),
    "start a run nowhere": _post("runs/create", experiment_id="98765"),
    "finish the run": _post("runs/update", **_RUN, status="FINISHED"),
    "log a metric": _post("runs/log-metric", **_RUN, **_METRIC),
    "log a param": _post("runs/log-parameter", **_RUN, key="p", value="1"),
    "log a batch": _post("runs/log-batch", **_RUN, metrics=[_METRIC]),
    "log a metric of a missing run": _post("runs/log-metric", run_id=_MISSING, **_METRIC),
    "log inputs": _post(
        "runs/log-inputs",
        **_RUN,
        models=[{"model_id": "${beta-model}"}],
    ),
    "log outputs": _post("runs/outputs", **_RUN, models=[]),
    "log a model": _post("runs/log-model", **_RUN, model_json='{"artifact_path":"m","run_id":"x"}'),
    "tag the run": _post("runs/set-tag", **_RUN, **_TAG),
    "untag the run": _post("runs/delete-tag", _SET_TAG, **_RUN, key="k"),
    "read a history": _get("metrics/get-history", **_RUN, metric_key="m"),
    "read histories": _get(
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval",
        run_ids="${beta-run}",
        metric_key="m",
        max_results="10",
    ),
    "search runs": Ask(
        "POST",
        "runs/search",
        {
            "experiment_ids": ["${alpha}", "${beta}"],
            "filter": "attributes.run_name LIKE '%-run'",
        },
        shown=_runs,
    ),
    "delete the run": _post("runs/delete", ("POST", "runs/restore", _RUN), **_RUN),
    "restore the run": _post("runs/restore", **_RUN),
    "list files": Ask("GET", "artifacts/list", query=_RUN, files=True),
    "read a file": Ask("GET", "/get-artifact", query={**_RUN, "path": "x"}, files=True),
}

MODELS: dict[str, Ask] = {
    "get the logged model of alpha": _get("logged-models/${alpha-model}"),
    "get the logged model of beta": _get(_MODEL),
    "get a missing logged model": _get("logged-models/m-00"),
    "make a logged model": _post("logged-models", **_IN_BETA, name="new"),
    "finalize the logged model": _patch(
        _MODEL, model_id="${beta-model}", status="LOGGED_MODEL_READY"
    ),
    "tag the logged model": _patch(f"{_MODEL}/tags", tags=[_TAG]),
    "untag the logged model": _delete(
        f"{_MODEL}/tags/k", ("PATCH", f"{_MODEL}/tags", {"tags": [_TAG]})
    ),
    "log a param of the logged model": _post(
        f"{_MODEL}/params", model_id="${beta-model}", params=[{"key": "x-${me}", "value": "1"}]
    ),
    "search logged models": Ask(
        "POST",
        "logged-models/search",
        {"experiment_ids": ["${alpha}", "${beta}"], "filter": "name LIKE '%-model'"},
        shown=_models,
    ),
}

REGISTRY: dict[str, Ask] = {
    "get m": _get("registered-models/get", name="m"),
    "get n": _get("registered-models/get", name="n"),
    "get p": _get("registered-models/get", name="p"),
    "get q": _get("registered-models/get", name="q"),
    "get a missing model": _get("registered-models/get", name="none"),
    "create a model": _post("registered-models/create", name="new-${me}"),
    "create a prompt": _post("registered-models/create", name="new-p-${me}", tags=[_PROMPT]),
    "describe m": _patch("registered-models/update", name="m", description="d"),
    "describe p": _patch("registered-models/update", name="p", description="d"),
    "rename m": _post(
        "registered-models/rename",
        ("POST", "registered-models/rename", {"name": "mm", "new_name": "m"}),
        name="m",
        new_name="mm",
    ),
    "tag m": _post("registered-models/set-tag", name="m", **_TAG),
    "untag m": _delete(
        "registered-models/delete-tag",
        ("POST", "registered-models/set-tag", {"name": "m", **_TAG}),
        name="m",
        key="k",
    ),
    "alias m": _post("registered-models/alias", name="m", alias="a", version="1"),
    "unalias m": _delete(
        "registered-models/alias",
        ("POST", "registered-models/alias", {"name": "m", "alias": "a", "version": "1"}),
        name="m",
        alias="a",
    ),
    "get m by alias": _get("registered-models/alias", name="m", alias="a"),
    "get p by alias": _get("registered-models/alias", name="p", alias="a"),
    "get latest versions": _post("registered-models/get-latest-versions", name="m"),
    "search models": Ask(
        "GET",
        "registered-models/search",
        query={"max_results": 100},
        shown=_names("registered_models"),
    ),
    "search prompts": Ask(
        "GET",
        "registered-models/search",
        query={"max_results": 100, "filter": _PROMPTS},
        shown=_names("registered_models"),
    ),
    "search versions": Ask(
        "GET",
        "model-versions/search",
        query={"max_results": 100, "filter": "name IN ('m', 'n', 'p', 'q')"},
        shown=_versions,
    ),
    "get a version": _get("model-versions/get", name="m", version="1"),
    "get a version of n": _get("model-versions/get", name="n", version="1"),
    "get a version of p": _get("model-versions/get", name="p", version="1"),
    "describe a version": _patch("model-versions/update", name="m", version="1", description="d"),
    "stage a version": _post(
        "model-versions/transition-stage",
        name="m",
        version="1",
        stage="Staging",
        archive_existing_versions=False,
    ),
    "tag a version": _post("model-versions/set-tag", name="m", version="1", **_TAG),
    "tag a version of p": _post("model-versions/set-tag", name="p", version="1", **_TAG),
    "untag a version": _delete(
        "model-versions/delete-tag",
        ("POST", "model-versions/set-tag", {"name": "m", "version": "1", **_TAG}),
        name="m",
        version="1",
        key="k",
    ),
    "find a version's files": _get("model-versions/get-download-uri", name="m", version="1"),
    "create a version of m": _post("model-versions/create", name="m", source="s3://b/x"),
    "create a version from the run": _post(
        "model-versions/create", name="m", source="runs:/${beta-run}/m", run_id="${beta-run}"
    ),
    "create a version of the logged model": _post(
        "model-versions/create", name="m", source="models:/${beta-model}", model_id="${beta-model}"
    ),
    "copy a version of n": _post("model-versions/create", name="m", source="models:/n/1"),
    "create a version of p": _post(
        "model-versions/create", name="p", source="dummy-source", tags=[_PROMPT]
    ),
    "create a version of nothing": _post("model-versions/create", name="none", source="s3://b/x"),
    "delete a missing version": _delete("model-versions/delete", name="m", version="999"),
    "delete a missing version of p": _delete("model-versions/delete", name="p", version="999"),
    "list webhooks": _get("webhooks"),
}

_ON_BETA = {"username": "plain", "resource_type": "experiment", "resource_id": "${beta}"}
_ON_RUNS = {"username": "plain", "resource_type": "run", "resource_id": "*"}
_GRANTED = f"{_V3}/users/permissions"
_REVOKE: Undo = ("POST", f"{_GRANTED}/revoke", _ON_BETA)
_OF_PLAIN = {"username": "plain"}
_OWN_LEVEL = {"username": "${me}", "resource_type": "experiment", "resource_id": "${beta}"}

ACCOUNTS: dict[str, Ask] = {
    "who am I": Ask("GET", "users/current", shown=lambda body: [body["user"]["username"]]),
    "what may I": Ask("GET", f"{_V3}/users/current/permissions", shown=_held),
    "list users": Ask("GET", "users/list", shown=_users),
    "get oneself": _get("users/get", username="${me}"),
    "get another": _get("users/get", username="reader"),
    "get a missing user": _get("users/get", username="none"),
    "create a user": _post("users/create", username="new-${me}", password=PASSWORD),
    "make an administrator": _patch(
        "users/update-admin",
        ("PATCH", "users/update-admin", {"username": "plain", "is_admin": False}),
        username="plain",
        is_admin=True,
    ),
    "change another's password": _patch(
        "users/update-password", username="plain", password=PASSWORD
    ),
    "delete a user": _delete("users/delete", username="none"),
    "see one's roles": Ask(
        "GET", f"{_V3}/users/roles/list", query={"username": "${me}"}, shown=_names("roles")
    ),
    "see the roles of reader": Ask(
        "GET", f"{_V3}/users/roles/list", query={"username": "reader"}, shown=_names("roles")
    ),
    "see the grants of reader": Ask(
        "GET", f"{_GRANTED}/list", query={"username": "reader"}, shown=_held
    ),
    "see the grants of nobody": _get(f"{_GRANTED}/list", username="none"),
    "list roles": Ask(
        "GET", f"{_V3}/roles/list", query={"workspace": "default"}, shown=_names("roles")
    ),
    "list roles of all workspaces": _get(f"{_V3}/roles/list"),
    "get a role": _get(f"{_V3}/roles/get", role_id="${role-of-editor}"),
    "get a missing role": _get(f"{_V3}/roles/get", role_id="9999"),
    "see grants of a role": _get(f"{_V3}/roles/permissions/list", role_id="${role-of-editor}"),
    "see who has a role": _get(f"{_V3}/roles/users/list", role_id="${role-of-editor}"),
    "describe a role": _patch(f"{_V3}/roles/update", role_id="${role-of-editor}", description="d"),
    "delete a missing role": _delete(f"{_V3}/roles/delete", role_id=9999),
    "assign a role": _post(
        f"{_V3}/roles/assign",
        (
            "DELETE",
            f"{_V3}/roles/unassign",
            {"username": "plain", "role_id": "${role-of-editor}"},
        ),
        username="plain",
        role_id="${role-of-editor}",
    ),
    "remove a missing grant": _delete(f"{_V3}/roles/permissions/remove", role_permission_id=9999),
    "grant beta": _post(f"{_GRANTED}/grant", _REVOKE, **_ON_BETA, permission="READ"),
    "grant runs": _post(
        f"{_GRANTED}/grant", ("POST", f"{_GRANTED}/revoke", _ON_RUNS), **_ON_RUNS, permission="READ"
    ),
    "grant the workspace": _post(
        f"{_GRANTED}/grant",
        username="plain",
        resource_type="workspace",
        resource_id="*",
        permission="USE",
    ),
    "revoke what is not granted": _post(f"{_GRANTED}/revoke", **_ON_BETA),
    "see one's level": Ask("GET", f"{_GRANTED}/get", query=_OWN_LEVEL, shown=_told),
    "see one's level on models": Ask(
        "GET",
        f"{_GRANTED}/get",
        query={"username": "${me}", "resource_type": "registered_model", "resource_id": "m"},
        shown=_told,
    ),
    "see one's level on runs": Ask(
        "GET",
        f"{_GRANTED}/get",
        query={"username": "${me}", "resource_type": "run", "resource_id": "*"},
        shown=_told,
    ),
    "see the level of reader": Ask(
        "GET", f"{_GRANTED}/get", query={**_OWN_LEVEL, "username": "reader"}, shown=_told
    ),
}

_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_FILES = {
    "the run's file": "${beta}/${beta-run}/artifacts/f",
    "the run's folder": "${beta}/${beta-run}",
    "a file of a run that is not there": f"${{beta}}/{'0' * 32}/artifacts/f",
    "the logged model's file": "${beta}/models/${beta-model}/artifacts/f",
    "the folder of logged models": "${beta}/models",
    "a trace's file": "${beta}/traces/tr-1/artifacts/f",
    "the experiment's own file": "${beta}/own/f",
    "the experiment's folder": "${beta}",
    "a file of alpha": "${alpha}/${alpha-run}/artifacts/f",
}

ARTIFACTS: dict[str, Ask] = {
    **{f"get {name}": Ask("GET", f"{_PROXY}/{path}", files=True) for name, path in _FILES.items()},
    **{
        f"list {name}": Ask("GET", _PROXY, query={"path": path}, files=True)
        for name, path in _FILES.items()
        if "folder" in name
    },
    **{
        f"put {name}": Ask("PUT", f"{_PROXY}/{path}", files=True)
        for name, path in _FILES.items()
        if "folder" not in name
    },
    **{
        f"delete {name}": Ask("DELETE", f"{_PROXY}/{path}", files=True)
        for name, path in _FILES.items()
    },
}
"""Of the artifact proxy: on Tandem, its metadata service redirects whom it allows."""

GROUPS = {
    "experiments": {**EXPERIMENTS, **RUNS, **MODELS},
    "registry": REGISTRY,
    "accounts": ACCOUNTS,
    "files": ARTIFACTS,
}
"""The requests by what they are about."""
