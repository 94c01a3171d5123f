"""What each route of the metadata service answers to whom: one row a route.

A row says how to ask so that only the permission decides, and the statuses by sender.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.metadata.access.matrix_world import World

SENDERS: Final = (
    "nobody", "reader", "editor", "manager", "other-team", "admin", "expired", "revoked",
)  # fmt: skip
"""Without credentials; granted READ, EDIT or MANAGE on all that a row names; granted MANAGE on
other things; an administrator; the manager by a token that has expired, and by one revoked."""

OK: Final = 0
"""Stands for the status of a row's answers that are not refused."""

_401 = (401, 401)
ANYONE: Final = (OK,) * 8
USER: Final = (401, OK, OK, OK, OK, OK, *_401)
READ: Final = (401, OK, OK, OK, 403, OK, *_401)
EDIT: Final = (401, 403, OK, OK, 403, OK, *_401)
MANAGE: Final = (401, 403, 403, OK, 403, OK, *_401)
ADMIN: Final = (401, 403, 403, 403, 403, OK, *_401)
READER_HIMSELF: Final = (401, OK, 403, 403, 403, OK, *_401)


@dataclass(frozen=True)
class Row:
    who: tuple[int, ...]
    """The statuses by `SENDERS`."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The query of a GET, and else the JSON body; `{name}` in a value is the world's."""
    ok: int = 200
    """The status of what is not refused."""
    before: Callable[[World], None] = lambda _: None
    """Makes what the request changes; called before each request."""
    body: bytes | None = None
    """Instead of JSON; `given` is the query then."""
    headers: Mapping[str, str] = field(default_factory=dict)
    by_password: bool = False
    """Whether users sign in by their passwords; else by tokens."""


_LIST = {"max_results": 5}
_TAG = {"key": "k", "value": "v"}
_STEP = {"timestamp": 1, "step": 1, "value": 1.0}
_RUN = {"run_id": "{run}"}
_EXPERIMENT = {"experiment_id": "{experiment}"}
_NAME = {"name": "{name}"}
_VERSION = {"name": "{name}", "version": "1"}
_MODEL = "2.0/mlflow/logged-models/{model_id}"
_FILE = {"path": "f"}
_AWAY = 503
"""No artifacts service answers."""
_PROMPTLAB = {
    "experiment_id": "{experiment}",
    "prompt_template": "t",
    "prompt_parameters": [_TAG],
    "model_route": "r",
    "model_input": "i",
    "mlflow_version": "3",
}
_WEBHOOK = {"name": "{new}", "url": "nonsense", "events": []}

_EXPERIMENTS = {
    ("POST", "create"): Row(USER, {"name": "{new}"}),
    ("GET", "get"): Row(READ, _EXPERIMENT),
    ("GET", "get-by-name"): Row(READ, {"experiment_name": "guarded"}),
    ("GET", "search"): Row(USER, _LIST),
    ("POST", "search"): Row(USER, _LIST),
    ("POST", "update"): Row(EDIT, {**_EXPERIMENT, "new_name": "guarded"}),
    ("POST", "delete"): Row(MANAGE, _EXPERIMENT, before=World.restore_experiment),
    ("POST", "restore"): Row(MANAGE, _EXPERIMENT, before=World.delete_experiment),
    ("POST", "set-experiment-tag"): Row(EDIT, {**_EXPERIMENT, **_TAG}),
    ("POST", "delete-experiment-tag"): Row(
        EDIT, {**_EXPERIMENT, "key": "k"}, before=World.tag_experiment
    ),
    ("POST", "search-datasets"): Row(READ, {"experiment_ids": ["{experiment}"]}),
}
_EXPORTS = {
    ("GET", "3.0/tandem/experiments/{experiment_id}/export/{table}.parquet"): Row(
        READ, before=World.restore_experiment
    ),
}
_RUNS = {
    ("POST", "create"): Row(EDIT, _EXPERIMENT, before=World.restore_experiment),
    ("GET", "get"): Row(READ, _RUN),
    ("POST", "update"): Row(EDIT, {**_RUN, "run_name": "r"}),
    ("POST", "delete"): Row(MANAGE, _RUN, before=World.new_run),
    ("POST", "restore"): Row(MANAGE, _RUN, before=World.deleted_run),
    ("POST", "search"): Row(USER, {"experiment_ids": ["{experiment}"]}, before=World.new_run),
    ("POST", "log-metric"): Row(EDIT, {**_RUN, "key": "k", **_STEP}, before=World.new_run),
    ("POST", "log-parameter"): Row(EDIT, {**_RUN, **_TAG}),
    ("POST", "log-batch"): Row(EDIT, {**_RUN, "metrics": [{"key": "k", **_STEP}]}),
    ("POST", "log-inputs"): Row(EDIT, {**_RUN, "models": [{"model_id": "{model}"}]}),
    ("POST", "outputs"): Row(EDIT, {**_RUN, "models": [{"model_id": "{model}", "step": 1}]}),
    ("POST", "log-model"): Row(EDIT, {**_RUN, "model_json": "{model_json}"}),
    ("POST", "set-tag"): Row(EDIT, {**_RUN, **_TAG}),
    ("POST", "delete-tag"): Row(EDIT, {**_RUN, "key": "k"}, before=World.tag_run),
    ("POST", "create-promptlab-run"): Row(EDIT, _PROMPTLAB, ok=_AWAY),
}
_LOGGED_MODELS = {
    ("POST", "2.0/mlflow/logged-models"): Row(EDIT, {**_EXPERIMENT, "name": "n"}),
    ("POST", "2.0/mlflow/logged-models/search"): Row(USER, {"experiment_ids": ["{experiment}"]}),
    ("GET", _MODEL): Row(READ),
    ("PATCH", _MODEL): Row(EDIT, {"status": "LOGGED_MODEL_READY"}),
    ("DELETE", _MODEL): Row(MANAGE, before=World.new_logged_model),
    ("PATCH", f"{_MODEL}/tags"): Row(EDIT, {"tags": [_TAG]}),
    ("DELETE", f"{_MODEL}/tags/{{tag_key:path}}"): Row(MANAGE, before=World.tag_logged_model),
    ("POST", f"{_MODEL}/params"): Row(EDIT, {"params": [_TAG]}, before=World.new_logged_model),
    ("GET", f"{_MODEL}/artifacts/directories"): Row(READ, ok=_AWAY),
    ("GET", f"{_MODEL}/artifacts/files"): Row(READ, {"artifact_file_path": "f"}, ok=_AWAY),
}
_REGISTERED_MODELS = {
    ("POST", "create"): Row(USER, {"name": "{new}"}),
    ("GET", "get"): Row(READ, _NAME),
    ("GET", "search"): Row(USER, _LIST),
    ("PATCH", "update"): Row(EDIT, {**_NAME, "description": "d"}),
    ("POST", "rename"): Row(EDIT, {**_NAME, "new_name": "{new}"}, before=World.new_name),
    ("DELETE", "delete"): Row(MANAGE, _NAME, before=World.new_name),
    ("GET", "get-latest-versions"): Row(READ, _NAME, before=World.new_name),
    ("POST", "get-latest-versions"): Row(READ, _NAME),
    ("POST", "set-tag"): Row(EDIT, {**_NAME, **_TAG}),
    ("DELETE", "delete-tag"): Row(EDIT, {**_NAME, "key": "k"}, before=World.tag_name),
    ("POST", "alias"): Row(EDIT, {**_VERSION, "alias": "a"}),
    ("GET", "alias"): Row(READ, {**_NAME, "alias": "kept"}),
    ("DELETE", "alias"): Row(MANAGE, {**_NAME, "alias": "a"}, before=World.new_name),
}
_MODEL_VERSIONS = {
    ("POST", "create"): Row(EDIT, {**_NAME, "source": "s3://b/m"}),
    ("GET", "get"): Row(READ, _VERSION),
    ("GET", "search"): Row(USER, _LIST),
    ("PATCH", "update"): Row(EDIT, {**_VERSION, "description": "d"}),
    ("DELETE", "delete"): Row(MANAGE, {**_NAME, "version": "{version}"}, before=World.new_version),
    ("GET", "get-download-uri"): Row(READ, _VERSION),
    ("POST", "transition-stage"): Row(EDIT, {**_VERSION, "stage": "Staging"}),
    ("POST", "set-tag"): Row(EDIT, {**_VERSION, **_TAG}),
    ("DELETE", "delete-tag"): Row(MANAGE, {**_VERSION, "key": "k"}, before=World.tag_version),
}
_ARTIFACTS = {
    ("GET", "2.0/mlflow/artifacts/list"): Row(READ, _RUN, ok=_AWAY),
    ("GET", "/get-artifact"): Row(READ, {**_RUN, **_FILE}, ok=_AWAY),
    ("GET", "/model-versions/get-artifact"): Row(
        READ,
        {**_VERSION, **_FILE},
        ok=400,  # its files are in a bucket
    ),
    ("POST", "2.0/mlflow/upload-artifact"): Row(
        EDIT, {"run_uuid": "{run}", **_FILE}, ok=_AWAY, body=b"x"
    ),
    ("POST", "2.0/mlflow/artifacts/presigned-upload-url"): Row(EDIT, {**_RUN, **_FILE}, ok=400),
    ("POST", "2.0/mlflow/artifacts/presigned-download-url"): Row(READ, {**_RUN, **_FILE}, ok=400),
    ("GET", "2.0/mlflow-artifacts/artifacts"): Row(READ, {"path": "{folder}"}, ok=307),
    **{
        (method, f"2.0/mlflow-artifacts/{path}/{{artifact_path:path}}"): Row(who, ok=307)
        for path, method, who in (
            ("artifacts", "GET", READ),
            ("artifacts", "HEAD", READ),
            ("artifacts", "PUT", EDIT),
            ("artifacts", "DELETE", MANAGE),
            ("mpu/create", "POST", EDIT),
            ("mpu/complete", "POST", EDIT),
            ("mpu/abort", "POST", EDIT),
            ("presigned", "GET", READ),
        )
    },
}
_TRACE = {"trace_id": "{trace}"}
_TRACES = {
    ("GET", "3.0/mlflow/traces/{trace_id}"): Row(READ),
    ("GET", "2.0/mlflow/traces/{request_id}/info"): Row(READ),
    ("GET", "3.0/mlflow/traces/get"): Row(READ, _TRACE),
    ("GET", "3.0/mlflow/traces/batchGet"): Row(USER, {"trace_ids": "{trace}"}),
    ("POST", "3.0/mlflow/traces/batchGetInfos"): Row(USER, {"trace_ids": ["{trace}"]}),
    ("POST", "3.0/mlflow/traces/search"): Row(
        READ, {"locations": [{"mlflow_experiment": {"experiment_id": "{experiment}"}}]}
    ),
    ("GET", "2.0/mlflow/traces"): Row(READ, {"experiment_ids": "{experiment}"}),
    ("POST", "3.0/mlflow/traces/metrics"): Row(
        READ,
        {
            "experiment_ids": ["{experiment}"],
            "view_type": "TRACES",
            "metric_name": "trace_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
        },
    ),
    ("POST", "3.0/mlflow/traces/calculate-filter-correlation"): Row(
        READ,
        {
            "experiment_ids": ["{experiment}"],
            "filter_string1": "status = 'OK'",
            "filter_string2": "name = 'a'",
        },
    ),
    **{
        ("GET", f"{version}/mlflow/get-trace-artifact"): Row(READ, {"request_id": "{trace}"})
        for version in ("2.0", "3.0")
    },
}
_STARTED = {
    "trace_id": "{trace}",
    "trace_location": {"mlflow_experiment": {"experiment_id": "{experiment}"}},
}
_TRACE_WRITES = {
    ("POST", "/v1/traces"): Row(
        EDIT, headers={"x-mlflow-experiment-id": "{experiment}"}, ok=400
    ),  # a request without spans
    ("POST", "3.0/mlflow/traces"): Row(
        EDIT, {"trace": {"trace_info": _STARTED}}, before=World.restore_experiment
    ),
    ("POST", "2.0/mlflow/traces"): Row(EDIT, _EXPERIMENT, before=World.restore_experiment),
    ("PATCH", "2.0/mlflow/traces/{request_id}"): Row(EDIT, {"status": "OK"}),
    **{
        (method, f"{path}/tags"): Row(EDIT, given, before=World.tag_trace)
        for path in ("2.0/mlflow/traces/{request_id}", "3.0/mlflow/traces/{trace_id}")
        for method, given in (("PATCH", _TAG), ("DELETE", {"key": "k"}))
    },
    **{
        ("POST", f"{version}/mlflow/traces/delete-traces"): Row(
            MANAGE, {**_EXPERIMENT, "request_ids": ["tr-nobody"]}
        )
        for version in ("2.0", "3.0")
    },
    **{
        (method, "3.0/mlflow/traces/{trace_id}/assessments" + path): Row(
            who, given, before=World.new_assessment
        )
        for method, path, who, given in (
            ("POST", "", EDIT, {"assessment": {"feedback": {"value": True}}}),
            ("GET", "/{assessment_id}", READ, {}),
            ("PATCH", "/{assessment_id}", EDIT, {"assessment": {}, "update_mask": "rationale"}),
            ("DELETE", "/{assessment_id}", EDIT, {}),
        )
    },
    ("POST", "2.0/mlflow/traces/link-to-run"): Row(EDIT, {**_RUN, "trace_ids": ["{trace}"]}),
    ("POST", "2.0/mlflow/traces/link-prompts"): Row(
        EDIT, {**_TRACE, "prompt_versions": [{"name": "p", "version": "1"}]}
    ),
}
_IN_EXPERIMENT = {"experiment_ids": ["{experiment}"]}
_DATASETS = {
    ("POST", "create"): Row(EDIT, {"name": "n", **_IN_EXPERIMENT}),
    **{(method, "search"): Row(READ, _IN_EXPERIMENT) for method in ("GET", "POST")},
    **{
        (method, "{dataset_id}" + path): Row(who, given, before=World.new_dataset)
        for method, path, who, given in (
            ("GET", "", READ, {}),
            ("DELETE", "", MANAGE, {}),
            ("PATCH", "/tags", EDIT, {"tags": "{{}}"}),
            ("DELETE", "/tags/{key}", EDIT, {}),
            ("GET", "/records", READ, {}),
            ("POST", "/records", EDIT, {"records": "[]"}),
            ("DELETE", "/records", EDIT, {"dataset_record_ids": ["x"]}),
            ("GET", "/experiment-ids", READ, {}),
            ("POST", "/add-experiments", EDIT, _IN_EXPERIMENT),
            ("POST", "/remove-experiments", EDIT, {}),
        )
    },
}
_SCORER = {**_EXPERIMENT, "name": "s"}
_SCORERS = {
    ("POST", "register"): Row(
        EDIT, {**_SCORER, "serialized_scorer": "{{}}"}, before=World.restore_experiment
    ),
    ("GET", "list"): Row(READ, _EXPERIMENT, before=World.new_scorer),
    ("GET", "versions"): Row(READ, _SCORER, before=World.new_scorer),
    ("GET", "get"): Row(READ, _SCORER, before=World.new_scorer),
    ("DELETE", "delete"): Row(MANAGE, _SCORER, before=World.new_scorer),
    ("GET", "online-configs"): Row(USER, {"scorer_ids": "s"}),
}
_BULK = {"metric_key": "k", "max_results": 9}
_METRICS = {
    ("GET", "2.0/mlflow/metrics/get-history"): Row(READ, {**_RUN, "metric_key": "k"}),
    ("GET", "2.0/mlflow/metrics/get-history-bulk"): Row(READ, {**_RUN, **_BULK}),
    **{
        ("GET", f"{version}/mlflow/metrics/get-history-bulk-interval"): Row(
            READ, {"run_ids": "{run}", **_BULK}
        )
        for version in ("2.0", "2.11")
    },
}
_WEBHOOKS = {
    ("POST", ""): Row(ADMIN, _WEBHOOK, ok=400),
    ("GET", ""): Row(ADMIN),
    ("GET", "/{webhook_id}"): Row(ADMIN, ok=404),
    ("PATCH", "/{webhook_id}"): Row(ADMIN, ok=404),
    ("DELETE", "/{webhook_id}"): Row(ADMIN, ok=404),
    ("POST", "/{webhook_id}/test"): Row(ADMIN, ok=404),
}
_ABOUT_READER = {"username": "reader"}
_ONE_USER = {"username": "{user}"}
_READ_OF_USER = {**_ONE_USER, "permission": "READ"}
_ON_EXPERIMENT = {"resource_type": "experiment", "resource_id": "{experiment}"}
_ROLE = {"role_id": "{role}"}
_PASSWORD = {"password": "correct horse battery"}
_USERS = {
    ("POST", "2.0/mlflow/users/create"): Row(ADMIN, {"username": "{new}", **_PASSWORD}),
    ("GET", "2.0/mlflow/users/current"): Row(USER),
    ("GET", "2.0/mlflow/users/list"): Row(USER),
    ("GET", "2.0/mlflow/users/get"): Row(READER_HIMSELF, _ABOUT_READER),
    ("PATCH", "2.0/mlflow/users/update-admin"): Row(
        ADMIN, {**_ONE_USER, "is_admin": False}, before=World.new_user
    ),
    ("PATCH", "2.0/mlflow/users/update-password"): Row(ADMIN, {**_ONE_USER, **_PASSWORD}),
    ("DELETE", "2.0/mlflow/users/delete"): Row(ADMIN, _ONE_USER, before=World.new_user),
    ("GET", "3.0/mlflow/users/current/permissions"): Row(USER),
    ("GET", "3.0/mlflow/users/permissions/list"): Row(READER_HIMSELF, _ABOUT_READER),
    ("GET", "3.0/mlflow/users/roles/list"): Row(READER_HIMSELF, _ABOUT_READER),
    ("GET", "3.0/mlflow/users/permissions/get"): Row(
        READER_HIMSELF, {**_ABOUT_READER, **_ON_EXPERIMENT}
    ),
    ("POST", "3.0/mlflow/users/permissions/grant"): Row(
        MANAGE, {**_READ_OF_USER, **_ON_EXPERIMENT}, before=World.new_user
    ),
    ("POST", "3.0/mlflow/users/permissions/revoke"): Row(
        MANAGE, {**_ONE_USER, **_ON_EXPERIMENT}, before=World.new_reader
    ),
    **{
        (method, f"2.0/mlflow/{kind}/permissions/{name}"): Row(MANAGE, {**of, **given}, before=made)
        for kind, of in (("experiments", _EXPERIMENT), ("registered-models", _NAME))
        for method, name, given, made in (
            ("POST", "create", _READ_OF_USER, World.new_user),
            ("GET", "get", _ONE_USER, World.new_reader),
            ("PATCH", "update", _READ_OF_USER, World.new_reader),
            ("DELETE", "delete", _ONE_USER, World.new_reader),
        )
    },
}
_GRANTS = {
    # For what belongs to no experiment; the service's own tests have the others.
    ("POST", "3.0/tandem/artifact-grants"): Row(ADMIN, {"path": "nobodys/f", "action": "read"}),
    ("GET", "3.0/tandem/jwks"): Row(ANYONE),
}
_TOKENS = {
    ("POST", "create"): Row(READER_HIMSELF, {**_ABOUT_READER, "name": "n"}, by_password=True),
    ("GET", "list"): Row(READER_HIMSELF, _ABOUT_READER),
    # Whether others have such a token is a secret.
    ("POST", "revoke"): Row(
        (401, OK, 404, 404, 404, OK, *_401), {"token_id": "{token}"}, before=World.new_token
    ),
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
_SIGNUP = {
    ("GET", "/signup"): Row((303, *ADMIN[1:])),  # to the login
    ("POST", "2.0/mlflow/users/create-ui"): Row(
        ADMIN, body=b"username=formed&password=correct+horse+battery", headers=_FORM
    ),
}
_LOGINS = {
    ("GET", "/login"): Row(ANYONE, ok=_AWAY),  # nor does a provider
    ("GET", "/oidc/callback"): Row(ANYONE, ok=401),  # by a code of the provider alone
    ("GET", "/logout"): Row(ANYONE),
    ("POST", "/logout"): Row(USER, ok=303),
}
_PERMISSION = {"role_permission_id": "{role_permission}"}
_READ_ALL = {"resource_type": "experiment", "resource_pattern": "*", "permission": "READ"}
_ROLES = {
    ("POST", "create"): Row(ADMIN, {"name": "{new}", "workspace": "default"}),
    ("GET", "get"): Row(USER, _ROLE, before=World.new_role),
    ("GET", "list"): Row(USER, {"workspace": "default"}),
    ("PATCH", "update"): Row(ADMIN, {**_ROLE, "description": "d"}),
    ("DELETE", "delete"): Row(ADMIN, _ROLE, before=World.new_role),
    ("POST", "assign"): Row(ADMIN, {**_ONE_USER, **_ROLE}, before=World.new_role),
    ("DELETE", "unassign"): Row(ADMIN, {**_ONE_USER, **_ROLE}, before=World.new_role_of_user),
    ("GET", "users/list"): Row(ADMIN, _ROLE),
    ("POST", "permissions/add"): Row(ADMIN, {**_ROLE, **_READ_ALL}, before=World.new_role),
    ("GET", "permissions/list"): Row(USER, _ROLE, before=World.new_role),
    ("PATCH", "permissions/update"): Row(
        ADMIN, {**_PERMISSION, "permission": "EDIT"}, before=World.new_role_permission
    ),
    ("DELETE", "permissions/remove"): Row(ADMIN, _PERMISSION, before=World.new_role_permission),
}
_SERVICE = {
    **{("GET", path): Row(ANYONE) for path in ("/health", "/ready", "/version", "/metrics")},
    ("GET", "3.0/mlflow/server-info"): Row(ANYONE),
    ("GET", "/"): Row((303, *USER[1:])),  # to the login
    ("GET", "/static-files/{name:path}"): Row(ANYONE),
    ("POST", "/graphql"): Row(USER, {"query": "{{ __typename }}"}),
}
_NOTHING_KEPT = {
    **{
        ("GET", path): Row(USER)
        for path in (
            "2.0/mlflow/gateway-proxy",
            "3.0/mlflow/workspaces",
            *(
                f"3.0/mlflow/{each}"
                for each in (
                    "assistant/config", "assistant/providers", "ui-telemetry",
                    "gateway/secrets/config", "gateway/supported-models", "gateway/budgets/list",
                    "gateway/budgets/windows", "gateway/endpoints/bindings/list",
                    "gateway/endpoints/list", "gateway/guardrails/list",
                    "gateway/model-definitions/list", "gateway/secrets/list", "label-schemas/list",
                    "mcp-servers", "review-queues/items/list", "review-queues/list",
                    "skills",
                )
            ),
        )
    },
    **{
        ("POST", f"3.0/mlflow/{each}"): Row(USER)
        for each in (
            "ui-telemetry", "issues/search", "review-queues/get-or-create-user",
        )
    },
}  # fmt: skip

REFUSED: Final = Row(USER, ok=501)
"""The row of other methods of these paths, which have a feature that there is not."""

ROWS: Final[Mapping[tuple[str, str], Row]] = {
    **{
        (method, f"2.0/mlflow/experiments/{name}"): row
        for (method, name), row in _EXPERIMENTS.items()
    },
    **{(method, f"2.0/mlflow/runs/{name}"): row for (method, name), row in _RUNS.items()},
    **_EXPORTS,
    **_LOGGED_MODELS,
    **{
        (method, f"2.0/mlflow/registered-models/{name}"): row
        for (method, name), row in _REGISTERED_MODELS.items()
    },
    **{
        (method, f"2.0/mlflow/model-versions/{name}"): row
        for (method, name), row in _MODEL_VERSIONS.items()
    },
    **_ARTIFACTS,
    **_TRACES,
    **_TRACE_WRITES,
    **{(method, f"3.0/mlflow/datasets/{name}"): row for (method, name), row in _DATASETS.items()},
    **{(method, f"3.0/mlflow/scorers/{name}"): row for (method, name), row in _SCORERS.items()},
    **_METRICS,
    **{(method, f"2.0/mlflow/webhooks{name}"): row for (method, name), row in _WEBHOOKS.items()},
    **_USERS,
    **_GRANTS,
    **{(method, f"3.0/tandem/tokens/{name}"): row for (method, name), row in _TOKENS.items()},
    **_LOGINS,
    **_SIGNUP,
    **{(method, f"3.0/mlflow/roles/{name}"): row for (method, name), row in _ROLES.items()},
    **_SERVICE,
    **_NOTHING_KEPT,
}
"""By method and path, without `/api` and `/ajax-api`, under which a row's route may be."""

NOT_KEPT: Final = frozenset(path for _, path in _NOTHING_KEPT)
