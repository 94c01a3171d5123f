"""Messages of webhooks. No answer holds a secret."""

from msgspec import Struct

from tandem_metadata.messages.experiments import EnumValue
from tandem_shared.wire.codec import Int32, Required


class WebhookEvent(Struct):
    """An event that a webhook subscribes to, by MLflow's names: `MODEL_VERSION`, `CREATED`."""

    entity: EnumValue
    action: EnumValue


class Webhook(Struct, omit_defaults=True):
    """A webhook in an answer; times count milliseconds since 1970."""

    webhook_id: str
    name: str
    url: str
    events: list[WebhookEvent]
    status: str
    creation_timestamp: int | None
    last_updated_timestamp: int | None
    description: str | None = None


class CreateWebhook(Struct):
    """Request of `POST webhooks`."""

    name: Required
    url: Required
    events: list[WebhookEvent]
    description: str | None = None
    secret: str | None = None
    status: EnumValue | None = None


class WebhookResponse(Struct):
    """Answer that holds one webhook."""

    webhook: Webhook


class ListWebhooks(Struct):
    """Request of `GET webhooks`."""

    max_results: Int32 | None = None
    page_token: str | None = None


class ListWebhooksResponse(Struct, omit_defaults=True):
    """Answer of `GET webhooks`."""

    webhooks: list[Webhook] = []
    next_page_token: str | None = None


class OneWebhook(Struct):
    """Request that only names a webhook in its path."""

    webhook_id: str = ""


class UpdateWebhook(Struct):
    """Request of `PATCH webhooks/{webhook_id}`.

    An empty name, URL or list of events counts as not given, as in MLflow. An empty description or
    secret removes the old one.
    """

    webhook_id: str = ""
    name: str | None = None
    description: str | None = None
    url: str | None = None
    events: list[WebhookEvent] = []
    secret: str | None = None
    status: EnumValue | None = None


class TestWebhook(Struct):
    """Request of `webhooks/{webhook_id}/test`; without an event, the webhook's first."""

    webhook_id: str = ""
    event: WebhookEvent | None = None


class WebhookTestResult(Struct, omit_defaults=True):
    """The result of testing a webhook."""

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None


class TestWebhookResponse(Struct):
    """Answer of `webhooks/{webhook_id}/test`."""

    result: WebhookTestResult
