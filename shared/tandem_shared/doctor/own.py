"""The service's own settings and address, which both services look at alike."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import certifi

from tandem_shared.doctor import certificates, peers
from tandem_shared.doctor.findings import Check, Failed, Finding, Status, failure, ok, skipped
from tandem_shared.doctor.web import Site
from tandem_shared.serving import run
from tandem_shared.serving.launch import Service
from tandem_shared.settings import CommonSettings, SettingsError
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile

TRUST: Final = "have clients trust that by REQUESTS_CA_BUNDLE"
"""How MLflow's clients come to trust an authority."""

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_FLAG: Final = "--url"


def settings_checks(
    service: Service, settings: CommonSettings, prepare: Callable[[], None]
) -> Iterator[Check]:
    """Whether `serve` would start with the settings; `prepare` raises SettingsError if not."""

    def start() -> Iterator[Finding]:
        try:
            prepare()
            run.check(service, settings)
        except SettingsError as error:
            yield failure(f"serve would not start: {error}", "Change the setting.")
        else:
            yield ok("serve takes them.")

    yield Check("settings", start)
    if certificate := settings.tls_cert:
        yield Check("own certificate", lambda: certificates.of_file(certificate, "--tls-cert"))


def refused(sentence: str) -> Iterator[Check]:
    """The one check of settings that cannot be read."""

    def look() -> Iterator[Finding]:
        yield failure(f"serve would not start: {sentence}", "Change the setting.")

    yield Check("settings", look)


def client_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """What MLflow's clients with this environment trust, and present; raises SettingsError."""
    authorities = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or environ.get(
        "REQUESTS_CA_BUNDLE"
    )
    certificate = environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    files = Files(
        authorities=PemFile("REQUESTS_CA_BUNDLE", authorities) if authorities else None,
        certificate=(
            PemFile("MLFLOW_TRACKING_CLIENT_CERT_PATH", certificate) if certificate else None
        ),
    )
    return contexts.of_client(files, certifi.where()).context


class OwnAddress:
    """Where clients and browsers reach the service, if it runs."""

    def __init__(self, settings: CommonSettings, url: str | None, seconds: float) -> None:
        """`url`: as it was given; None for the address that the service listens on."""
        self._given = url
        self._settings = settings
        self._seconds = seconds

    def site(self, headers: Mapping[str, str] | None = None) -> Site:
        """It, as a client calls it that sends these headers; raises Failed and SettingsError."""
        url, flag = (self._given, _FLAG) if self._given else (self._local(), "--host, --port")
        context = client_context() if self._given else blind_context()
        return Site(url, flag, seconds=self._seconds, context=context, headers=headers)

    def checks(self, name: str, service: str, change: str) -> Iterator[Check]:
        """What clients and browsers meet there; `change` is the path of one that names nothing."""
        yield Check(name, lambda: self._look(service, change))

    def _look(self, service: str, change: str) -> Iterator[Finding]:
        site = self.site()
        if self._given is None:
            try:
                site.ask("GET", "/health")
            except Failed:
                yield skipped(
                    f"nothing answers at {site.shown}: start {service}, or give the address that "
                    "clients use by --url, to have it looked at as they meet it."
                )
                return
        elif site.scheme == "https":
            found = [*certificates.look(site, client_context(), TRUST)]
            yield from found
            if any(each.status is Status.FAILURE for each in found):
                return
        yield from peers.reach(site, service)
        yield from peers.host(site, service)
        yield from peers.own_pages(site, service, change)
        origins = self._settings.cors_allowed_origins or ()
        yield from peers.foreign_pages(site, origins, peers.SERVER_INFO)

    def _local(self) -> str:
        settings = self._settings
        host = _EVERYWHERE.get(settings.host, settings.host)
        host = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.tls_cert else "http"
        return f"{scheme}://{host}:{settings.port}{settings.static_prefix}"


def blind_context() -> ssl.SSLContext:
    """Trusts anybody: for an address of this machine, whose certificate is for another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
