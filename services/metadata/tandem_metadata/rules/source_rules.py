"""Which sources of model versions the settings allow, whatever run or model they belong to."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from tandem_metadata.settings import Settings

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

    def allows_host(self, source: str) -> bool:
        """Whether a source names no host to connect to, or one that the settings name too."""
        named = targets(source)
        if named is None or urlsplit(source).scheme in self.schemes:
            return True
        return not named.isdisjoint(self.trusted)


@lru_cache(maxsize=8)
def rules(settings: Settings) -> Rules:
    """The rules that the settings make."""
    hosts = [f"mlflow-artifacts://{host}/" for host in settings.artifact_hosts or ()]
    trusted = [
        targets(uri) or frozenset() for uri in (settings.default_artifact_root or "", *hosts)
    ]
    pattern = settings.create_model_version_source_validation_regex
    return Rules(
        re.compile(pattern) if pattern else None,
        frozenset(s.lower() for s in settings.allowed_host_addressed_artifact_schemes or ()),
        frozenset().union(*trusted),
    )


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
