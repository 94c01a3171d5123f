"""Locations in the database that nothing serves: how many, and what to do about each kind."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Column, ColumnElement, Connection, Integer, String, case, func, select
from sqlalchemy import type_coerce as coerce

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.settings import Settings
from tandem_shared.doctor.findings import Finding, failure, ok, skipped, warning
from tandem_shared.doctor.web import Site
from tandem_shared.errors import InvalidParameter, PermissionDenied
from tandem_shared.http.artifact_headers import ARTIFACTS
from tandem_shared.settings import without_credentials

HOSTLESS: Final = "mlflow-artifacts:/"

_COUNTED: Final = {
    "experiments": experiments.c.artifact_location,
    "runs": runs.c.artifact_uri,
    "logged models": logged_models.c.artifact_location,
}
_SHOWN: Final = 10
"""Places of a kind that are named."""

_BELOW: Final = re.compile(
    r"/\d+(/[0-9a-f]{32}/artifacts|/models/m-[0-9a-f]{32}/artifacts)?$", re.DOTALL
)
"""What experiments, runs and models add to a root."""

_REWRITE: Final = "tandem-metadata rewrite-artifacts --from {} --to {}"


class Place(NamedTuple):
    """A host, a bucket, or the beginning of a path, and an example of what is there."""

    example: str
    numbers: Mapping[str, int]

    @property
    def counts(self) -> str:
        """How many of each kind, in words."""
        return ", ".join(
            f"{number:,} {kind if number != 1 else kind.removesuffix('s')}"
            for kind, number in self.numbers.items()
        )

    @property
    def root(self) -> str:
        """The root that the example lies below, as far as its form tells."""
        return without_credentials(_BELOW.sub("", self.example)) or "/"


def places(conn: Connection) -> list[Place]:
    """Each place with its numbers, the largest first; one statement a column."""
    found: dict[str, tuple[str, dict[str, int]]] = {}
    for kind, column in _COUNTED.items():
        # Within, for PostgreSQL takes two expressions with parameters for different ones.
        within = select(_place(conn, column).label("place"), column.label("location")).where(
            column != ""
        )
        each = within.subquery().c
        counted = select(each.place, func.count(), func.min(each.location)).group_by(each.place)
        for start, number, example in conn.execute(counted):
            _, numbers = found.setdefault(start, (example, {}))
            numbers[kind] = number
    every = [Place(example, numbers) for example, numbers in found.values()]
    return sorted(every, key=lambda each: -sum(each.numbers.values()))


def _place(conn: Connection, column: Column[Any]) -> ColumnElement[str]:
    """The scheme and host of a location; of a path its first two names."""

    def position(text: ColumnElement[str], part: str) -> ColumnElement[int]:
        name = "instr" if conn.dialect.name == "sqlite" else "strpos"
        return coerce(getattr(func, name)(text, part), Integer)

    def after(start: ColumnElement[int] | int) -> ColumnElement[str]:
        return coerce(func.substr(column, start), String)

    def up_to(length: ColumnElement[int]) -> ColumnElement[str]:
        return coerce(func.substr(column, 1, length), String)

    slashes, colon = position(column, "://"), position(column, ":/")
    host = position(after(slashes + 3) + "/", "/")  # 1 where there is none
    first = position(after(2) + "/", "/") + 1
    second = position(after(first + 1) + "/", "/") + first
    return case(
        (coerce(func.substr(column, 1, 1), String) == "/", up_to(second)),
        ((slashes > 0) & (slashes == colon), up_to(slashes + host + 1)),
        (colon > 0, up_to(colon + 1)),
        else_="./",
    )


def look(
    conn: Connection, roots: Roots, settings: Settings, clients: Site | None
) -> Iterator[Finding]:
    """What is wrong with each place. `clients`: how they reach this service, if that is known."""
    every = places(conn)
    served: list[Place] = []
    hostless: list[Place] = []
    direct: list[Place] = []
    unknown: list[Place] = []
    for place in every:
        try:
            roots.locate(place.example)
        except PermissionDenied:
            (unknown if urlsplit(place.example).netloc else hostless).append(place)
        except InvalidParameter:
            direct.append(place)
        else:
            served.append(place)
            if _is_hostless(place.example):
                hostless.append(place)
    to = _target(settings)
    for place in hostless:
        yield _hostless(place, clients, to)
    for place in unknown[:_SHOWN]:
        yield _on_unknown_host(place, to)
    for place in direct[:_SHOWN]:
        yield _direct(place, to)
    left = len(unknown[_SHOWN:]) + len(direct[_SHOWN:])
    if left:
        yield warning(f"{left} more places are not served.", "Rewrite or map those named first.")
    if not (hostless or unknown or direct):
        total = sum(sum(place.numbers.values()) for place in served)
        yield ok(f"all are served ({total:,} of experiments, runs and logged models).")


def _is_hostless(location: str) -> bool:
    return location.startswith(HOSTLESS) and not urlsplit(location).netloc


def _target(settings: Settings) -> str:
    """The root to move to: that of new experiments, if it names an artifacts service."""
    root = settings.default_artifact_root or ""
    scheme, host = root.partition(":")[0], _host(root)
    return (
        root
        if scheme in ("mlflow-artifacts", "http", "https") and host
        else ("mlflow-artifacts://HOST/")
    )


def _host(root: str) -> str:
    try:
        return urlsplit(root).netloc
    except ValueError:
        return ""


def _hostless(place: Place, clients: Site | None, to: str) -> Finding:
    said = f"Locations without a host ({place.counts}; as {without_credentials(place.example)})"
    cure = (
        f"{_REWRITE.format(HOSTLESS, to)}; or let the ingress send what is below "
        f"{ARTIFACTS.rpartition('/')[0]} to tandem-artifacts."
    )
    if clients is None:
        return warning(
            f"{said} lead clients to this service's own host, where an ingress has to send them to "
            "tandem-artifacts; --url, with the address that clients use, has doctor look.",
            cure,
        )
    answer = clients.ask("GET", f"{ARTIFACTS}?path=tandem-doctor")
    if answer.status == 200:
        return ok(f"locations without a host ({place.counts}) lead to tandem-artifacts.")
    if answer.status == 401:
        return warning(
            f"{said} lead to {clients.shown}, which wants to know who asks before it tells whether "
            "tandem-artifacts is behind it.",
            f"Give MLFLOW_TRACKING_TOKEN to have doctor look. If it is not: {cure}",
        )
    if answer.status == 307:
        return warning(
            f"{said} reach tandem-artifacts by a redirect of this service: uploads are sent twice, "
            "and clients send no credentials along.",
            cure,
        )
    return failure(f"{said} lead nowhere: clients are answered {answer.status}.", cure)


def _on_unknown_host(place: Place, to: str) -> Finding:
    host = _host(place.root).rpartition("@")[2]
    rewrite = _REWRITE.format(place.root, to)
    return warning(
        f"On the host {host}: {place.counts}. Neither --default-artifact-root nor --artifact-hosts "
        "names it, so the web UI cannot show their files.",
        f"If tandem-artifacts is there, name {host} in --artifact-hosts; if it has moved: "
        f"{rewrite}",
    )


def _direct(place: Place, to: str) -> Finding:
    scheme = place.example.partition(":")[0] if ":/" in place.example else ""
    rewrite = _REWRITE.format(place.root, to)
    if scheme in ("", "file"):
        return warning(
            f"In a folder, as {without_credentials(place.example)}: {place.counts}. Only clients "
            "that have this folder find their files, and the web UI does not.",
            "Copy the folder to the destination of tandem-artifacts, or serve it from there; then: "
            f"{rewrite}",
        )
    return warning(
        f"At {place.root}, where clients go directly: {place.counts}. The web UI does not show "
        "their files.",
        f"Where tandem-artifacts has that place: --artifact-root-map {place.root}={to}; or for "
        f"good: {rewrite}",
    )


def skipped_without_database() -> Finding:
    """Where there is no database to look into."""
    return skipped("the database does not answer, or cannot be used.")
