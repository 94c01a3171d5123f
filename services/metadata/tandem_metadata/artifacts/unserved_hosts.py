"""Warns at the start about experiments whose artifact hosts the settings do not allow."""

import logging
from collections import Counter
from urllib.parse import urlsplit

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.database.database import Database
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import ApiError, InvalidParameter, PermissionDenied

MAX_EXPERIMENTS = 10_000
"""The newest experiments are checked; reading more rows would delay the start."""

_log = logging.getLogger("tandem.artifacts")


def warn(database: Database, roots: Roots) -> None:
    """Log one line for each host that newest experiments use and `roots` does not follow."""
    try:
        with database.read(quiet=True) as conn:
            locations = experiments.newest_locations(conn, MAX_EXPERIMENTS)
    except ApiError:  # the next request reports the database's error
        return
    for host, number in count(locations, roots).most_common():
        what = f"{number} of the newest {len(locations)} experiments keep their files"
        if host:
            _log.warning(
                "%s on the host %s, which neither --default-artifact-root nor --artifact-hosts "
                "names: if an artifacts service is there, name it by --artifact-hosts; if it has "
                "moved, `tandem-metadata rewrite-artifacts` names the new place in all locations",
                what,
                host,
            )
        else:
            _log.warning(
                "%s at mlflow-artifacts:/, without a host: let the ingress send "
                "/api/2.0/mlflow-artifacts and /ajax-api/2.0/mlflow-artifacts to tandem-artifacts, "
                "and give --artifacts-url, or name that service's host by --default-artifact-root",
                what,
            )


def count(locations: list[str], roots: Roots) -> Counter[str]:
    """The number of locations for each host that `roots` does not follow; "" for no host."""
    found: Counter[str] = Counter()
    followed: dict[tuple[str, str], bool] = {}
    for location in locations:
        try:
            parts = urlsplit(location)
        except ValueError:
            continue
        host = parts.netloc.rpartition("@")[2].lower()
        key = parts.scheme, host
        if key not in followed:
            followed[key] = _follows(roots, location)
        if not followed[key]:
            found[host] += 1
    return found


def _follows(roots: Roots, location: str) -> bool:
    try:
        roots.locate(location)
    except PermissionDenied:
        return False
    except InvalidParameter:
        return True  # clients reach other stores directly
    return True
