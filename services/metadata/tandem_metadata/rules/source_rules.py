"""The operator's rules for sources of model versions, whatever run or model they belong to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Target = tuple[str, str, int | None]
"""Scheme, host and port. Schemes that share a protocol are one, such as http and https."""

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
"""Schemes whose readers connect to the URI's host, and the default ports they use."""

_KINDS: Final = {"viewfs": "hdfs", "https": "http", "mlflow-artifacts": "http"}
_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that settings give."""

    pattern: re.Pattern[str] | None
    """Every source must contain a match."""
    schemes: frozenset[str]
    """Schemes whose URIs may name any host."""
    trusted: frozenset[Target]

    @classmethod
    def of(cls, pattern: str | None, schemes: Iterable[str], trusted: Iterable[str]) -> "Rules":
        """Rules that allow `schemes` with any host, and the hosts of the `trusted` URIs."""
        hosts = [targets(uri) or frozenset() for uri in trusted]
        return cls(
            re.compile(pattern) if pattern else None,
            frozenset(scheme.lower() for scheme in schemes),
            frozenset().union(*hosts),
        )

    def allows_host(self, source: str) -> bool:
        """Whether a source names no host to connect to, or an allowed one."""
        named = targets(source)
        if named is None or urlsplit(source).scheme in self.schemes:
            return True
        return not named.isdisjoint(self.trusted)


def targets(uri: str) -> frozenset[Target] | None:
    """Hosts that reading the URI may connect to; None for a URI that names no host."""
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS or (parts.scheme == "mlflow-artifacts" and not parts.netloc):
        return None
    if "\\" in parts.netloc or any(c.isspace() for c in parts.netloc):
        # Clients treat a backslash as the end of the host; urlsplit does not.
        return frozenset({(_UNREADABLE, parts.netloc, None)})
    kind = _KINDS.get(parts.scheme, parts.scheme)
    ports = _PORTS[parts.scheme] if parts.port is None else (parts.port,)
    return frozenset((kind, (parts.hostname or "").lower(), port) for port in ports)
