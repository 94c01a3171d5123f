"""One of the services as its clients, and browsers, meet it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tandem_shared.doctor.findings import Finding, failure, ok, skipped, warning
from tandem_shared.doctor.web import Answer, Site

WARNED: Final = 5.0
"""Seconds that two clocks may differ by."""

REFUSED: Final = 30.0
"""Seconds of difference from which on grants on artifacts, which live for 45, are refused."""

SERVER_INFO: Final = "/api/3.0/mlflow/server-info"
_OTHER_HOST: Final = "Invalid Host header"
_OTHER_ORIGIN: Final = "Cross-origin request blocked"
_NOT_LOOPBACK: Final = "authenticates nobody"


def reach(site: Site, service: str) -> Iterator[Finding]:
    """Whether the service answers there, under that name, and is ready."""
    health = site.ask("GET", "/health")
    if health.status != 200:
        yield failure(
            f"{site.shown} ({site.flag}) answers {health.status} at /health: {health.message}",
            f"Let the address lead to {service}, with its --static-prefix if it has one.",
        )
        return
    ready = site.ask("GET", "/ready")
    if ready.status != 200:
        yield failure(
            f"{service} at {site.shown} is not ready: {ready.message}",
            f"See the log of {service}, which has the reason.",
        )
        return
    version = site.ask("GET", "/version")
    if version.status != 200:
        yield failure(
            f"{site.shown} ({site.flag}) answers {version.status} at /version: it is another "
            "service.",
            f"Let the address lead to {service}.",
        )
        return
    yield ok(f"{service} at {site.shown} is ready, for clients of MLflow {version.body.decode()}.")
    yield from clock(health, f"{service} at {site.shown}")


def clock(answer: Answer, whose: str) -> Iterator[Finding]:
    """Whether the clock of what answered agrees with this one, by its Date header."""
    if answer.ahead is None:
        yield skipped(f"{whose} sends no Date by which its clock could be compared.")
        return
    yield clock_finding(answer.ahead, whose)


def clock_finding(ahead: float, whose: str) -> Finding:
    """What a difference of clocks means."""
    if abs(ahead) <= WARNED:
        return ok(f"the clock of {whose} agrees with this one.")
    by = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    said = f"The clock of {whose} is {by} this one."
    cure = "Let both machines follow a time server (NTP)."
    return failure(said, cure) if abs(ahead) > REFUSED else warning(said, cure)


def host(site: Site, service: str) -> Iterator[Finding]:
    """Whether the service takes requests for the host of the address."""
    answer = site.ask("GET", SERVER_INFO)
    if answer.status == 403 and _OTHER_HOST in answer.message:
        yield failure(
            f"{service} refuses requests for the host {site.authority}: {answer.message}",
            f"Name {site.host} in {service}'s --allowed-hosts, or let the proxy pass on the Host "
            "that it was called by.",
        )
    elif answer.status == 403 and _NOT_LOOPBACK in answer.message:
        yield failure(
            f"{service} authenticates nobody, and therefore answers on loopback only.",
            "Turn authentication on (--auth), or give --insecure-no-auth where something else "
            "authenticates.",
        )
    elif answer.status in (200, 401):
        yield ok(f"{service} takes requests for the host {site.authority}.")
    else:
        yield failure(
            f"{site.shown} answers {answer.status} at {SERVER_INFO}: {answer.message}",
            f"Let the address lead to {service}, with its --static-prefix if it has one; a proxy "
            "between must pass all paths on.",
        )


def info(site: Site) -> dict[str, Any]:
    """What the service says that it can do; {} where it says nothing."""
    answer = site.ask("GET", SERVER_INFO)
    found = answer.json() if answer.status == 200 else None
    return found if isinstance(found, dict) else {}


def own_pages(site: Site, service: str, path: str) -> Iterator[Finding]:
    """Whether pages that the service serves under the address may change things there.

    `path` is that of a change; the request names nothing to change.
    """
    given = {"Origin": site.origin, "Content-Type": "application/json"}
    answer = site.ask("POST", path, body=b"{}", headers=given)
    if answer.status == 403 and _OTHER_ORIGIN in answer.message:
        yield failure(
            f"Browsers cannot change anything on pages of {site.origin}: {answer.message}",
            f"Name {site.host} in {service}'s --allowed-hosts, and let the proxy pass on the Host "
            "that it was called by.",
        )
    elif answer.status in (400, 401):
        yield ok(f"pages of {site.origin} may change things there.")
    else:
        yield warning(
            f"A change from a page of {site.origin} is answered {answer.status}: {answer.message}",
            "See whether a proxy between refuses requests with an Origin.",
        )


def foreign_pages(site: Site, origins: Sequence[str], path: str) -> Iterator[Finding]:
    """Whether pages of other origins, which the settings allow, may read what they ask for."""
    for origin in origins:
        if "*" in origin:
            continue
        answer = site.ask("GET", path, headers={"Origin": origin})
        allowed = answer.headers.get("access-control-allow-origin")
        if allowed in ("*", origin):
            yield ok(f"pages of {origin} may read answers of {site.origin}.")
        else:
            yield failure(
                f"Browsers keep answers of {site.origin} from pages of {origin}: the header "
                f"Access-Control-Allow-Origin is {allowed or 'missing'}.",
                "Name the origin in --cors-allowed-origins of the service that answers there; a "
                "proxy between must pass on Origin, and the headers of the answer.",
            )


def json_body(of: Any) -> bytes:
    """A body of JSON."""
    return json.dumps(of).encode()
