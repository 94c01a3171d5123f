"""The ASGI application."""

import contextlib
import os
from collections.abc import AsyncIterator

from starlette.types import ASGIApp

from tandem_artifacts.access.gate import Gate
from tandem_artifacts.access.metadata import Metadata
from tandem_artifacts.access.proof import Proofs
from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.routes import files, multipart, presigned, service
from tandem_artifacts.routes.context import Context
from tandem_artifacts.routes.guard import guard
from tandem_artifacts.settings import LEAST_MEMORY, NAME, Settings
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http import health
from tandem_shared.http.router import Route, Router
from tandem_shared.http.transfers import Transfers
from tandem_shared.observability import metrics
from tandem_shared.observability.audit import AuditLog
from tandem_shared.observability.instrumentation import Instrumentation
from tandem_shared.security import exposure, probe_port
from tandem_shared.security.hosts_and_origins import secure
from tandem_shared.security.own_page import OwnPage
from tandem_shared.serving import memory
from tandem_shared.settings import load
from tandem_shared.tls import client_side
from tandem_shared.tls.renewal import RenewedContext

_MIB = 1024 * 1024
_WORKER_BYTES = 80 * _MIB
"""Memory of a worker besides transfers."""
_PLACES_PER_WORKER = 500
"""Most transfers of a worker at a time, unless a setting says otherwise."""


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service as an ASGI application.

    Without `settings` it reads them from the environment: ASGI servers that know nothing of Tandem
    call it so (`uvicorn --factory`). Raises SettingsError when a setting is wrong or the
    destination cannot be used.
    """
    settings = settings or load(Settings, os.environ)
    return application(settings, driver_of(settings))


def driver_of(settings: Settings) -> Driver:
    """The driver that the settings name; raises SettingsError when there can be none."""
    return open_driver(settings.artifacts_destination, download_url_seconds=settings.presigned_ttl)


def metadata_of(settings: Settings) -> Metadata | None:
    """The metadata service, if the settings have it asked; raises SettingsError for wrong ones."""
    if settings.metadata_url is None:
        return None
    return Metadata(settings.metadata_url, tls=metadata_tls(settings))


def metadata_tls(settings: Settings) -> RenewedContext | None:
    """What is trusted and presented there by HTTPS; raises SettingsError for files of no use."""
    return client_side.context(
        "metadata",
        authorities=settings.metadata_ca,
        certificate=settings.metadata_cert,
        key=settings.metadata_key,
    )


def transfers_of(settings: Settings) -> Transfers:
    """One worker's places and memory for transfers."""
    room = settings.transfer_memory or _default_memory(settings.workers)
    places = settings.max_transfers or min(room // _MIB, _PLACES_PER_WORKER * settings.workers)
    return Transfers(
        places=max(places // settings.workers, 1),
        memory=room // settings.workers,
        least_rate=settings.min_transfer_rate,
    )


def _default_memory(workers: int) -> int:
    """Half of the memory that the workers leave.

    The other half is for uncounted memory: the kernel's socket buffers, and the allocator's own.
    """
    left = memory.limit() - workers * _WORKER_BYTES
    return max(left // 2, workers * LEAST_MEMORY)


def sent_elsewhere(settings: Settings, driver: Driver) -> str | None:
    """A sentence on the transfers for which clients are sent to the store; None if there are none.

    A client that cannot reach the store waits for minutes, of which this service sees nothing.
    """
    context = Context(settings, driver, transfers_of(settings))
    ways = {
        "large uploads (--disable-proxy-multipart-upload)": context.multipart_uploads,
        "large downloads (--disable-proxy-multipart-download)": context.multipart_downloads,
        "other downloads (--no-redirect-downloads)": driver.presigned
        and settings.redirect_downloads,
    }
    taken = ", ".join(way for way, open_ in ways.items() if open_)
    if not taken:
        return None
    return (
        f"clients are sent to {driver.host} for {taken}; where they cannot reach it, set the flags."
    )


def application(settings: Settings, driver: Driver) -> ASGIApp:
    """The service over a driver, which it closes when it ends."""
    context = Context(settings, driver, transfers_of(settings))
    ready = health.Probe(driver.check)
    metadata = metadata_of(settings)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        ready.begin()
        if metadata:
            metadata.start()
        try:
            yield
        finally:
            await driver.close()
            if metadata:
                await metadata.close()

    routes = [
        Route("GET", "/health", health.health, PUBLIC),
        Route("GET", "/ready", ready.answer, PUBLIC),
        Route("GET", "/version", health.version, PUBLIC),
        Route("GET", "/metrics", metrics.metrics, PUBLIC),
        *service.routes(context),
        *files.routes(context),
        *multipart.routes(context),
        *presigned.routes(context),
    ]
    prefix = settings.static_prefix
    own_page = OwnPage(settings.cors_allowed_origins or ())
    router = Router(
        routes,
        prefix=prefix,
        fallback=service.not_served_here(prefix),
        guard=guard(Gate(metadata), Proofs(settings), own_page) if metadata else None,
        lifespan=lifespan,
    )
    audit = AuditLog(settings.audit_log, NAME) if settings.audit_log else None
    limited = probe_port.limited(secure(router, settings), settings)
    return Instrumentation(exposure.guard(limited, settings), NAME, audit)
