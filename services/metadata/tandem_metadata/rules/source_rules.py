"""Which sources of model versions an operator allows, whatever run or model they belong to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Target = tuple[str, str, int | None]
"""A kind of scheme, a host and a port."""

_PORTS: Final[dict[str, tuple[int | None, ...]]] = {
    "ftp": (21,),
    "sftp": (22,),
    "hdfs": (None,),
    "viewfs": (None,),
    "http": (80,),
    "https": (443,),
    "mlflow-artifacts": (80, 443),
    "r2": (443,),
    "b2": (443,),
    "abfss": (443,),
}
"""Schemes whose readers connect to the host in the URI, with the ports that go without saying."""

_KINDS: Final = {"viewfs": "hdfs", "https": "http", "mlflow-artifacts": "http"}
_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class Rules:
    """What `allows` and `pattern` decide by."""

    pattern: re.Pattern[str] | None
    """What every source must match somewhere."""
    schemes: frozenset[str]
    """Schemes that may name any host."""
    trusted: frozenset[Target]

    @classmethod
    def of(cls, pattern: str | None, schemes: Iterable[str], trusted: Iterable[str]) -> "Rules":
        """Rules with this pattern and these schemes; the hosts of `trusted` URIs are allowed."""
        hosts = [targets(uri) or frozenset() for uri in trusted]
        return cls(
            re.compile(pattern) if pattern else None,
            frozenset(scheme.lower() for scheme in schemes),
            frozenset().union(*hosts),
        )

    def allows_host(self, source: str) -> bool:
        """Whether a source names no host to connect to, or one that the settings name too."""
        named = targets(source)
        if named is None or urlsplit(source).scheme in self.schemes:
            return True
        return not named.isdisjoint(self.trusted)


def targets(uri: str) -> frozenset[Target] | None:
    """What reading the URI may connect to; None for one that chooses no host."""
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS or (parts.scheme == "mlflow-artifacts" and not parts.netloc):
        return None
    if "\\" in parts.netloc or any(c.isspace() for c in parts.netloc):
        # Clients end the host at a backslash, urlsplit does not.
        return frozenset({(_UNREADABLE, parts.netloc, None)})
    kind = _KINDS.get(parts.scheme, parts.scheme)
    ports = _PORTS[parts.scheme] if parts.port is None else (parts.port,)
    return frozenset((kind, (parts.hostname or "").lower(), port) for port in ports)
