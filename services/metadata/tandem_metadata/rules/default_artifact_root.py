"""Checks `--default-artifact-root`, and other roots that locations get.

Experiments keep a location below it for good, so a mistyped root must be refused at the start.
"""

import difflib
import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from tandem_metadata.rules.artifact_locations import WITH_HOST
from tandem_shared.http.artifact_headers import ARTIFACTS
from tandem_shared.settings import SettingsError, without_credentials

_FLAG: Final = "--default-artifact-root"
_OURS: Final = "mlflow-artifacts"
_WITHOUT: Final = frozenset({_OURS, "file", "hdfs", "viewfs", "dbfs"})
_SHORTEST: Final = 4
"""The shortest scheme that is compared with MLflow's to find typing errors."""

_PLAINLY_A_HOST: Final = re.compile(r"/*(localhost|[\w.-]+:\d+|\d+(\.\d+){3}|\[[\da-f:]+\])(/.*)?")
_HOST: Final = re.compile(r"/*([\w-]+\.[\w.-]+|localhost|[\w.-]+:\d+|\[[\da-f:]+\])(:\d+)?(/.*)?")


def check(root: str, flag: str = _FLAG) -> None:
    """Raise SettingsError, with a suggestion, for a root below which artifacts would be lost.

    It names the flag that gives the root.
    """
    if why := _why_unusable(root):
        raise SettingsError(f"{flag} {without_credentials(root)} cannot be used: {why}")


def _why_unusable(root: str) -> str | None:
    try:
        parts = urlsplit(root)
        port_is_given = parts.port is not None
    except ValueError:
        return _refused("its host or port is none")
    rest = root[len(parts.scheme) + 1 :]
    if parts.scheme in WITH_HOST and not parts.netloc:
        return _refused("it names no host or bucket", f"{parts.scheme}://{rest.lstrip('/')}")
    if len(parts.scheme) < 2 or not rest.startswith("/"):
        return _refused("it is no URI with a scheme", _address(root))
    if parts.query or parts.fragment:
        return _refused("it must have neither query nor fragment")
    if ".." in unquote(parts.path).split("/"):
        return _refused("it has a '..' segment")
    if parts.scheme == _OURS and not parts.netloc and _PLAINLY_A_HOST.fullmatch(parts.path):
        return _refused("its host stands where the path begins", _address(parts.path))
    if parts.netloc.endswith(":") and not port_is_given:
        return _refused("its port is missing", _address(parts.path))
    if parts.scheme in ("http", "https") and ARTIFACTS not in parts.path:
        reason = f"by {parts.scheme}: clients find artifacts below {ARTIFACTS} only"
        return _refused(reason, _ours(parts))
    if "@" in parts.netloc and parts.scheme in (_OURS, "http", "https"):
        return _refused("clients would be given its user name or password", _bare(parts))
    known = WITH_HOST | _WITHOUT
    if parts.scheme not in known and len(parts.scheme) >= _SHORTEST:
        if near := difflib.get_close_matches(parts.scheme, known, 1, 0.75):
            return _refused("no client knows its scheme", f"{near[0]}:{rest}")
    return None


def _bare(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _ours(parts: SplitResult) -> str:
    return f"{_OURS}://{parts.netloc}{parts.path or '/'}"


def _address(text: str) -> str | None:
    """An `mlflow-artifacts:` URI for text that begins with a host; None for other text."""
    text = text.partition("://")[2] or text.removeprefix(f"{_OURS}:")
    return f"{_OURS}://{text.lstrip('/')}" if _HOST.fullmatch(text) else None


def _refused(reason: str, meant: str | None = None) -> str:
    hint = (
        f"Did you mean {without_credentials(meant)}?"
        if meant
        else "Give the artifacts service's address, as mlflow-artifacts://artifacts.example.com/."
    )
    return f"{reason}. {hint}"
