"""The audit log: who has changed what, what was refused, and which artifacts went where.

One JSON object a line, for each request that may change something, is refused (401, 403), or has to
do with an artifact. Its fields are those of `docs/operations.md`. It names things, never what they
hold: no value, no tag, no password, no token.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from prometheus_client import Counter
from starlette.types import Scope

from tandem_shared.auth.rules import PRINCIPAL, Principal
from tandem_shared.http.router import CHANGES, MESSAGE, ROUTE
from tandem_shared.observability.logs import RARELY, to_the_second
from tandem_shared.settings import SettingsError

FAILURES: Final = Counter(
    "tandem_audit_failures_total", "Lines of the audit log that could not be written."
)

_NAMES: Final = (
    "experiment_id",
    "experiment_ids",
    "experiment_name",
    "run_id",
    "run_ids",
    "run_uuid",
    "model_id",
    "name",
    "new_name",
    "version",
    "alias",
    "stage",
    "key",
    "tag_key",
    "metric_key",
    "path",
    "artifact_path",
    "artifact_file_path",
    "artifact_directory_path",
    "webhook_id",
    "username",
    "role_id",
    "role_permission_id",
    "user_id",
    "token_id",
    "resource_type",
    "resource_id",
    "resource_pattern",
    "permission",
)
"""What names the object of a request, be it a field of its message or a parameter of its path."""

_LONGEST: Final = 500
_MOST: Final = 20
_REFUSED: Final = frozenset({401, 403})
_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger("tandem.audit")
_encoder = msgspec.json.Encoder(enc_hook=str)


class AuditLog:
    """Appends to a file, which several workers share, or to standard output.

    A file that was moved away, as programs do that rotate logs, is made anew within a second.
    """

    def __init__(self, where: str, service: str) -> None:
        """`where` is a path, or `-`. Raises SettingsError for a file that cannot be written."""
        self._where = where
        self._service = service
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._file: int | None = None
        try:
            self._file = self._open()
        except OSError as error:
            raise SettingsError(
                f"--audit-log: cannot write to {where}: {error.strerror}."
            ) from None

    def note(self, scope: Scope, status: int, request_id: str) -> None:
        """Write the line of a request that has been answered, if it belongs here."""
        route = scope.get(ROUTE)
        if not (scope.get(CHANGES) or status in _REFUSED or (route and "artifact" in route)):
            return
        now = time.time()
        sender: Principal | None = scope.get(PRINCIPAL)
        client = scope.get("client")
        line = {
            "time": f"{to_the_second(int(now))}.{int(now % 1 * 1000):03d}Z",
            "service": self._service,
            "user": sender.name if sender else None,
            "method": scope["method"],
            "route": route,
            "object": dict(_objects(scope)),
            "status": status,
            "client": client[0] if client else None,
            "request_id": request_id,
        }
        try:
            self._write(_encoder.encode(line) + b"\n")
        except OSError as error:
            FAILURES.inc()
            _log.error("the audit log cannot be written: %s", error.strerror, extra=RARELY)

    def _write(self, line: bytes) -> None:
        with self._lock:
            now = time.monotonic()
            if self._file is not None and now - self._looked > _LOOK_SECONDS:
                self._looked = now
                if self._is_gone(self._file):
                    os.close(self._file)
                    self._file = None
            if self._file is None:
                self._file = self._open()
            # One call: lines of several workers never mix.
            os.write(self._file, line)

    def _open(self) -> int:
        if self._where == "-":
            return sys.stdout.fileno()
        return os.open(self._where, os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def _is_gone(self, file: int) -> bool:
        if self._where == "-":
            return False
        try:
            return not os.path.samestat(os.fstat(file), os.stat(self._where))
        except FileNotFoundError:
            return True


def _objects(scope: Scope) -> Iterator[tuple[str, Any]]:
    message = scope.get(MESSAGE)
    given: Mapping[str, Any] = {
        **dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))),
        **scope.get("path_params", {}),
    }
    for name in _NAMES:
        value = getattr(message, name, None) if message is not None else given.get(name)
        if value is None and message is not None:
            value = scope.get("path_params", {}).get(name)
        if value not in (None, "", []):
            yield name, _short(value)


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value[:_MOST]]
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
