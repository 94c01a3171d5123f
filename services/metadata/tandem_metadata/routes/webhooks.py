"""Endpoints of webhooks.

Those that may have to wait for a name server or for a receiver wait in the event loop: a thread
with a connection to the database, of which requests have a few, is taken for the database only.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.messages import webhooks as messages
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.routes.endpoint import Context, Endpoint, decode
from tandem_metadata.settings import Settings
from tandem_metadata.store.webhooks import events as webhook_events
from tandem_metadata.store.webhooks import webhooks
from tandem_metadata.webhooks import secrets, signature, targets
from tandem_metadata.webhooks.examples import EXAMPLES
from tandem_metadata.webhooks.sender import Sender, Unreachable
from tandem_metadata.webhooks.targets import Policy
from tandem_shared.http.router import Route, api_routes, json_response
from tandem_shared.wire import codec

V = TypeVar("V")

_PATH = "2.0/mlflow/webhooks"
_BODY_BYTES = 64 * 1024
"""Room for all events, a URL, a description and a secret."""
_SHOWN_BYTES = 64 * 1024
"""How much of what a receiver answered to a test is shown."""


def get(context: Context, request: messages.OneWebhook) -> messages.WebhookResponse:
    """Read a webhook."""
    with context.db.read() as conn:
        return messages.WebhookResponse(webhooks.get(conn, request.webhook_id))


def find(context: Context, request: messages.ListWebhooks) -> messages.ListWebhooksResponse:
    """List webhooks."""
    with context.db.read() as conn:
        found, token = webhooks.find(conn, request.max_results, request.page_token)
    return messages.ListWebhooksResponse(found, token)


def delete(context: Context, request: messages.OneWebhook) -> Empty:
    """Delete a webhook."""
    context.db.run_in_transaction(lambda conn: webhooks.delete(conn, request.webhook_id))
    return Empty()


ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("GET", _PATH, messages.ListWebhooks, find),
    Endpoint("GET", f"{_PATH}/{{webhook_id}}", messages.OneWebhook, get),
    Endpoint("DELETE", f"{_PATH}/{{webhook_id}}", messages.OneWebhook, delete),
]


def policy(settings: Settings) -> Policy:
    """Where the settings let deliveries go."""
    return Policy(
        settings.webhook_allowed_schemes or ("https",), settings.webhook_allow_private_ips
    )


def routes(context: Context, sender: Sender) -> list[Route]:
    """Creating, changing and testing webhooks."""
    allowed = policy(context.settings)
    key = context.settings.webhook_secret_encryption_key
    limit = min(context.settings.max_body_bytes, _BODY_BYTES)

    async def write(function: Callable[[Any], V]) -> V:
        return await context.threads.run(context.db.run_in_transaction, function)

    async def create(request: Request) -> Response:
        wanted = await decode(request, messages.CreateWebhook, limit)
        webhooks.check_name(wanted.name)
        webhooks.check_description(wanted.description or "")
        events = webhooks.events_of(wanted.events)
        status = webhooks.status_of(wanted.status) or "ACTIVE"
        secret = secrets.seal(wanted.secret, key) if wanted.secret else None
        await targets.check(wanted.url, allowed)
        made = await write(
            lambda conn: webhooks.create(
                conn,
                name=wanted.name,
                url=wanted.url,
                events=events,
                description=wanted.description or None,
                secret=secret,
                status=status,
            )
        )
        return _answer(messages.WebhookResponse(made))

    async def update(request: Request) -> Response:
        wanted = await decode(request, messages.UpdateWebhook, limit)
        if wanted.name:
            webhooks.check_name(wanted.name)
        webhooks.check_description(wanted.description or "")
        change = webhooks.Change(
            name=wanted.name or None,
            url=wanted.url or None,
            description=wanted.description,
            events=webhooks.events_of(wanted.events) if wanted.events else None,
            secret=secrets.seal(wanted.secret, key) if wanted.secret else wanted.secret,
            status=webhooks.status_of(wanted.status),
        )
        if wanted.url:
            await targets.check(wanted.url, allowed)
        changed = await write(lambda conn: webhooks.update(conn, wanted.webhook_id, change))
        return _answer(messages.WebhookResponse(changed))

    async def test(request: Request) -> Response:
        wanted = await decode(request, messages.TestWebhook, limit)
        event = webhooks.event_of("event", wanted.event) if wanted.event else None

        def read() -> tuple[messages.Webhook, str | None]:
            with context.db.read() as conn:
                found = webhooks.get(conn, wanted.webhook_id)
                return found, webhooks.secret_of(conn, wanted.webhook_id)

        webhook, sealed = await context.threads.run(read)
        if event is None:
            event = webhooks.events_of(webhook.events)[0]
        result = await _try(sender, webhook.url, event, sealed, key)
        return _answer(messages.TestWebhookResponse(result))

    return [
        *api_routes("POST", _PATH, create),
        *api_routes("PATCH", f"{_PATH}/{{webhook_id}}", update),
        *api_routes("POST", f"{_PATH}/{{webhook_id}}/test", test),
    ]


async def _try(
    sender: Sender, url: str, event: webhooks.Event, sealed: str | None, key: str | None
) -> messages.WebhookTestResult:
    """Send an example of the event once, and tell how that ended."""
    entity, action = event
    body = webhook_events.body(entity.lower(), action.lower(), EXAMPLES[event]).encode()
    try:
        secret = secrets.unseal(sealed, key) if sealed else None
        headers = signature.headers(str(uuid.uuid4()), int(time.time()), body, secret)
        answer = await sender.post(url, headers, body, read=_SHOWN_BYTES)
    except (Unreachable, secrets.Unreadable) as error:
        return messages.WebhookTestResult(success=False, error_message=str(error))
    result = messages.WebhookTestResult(
        success=answer.accepted, response_status=answer.status, response_body=answer.body
    )
    if 300 <= answer.status < 400:
        result.error_message = "The receiver redirects; deliveries do not follow redirects."
    return result


def _answer(message: object) -> Response:
    return json_response(codec.encode_json(message))
