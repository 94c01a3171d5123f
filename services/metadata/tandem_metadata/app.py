"""The ASGI application."""

import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from tandem_metadata.access import opening
from tandem_metadata.artifacts import unserved_hosts
from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import as_settings_error
from tandem_metadata.database.wait import DatabaseWait
from tandem_metadata.routes import (
    artifact_grants,
    artifact_proxy,
    artifacts,
    assessments,
    datasets,
    evaluation_datasets,
    experiments,
    exports,
    graphql,
    logged_models,
    login,
    metrics,
    model_artifacts,
    model_versions,
    otlp,
    params,
    presigned,
    promptlab,
    registered_models,
    registry_search,
    resource_permissions,
    roles,
    runs,
    scorers,
    service,
    signup,
    tags,
    tokens,
    trace_artifacts,
    trace_metrics,
    trace_search,
    trace_spans,
    trace_writes,
    traces,
    ui,
    ui_stubs,
    unsupported,
    uploads,
    user_permissions,
    users,
    webhooks,
)
from tandem_metadata.routes.endpoint import (
    ACCOUNT_CONNECTIONS,
    EXTRA_CONNECTIONS,
    POINT_LOOKUPS,
    Context,
    Endpoint,
    bind,
)
from tandem_metadata.settings import NAME, Settings
from tandem_metadata.webhooks.delivery import Delivery
from tandem_shared.http.router import Route, Router
from tandem_shared.observability.audit import AuditLog
from tandem_shared.observability.instrumentation import Instrumentation
from tandem_shared.security import exposure, probe_port
from tandem_shared.security.hosts_and_origins import ALWAYS_ANSWERED, secure
from tandem_shared.settings import load

ENDPOINTS: list[Endpoint[Any]] = [
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *tags.ENDPOINTS,
    *params.ENDPOINTS,
    *metrics.ENDPOINTS,
    *datasets.ENDPOINTS,
    *evaluation_datasets.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *presigned.ENDPOINTS,
    *registered_models.ENDPOINTS,
    *model_versions.ENDPOINTS,
    *registry_search.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *traces.ENDPOINTS,
    *assessments.ENDPOINTS,
    *trace_writes.ENDPOINTS,
    *trace_search.ENDPOINTS,
    *trace_metrics.ENDPOINTS,
    *scorers.ENDPOINTS,
]

ACCOUNT_ENDPOINTS: list[Endpoint[Any]] = [
    *users.ENDPOINTS,
    *user_permissions.ENDPOINTS,
    *roles.ENDPOINTS,
    *resource_permissions.ENDPOINTS,
    *tokens.ENDPOINTS,
]
"""Those of accounts, which are there where requests are authenticated."""


def _logins(context: Context) -> list[Route]:
    gate = context.gate
    if gate is None or gate.authenticator.logins is None or gate.cookies is None:
        return []
    settings = context.settings
    return login.routes(
        gate.authenticator, gate.cookies, settings.static_prefix, int(settings.oidc_session_seconds)
    )


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service as an ASGI application.

    Without `settings` it reads them from the environment, for ASGI servers that call the factory
    themselves (`uvicorn --factory`).

    Creates the tables of an empty database. Raises SettingsError if a setting is missing, if the
    database does not answer, or if its revision is not supported. With `migrate` off it creates
    nothing, and requests are refused until the database can be used.
    """
    settings = settings or load(Settings, os.environ)
    audit = AuditLog(settings.audit_log, NAME) if settings.audit_log else None
    root = settings.artifact_root()
    database = Database(settings, extra_connections=EXTRA_CONNECTIONS, point_lookups=POINT_LOOKUPS)
    accounts = opening.open_database(settings, database, ACCOUNT_CONNECTIONS)
    if settings.migrate:
        with as_settings_error(database.url):
            database.prepare(root)
        if settings.auth != "none":
            opening.prepare(accounts, settings)
    context = Context(settings, database, accounts)
    apart = accounts if accounts is not database else None
    client = ArtifactClient(settings)
    context.gate = opening.open_gate(
        settings,
        context.read,
        context.accounts.read,
        context.accounts.write,
        client.roots,
        apart,
    )
    if context.gate:
        client.token = context.gate.artifacts.token
    delivery = Delivery(database, settings, context.webhook_sender, context.background)
    opened = contextlib.AsyncExitStack()

    async def begin() -> None:
        await delivery.start()
        opened.push_async_callback(delivery.stop)
        if settings.served_folder:
            from tandem_metadata.transfer.served_folder import ServedFolder  # for few starts

            follower = ServedFolder(settings.served_folder, partial(Database, settings, quiet=True))
            await follower.start()
            opened.push_async_callback(follower.stop)
        await context.background.run(unserved_hosts.warn, database, client.roots)

    also = partial(opening.adopt, accounts, settings) if settings.auth != "none" else None
    wait = (
        None if settings.migrate else DatabaseWait(database, root, context.background, begin, also)
    )
    refuse = unsupported.refuse(settings.static_prefix)
    ready = service.probe(context, wait.check if wait else None)
    routes = [
        *bind(context, ENDPOINTS),
        *(
            bind(context.on_accounts(), ACCOUNT_ENDPOINTS)
            if context.gate
            else ui_stubs.without_accounts()
        ),
        *artifacts.routes(context, client),
        *uploads.routes(context, client),
        *promptlab.routes(context, client),
        *artifact_grants.routes(context),
        *artifact_proxy.routes(client.roots, context.gate),
        *model_artifacts.routes(context, client),
        *exports.routes(context),
        *trace_spans.routes(context),
        *trace_artifacts.routes(context, client),
        *graphql.routes(context, client),
        *service.routes(ready),
        *ui_stubs.routes(),
        *ui_stubs.refusals(refuse),
        *trace_writes.routes(context),
        *otlp.routes(context),
        *ui.routes(settings),
        *_logins(context),
        *(signup.routes(context.on_accounts(), settings.static_prefix) if context.gate else ()),
    ]

    def gate(route: str | None) -> None:
        if wait and route not in ALWAYS_ANSWERED:
            wait.check()

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with opened:
            opened.callback(database.close)
            if apart:
                opened.callback(apart.close)
            await opened.enter_async_context(context)
            if context.gate:
                opened.push_async_callback(context.gate.authenticator.aclose)
            client.start()
            opened.push_async_callback(client.close)
            if wait:
                await wait.start()
                opened.push_async_callback(wait.stop)
            else:
                await begin()
                ready.begin()
            yield

    router = Router(
        routes,
        prefix=settings.static_prefix,
        fallback=refuse,
        gate=gate if wait else None,
        guard=context.gate.admit if context.gate else None,
        lifespan=lifespan,
    )
    secured = secure(router, settings, framed=ui.FRAMED, reads=router.reads)
    limited = probe_port.limited(secured, settings)
    return Instrumentation(exposure.guard(limited, settings), NAME, audit)
