"""The artifacts service: as this service reaches it, and as clients and browsers do."""

import os
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.settings import Settings
from tandem_shared.doctor import certificates, own, peers, transfers
from tandem_shared.doctor.findings import Check, Failed, Finding, Status, failure, skipped, warning
from tandem_shared.doctor.web import Site
from tandem_shared.http.artifact_headers import ARTIFACTS
from tandem_shared.tls import client_side

SERVICE: Final = "tandem-artifacts"
_TRANSFER_SECONDS: Final = 120.0
_CA: Final = "name that authority by --artifacts-ca"


class Artifacts:
    """The artifacts service that the settings name."""

    def __init__(self, settings: Settings, roots: Roots, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        self._scheme = settings.scheme_of_artifacts()
        self._public = _with_scheme(roots.public, self._scheme)

    def checks(self, clients: own.OwnAddress, *, is_given: bool) -> Iterator[Check]:
        """What is looked at; `is_given` tells whether `clients` is the address that they use."""
        if self._internal is None:
            yield Check("artifacts service", self._none)
            return
        yield Check("artifacts service, from here", self._from_here)
        if self._public:
            yield Check("artifacts service, as clients", self._as_clients)
        yield Check("transfers", self._transfers, max(self._seconds, _TRANSFER_SECONDS))
        if self._settings.redirect_artifacts_to and is_given:
            yield Check("redirects of browsers", lambda: self._redirected(clients))

    @property
    def _internal(self) -> str | None:
        return self._settings.artifacts_url or self._prefixed(self._public)

    def _prefixed(self, url: str | None) -> str | None:
        """As clients do, who prefix the path of their tracking URI."""
        return f"{url}{self._settings.static_prefix}" if url else None

    def _none(self) -> Iterator[Finding]:
        root = self._settings.default_artifact_root or ""
        if root.startswith("mlflow-artifacts:"):
            yield failure(
                f"--default-artifact-root {root} names no host, and there is no --artifacts-url: "
                "this service knows of no artifacts service.",
                "Give --artifacts-url, or a --default-artifact-root with the host.",
            )
            return
        yield skipped("new experiments keep their files elsewhere, where clients go directly.")

    def _own_trust(self) -> ssl.SSLContext:
        settings = self._settings
        return client_side.fixed(
            "artifacts",
            authorities=settings.artifacts_ca,
            certificate=settings.artifacts_cert,
            key=settings.artifacts_key,
        )

    def _site_from_here(self) -> Site:
        flag = "--artifacts-url" if self._settings.artifacts_url else "--default-artifact-root"
        trust = self._own_trust()
        return Site(self._internal or "", flag, seconds=self._seconds, context=trust)

    def _site_of_clients(self) -> Site:
        return Site(
            self._prefixed(self._public) or "",
            "--default-artifact-root",
            seconds=self._seconds,
            context=own.client_context(),
            headers=transfers.credentials(os.environ),
        )

    def _from_here(self) -> Iterator[Finding]:
        site = self._site_from_here()
        yield from _look(site, self._own_trust(), _CA)

    def _as_clients(self) -> Iterator[Finding]:
        site = self._site_of_clients()
        try:
            site.ask("GET", "/health")
        except Failed as failed:
            if "certificate" not in failed.finding.said:
                yield warning(
                    f"From here clients' way cannot be looked at: {failed.finding.said}",
                    "If clients are elsewhere, see from there whether they reach it; else: "
                    f"{failed.finding.cure}",
                )
                return
        yield from _look(site, own.client_context(), own.TRUST)

    def _transfers(self) -> Iterator[Finding]:
        site = self._site_from_here()
        given = transfers.credentials(os.environ)
        site = Site(
            self._internal or "",
            site.flag,
            seconds=self._seconds,
            context=self._own_trust(),
            headers=given,
        )
        yield from transfers.round_trip(
            site,
            known=bool(given),
            store=lambda _: own.client_context(),
            seconds=self._seconds,
        )

    def _redirected(self, clients: own.OwnAddress) -> Iterator[Finding]:
        to = self._settings.redirect_artifacts_to or ""
        if not urlsplit(to).netloc:
            yield skipped("browsers are redirected on one host, which asks no leave of it.")
            return
        site = Site(
            to,
            "--redirect-artifacts-to",
            seconds=self._seconds,
            context=own.client_context(),
        )
        origin = clients.site().origin
        yield from peers.foreign_pages(site, [origin], f"{ARTIFACTS}?path=tandem-doctor")


def _look(site: Site, trust: ssl.SSLContext, authorities: str) -> Iterator[Finding]:
    if site.scheme == "https":
        found = [*certificates.look(site, trust, authorities)]
        yield from found
        if any(each.status is Status.FAILURE for each in found):
            return
    found = [*peers.reach(site, SERVICE)]
    yield from found
    if any(each.status is Status.FAILURE for each in found):
        return
    hosts = [*peers.host(site, SERVICE)]
    yield from hosts
    if hosts[0].status is Status.OK and not peers.info(site).get("artifact_serving_enabled", True):
        yield failure(
            f"{site.shown} ({site.flag}) is a metadata service, not {SERVICE}.",
            f"Let the address lead to {SERVICE}.",
        )


def _with_scheme(public: str | None, scheme: str) -> str | None:
    """The address of a root's host, with the scheme that clients take."""
    return f"{scheme}:{public}" if public and public.startswith("//") else public
