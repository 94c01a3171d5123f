"""The metadata service, which says who may do what: whether it can be asked."""

from collections.abc import Iterator
from typing import Final

from tandem_artifacts.access.metadata import GRANTS, KEYS
from tandem_artifacts.settings import Settings
from tandem_shared.doctor import certificates, peers
from tandem_shared.doctor.findings import Finding, Status, failure, ok
from tandem_shared.doctor.web import Site
from tandem_shared.tls import client_side

SERVICE: Final = "tandem-metadata"
_NOBODY: Final = {"Authorization": "Bearer tandem-doctor", "Content-Type": "application/json"}
_ACCOUNTS: Final = "Start tandem-metadata with --auth, and let --metadata-url lead to it."


def look(settings: Settings, seconds: float) -> Iterator[Finding]:
    """Whether the service answers, takes this host, and knows of accounts."""
    context = client_side.fixed(
        "metadata",
        authorities=settings.metadata_ca,
        certificate=settings.metadata_cert,
        key=settings.metadata_key,
    )
    url = settings.metadata_url or ""
    site = Site(url, "--metadata-url", seconds=seconds, context=context)
    steps = [peers.reach(site, SERVICE), peers.host(site, SERVICE), _grants(site)]
    if site.scheme == "https":
        trusted = certificates.look(site, context, "name that authority by --metadata-ca")
        steps.insert(0, trusted)
    for step in steps:
        found = [*step]
        yield from found
        if any(each.status is Status.FAILURE for each in found):
            return


def _grants(site: Site) -> Iterator[Finding]:
    keys = site.ask("GET", KEYS)
    found = keys.json() if keys.status == 200 else None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        yield failure(
            f"{site.shown} answers {keys.status} to who asks for the keys of grants: "
            f"{keys.message}",
            _ACCOUNTS,
        )
        return
    body = peers.json_body({"path": "tandem-doctor", "action": "read"})
    refused = site.ask("POST", GRANTS, body=body, headers=_NOBODY)
    error = refused.json()
    code = error.get("error_code") if isinstance(error, dict) else None
    if refused.status == 401 and code == "UNAUTHENTICATED":
        yield ok("it says who may do what: made-up credentials are refused.")
        return
    yield failure(
        f"{site.shown} answers {refused.status} to made-up credentials, where 401 is right: "
        f"{refused.message}",
        _ACCOUNTS,
    )
