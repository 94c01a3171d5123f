"""What each route of the artifacts service answers to whom: one row a route.

A row says how to ask so that only the permission decides, and the statuses by sender.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.system.guarded.matrix_world import World

SENDERS: Final = (
    "nobody", "reader", "editor", "manager", "read-only", "other-team", "admin", "expired",
    "revoked",
)  # fmt: skip
"""Without credentials; granted READ, EDIT or MANAGE on the experiment that a row names; the manager
by a token for reading only; granted MANAGE on another experiment; an administrator; the manager by
a token that has expired, and by one that is revoked."""

OK: Final = 0
"""Stands for the status of a row's answers that are not refused."""

_401 = (401, 401)
ANYONE: Final = (OK,) * 9
CREDENTIALS: Final = (401, *(OK,) * 8)
READ: Final = (401, OK, OK, OK, OK, 403, OK, *_401)
EDIT: Final = (401, 403, OK, OK, 403, 403, OK, *_401)
MANAGE: Final = (401, 403, 403, OK, 403, 403, OK, *_401)
ADMIN: Final = (401, 403, 403, 403, 403, 403, OK, *_401)


@dataclass(frozen=True)
class Row:
    who: tuple[int, ...]
    """The statuses by `SENDERS`."""
    query: Mapping[str, str] = field(default_factory=dict)
    """`{name}` in a value is the world's."""
    json: Mapping[str, Any] | None = None
    """The body, likewise."""
    body: bytes | None = None
    """The body, where it is none of JSON."""
    ok: int = 200
    """The status of what is not refused."""
    on_disk: int | None = None
    """That without an object store, where it is another one."""
    before: Callable[[World], None] = lambda _: None
    """Makes what the request changes; called before each request."""


_ONE = "2.0/mlflow-artifacts/artifacts/{path:path}"
_MPU = "2.0/mlflow-artifacts/mpu"
_UPLOAD = {"path": "part.bin", "upload_id": "{upload}"}
_NONE = 501
"""A directory has no presigned URLs."""

ROWS: Final[Mapping[tuple[str, str], Row]] = {
    **{("GET", path): Row(ANYONE) for path in ("/", "/health", "/ready", "/version", "/metrics")},
    ("GET", "3.0/mlflow/server-info"): Row(ANYONE),
    ("GET", "2.0/mlflow-artifacts/artifacts"): Row(READ, {"path": "{folder}"}),
    **{
        (method, "2.0/mlflow-artifacts/artifacts/"): Row(CREDENTIALS, ok=400)
        for method in ("GET", "PUT", "DELETE")
    },
    ("GET", _ONE): Row(READ, before=World.new_file),
    ("HEAD", _ONE): Row(READ, before=World.new_file),
    ("PUT", _ONE): Row(EDIT, body=b"new"),
    ("DELETE", _ONE): Row(MANAGE, before=World.new_file),
    ("GET", "2.0/mlflow-artifacts/presigned/{path:path}"): Row(
        READ, on_disk=_NONE, before=World.new_file
    ),
    ("POST", f"{_MPU}/create/{{path:path}}"): Row(
        EDIT, json={"path": "part.bin", "num_parts": 1}, on_disk=_NONE
    ),
    ("POST", f"{_MPU}/complete/{{path:path}}"): Row(
        EDIT,
        json={**_UPLOAD, "parts": [{"part_number": 1, "etag": "{etag}"}]},
        on_disk=_NONE,
        before=World.new_upload,
    ),
    ("POST", f"{_MPU}/abort/{{path:path}}"): Row(
        EDIT, json=_UPLOAD, on_disk=_NONE, before=World.new_upload
    ),
}
"""By method and path, without `/api`."""

ABOVE: Final[Mapping[str, Row]] = {
    "GET": Row(ADMIN, {"path": ""}),
    "DELETE": Row(ADMIN),
}
"""What belongs to no experiment: the listing of the root, and a folder that is not there."""
