"""The ASGI application: `create_app` reads its settings from the environment."""

import os

from starlette.types import ASGIApp

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.routes import files, multipart, presigned, service
from tandem_artifacts.routes.context import Context
from tandem_artifacts.settings import NAME, Settings
from tandem_shared import health, prometheus
from tandem_shared.http import Route, Router
from tandem_shared.observe import Observe
from tandem_shared.security import secure
from tandem_shared.settings import load


def create_app() -> ASGIApp:
    """The service as an ASGI application, for any ASGI server (`uvicorn --factory`).

    Raises SettingsError when a setting is wrong or the destination cannot be used.
    """
    settings = load(Settings, os.environ)
    return application(settings, driver_of(settings))


def driver_of(settings: Settings) -> Driver:
    """The driver that the settings name; raises SettingsError when there can be none."""
    return open_driver(settings.artifacts_destination, download_url_seconds=settings.presigned_ttl)


def application(settings: Settings, driver: Driver) -> ASGIApp:
    """The service over a driver, which it closes when it ends."""
    context = Context(settings, driver)
    ready = health.Probe(driver.check)

    async def start() -> None:
        ready.begin()

    routes = [
        Route("GET", "/health", health.health),
        Route("GET", "/ready", ready.answer),
        Route("GET", "/version", health.version),
        Route("GET", "/metrics", prometheus.metrics),
        *service.routes(context),
        *files.routes(context),
        *multipart.routes(context),
        *presigned.routes(context),
    ]
    prefix = settings.static_prefix
    router = Router(
        routes,
        prefix=prefix,
        fallback=service.elsewhere(prefix),
        on_startup=start,
        on_shutdown=driver.close,
    )
    return Observe(secure(router, settings), NAME)
