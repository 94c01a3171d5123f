"""Endpoints of webhooks.

Those that may wait for a name server or a receiver are coroutines: the few threads of
`Context.threads` are for the database.
"""

import time
import uuid
from typing import Any

from tandem_metadata.database import Connection
from tandem_metadata.messages import webhooks as messages
from tandem_metadata.routes.endpoint import READ, RETRIED_WRITE, WRITE, Context, Endpoint
from tandem_metadata.store.webhooks import events as webhook_events
from tandem_metadata.store.webhooks import webhooks
from tandem_metadata.webhooks import secrets, signature, targets
from tandem_metadata.webhooks.examples import EXAMPLES
from tandem_metadata.webhooks.sender import Unreachable
from tandem_metadata.webhooks.targets import Policy
from tandem_shared.auth.rules import ADMIN

_BODY_BYTES = 64 * 1024
"""Room for all events, a URL, a description and a secret."""
_SHOWN_BYTES = 64 * 1024
"""How much of a receiver's answer to a test is shown."""


async def create(context: Context, request: messages.CreateWebhook) -> messages.WebhookResponse:
    """Create a webhook."""
    webhooks.check_name(request.name)
    webhooks.check_description(request.description or "")
    events = webhooks.events_of(request.events)
    status = webhooks.status_of(request.status) or "ACTIVE"
    key = context.settings.webhook_secret_encryption_key
    secret = secrets.seal(request.secret, key) if request.secret else None
    await targets.check(request.url, Policy.of(context.settings))
    made = await context.retried_write(
        lambda conn: webhooks.create(
            conn,
            name=request.name,
            url=request.url,
            events=events,
            description=request.description or None,
            secret=secret,
            status=status,
        )
    )
    return messages.WebhookResponse(made)


def get(conn: Connection, request: messages.OneWebhook) -> messages.WebhookResponse:
    """Read a webhook."""
    return messages.WebhookResponse(webhooks.get(conn, request.webhook_id))


def find(conn: Connection, request: messages.ListWebhooks) -> messages.ListWebhooksResponse:
    """List webhooks."""
    found, token = webhooks.find(conn, request.max_results, request.page_token)
    return messages.ListWebhooksResponse(found, token)


async def update(context: Context, request: messages.UpdateWebhook) -> messages.WebhookResponse:
    """Change a webhook."""
    if request.name:
        webhooks.check_name(request.name)
    webhooks.check_description(request.description or "")
    key = context.settings.webhook_secret_encryption_key
    change = webhooks.Change(
        name=request.name or None,
        url=request.url or None,
        description=request.description,
        events=webhooks.events_of(request.events) if request.events else None,
        secret=secrets.seal(request.secret, key) if request.secret else request.secret,
        status=webhooks.status_of(request.status),
    )
    if request.url:
        await targets.check(request.url, Policy.of(context.settings))
    changed = await context.retried_write(webhooks.update, request.webhook_id, change)
    return messages.WebhookResponse(changed)


def delete(conn: Connection, request: messages.OneWebhook) -> None:
    """Delete a webhook."""
    webhooks.delete(conn, request.webhook_id)


async def test(context: Context, request: messages.TestWebhook) -> messages.TestWebhookResponse:
    """Send an example of an event once, and tell how that ended."""
    event = webhooks.event_of("event", request.event) if request.event else None
    webhook, sealed = await context.read(_with_secret, request.webhook_id)
    if event is None:
        event = webhooks.events_of(webhook.events)[0]
    return messages.TestWebhookResponse(await _try(context, webhook.url, event, sealed))


def _with_secret(conn: Connection, webhook_id: str) -> tuple[messages.Webhook, str | None]:
    return webhooks.get(conn, webhook_id), webhooks.secret_of(conn, webhook_id)


async def _try(
    context: Context, url: str, event: webhooks.Event, sealed: str | None
) -> messages.WebhookTestResult:
    key = context.settings.webhook_secret_encryption_key
    entity, action = event
    body = webhook_events.body(entity.lower(), action.lower(), EXAMPLES[event]).encode()
    try:
        secret = secrets.unseal(sealed, key) if sealed else None
        headers = signature.headers(str(uuid.uuid4()), int(time.time()), body, secret)
        answer = await context.webhook_sender.post(url, headers, body, read=_SHOWN_BYTES)
    except (Unreachable, secrets.Unreadable) as error:
        return messages.WebhookTestResult(success=False, error_message=str(error))
    result = messages.WebhookTestResult(
        success=answer.accepted, response_status=answer.status, response_body=answer.body
    )
    if 300 <= answer.status < 400:
        result.error_message = "The receiver redirects; deliveries do not follow redirects."
    return result


_PATH = "2.0/mlflow/webhooks"
_ONE = f"{_PATH}/{{webhook_id}}"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", _PATH, messages.CreateWebhook, WRITE, create, ADMIN, _BODY_BYTES),
    Endpoint("GET", _PATH, messages.ListWebhooks, READ, find, ADMIN),
    Endpoint("GET", _ONE, messages.OneWebhook, READ, get, ADMIN),
    Endpoint("PATCH", _ONE, messages.UpdateWebhook, WRITE, update, ADMIN, _BODY_BYTES),
    Endpoint("DELETE", _ONE, messages.OneWebhook, RETRIED_WRITE, delete, ADMIN),
    Endpoint("POST", f"{_ONE}/test", messages.TestWebhook, WRITE, test, ADMIN, _BODY_BYTES),
]
