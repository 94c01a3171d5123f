"""Webhooks: creating, reading, updating and deleting them. Secrets here are always encrypted."""

import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Row, insert, select

from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tandem_metadata.messages.webhooks import Webhook, WebhookEvent
from tandem_metadata.rules import enums, limits
from tandem_metadata.rules.webhook_events import ACTIONS, ACTIONS_BY_ENTITY, ENTITIES, STATUSES
from tandem_metadata.search.language.limits import check_max_results
from tandem_metadata.search.sql import paging
from tandem_metadata.search.sql.order import Ordering, not_null, nulls_smallest
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.webhooks import deliveries
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, NotFound

DESCRIPTION: Final = 1000
_NAME: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)
_MAX_RESULTS: Final = 1000
_DEFAULT_RESULTS: Final = 100
_COLUMNS: Final = [column for column in webhooks.c if column is not webhooks.c.secret]

Event = tuple[str, str]
"""An entity and an action, with MLflow's names in upper case."""


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a webhook's fields; None leaves a field unchanged."""

    name: str | None = None
    url: str | None = None
    description: str | None = None
    events: Sequence[Event] | None = None
    secret: str | None = None
    """Encrypted; "" removes it."""
    status: str | None = None


def check_name(name: str) -> None:
    """Raise InvalidParameter for an invalid name."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            f"Webhook name {name[:100]!r} is invalid: parameter 'name' takes 1 to 63 letters, "
            "digits, dots, underscores and hyphens, with a letter or digit at both ends."
        )


def check_description(description: str) -> None:
    """Raise InvalidParameter for a description that is too long."""
    limits.check_length("description", description, DESCRIPTION)


def status_of(status: str | int | None) -> str | None:
    """The name of a request's status; None if it has none. Raises InvalidParameter."""
    return enums.name_of("status", status, STATUSES) if status not in (None, "") else None


def event_of(field: str, event: WebhookEvent) -> Event:
    """The entity and action of a request's event.

    Raises InvalidParameter, naming the field, for a combination that never occurs.
    """
    entity = enums.name_of(f"{field}.entity", event.entity, ENTITIES)
    action = enums.name_of(f"{field}.action", event.action, ACTIONS)
    if action not in ACTIONS_BY_ENTITY[entity]:
        raise InvalidParameter(
            f"Invalid action '{action.lower()}' for entity '{entity.lower()}'. In parameter "
            f"'{field}.action' use {' or '.join(ACTIONS_BY_ENTITY[entity])}."
        )
    return entity, action


def events_of(events: Sequence[WebhookEvent]) -> list[Event]:
    """The entities and actions of a request's events.

    Raises InvalidParameter for an empty list, a repeated event, and one that never occurs.
    """
    if not events:
        raise InvalidParameter(
            "Webhook events must be a non-empty list; name one in parameter 'events'."
        )
    found: list[Event] = []
    for index, given in enumerate(events):
        event = event_of(f"events[{index}]", given)
        if event in found:
            raise InvalidParameter(f"Parameter 'events' holds {' '.join(event)} twice.")
        found.append(event)
    return found


def create(
    conn: Connection,
    *,
    name: str,
    url: str,
    events: Sequence[Event],
    description: str | None,
    secret: str | None,
    status: str,
) -> Webhook:
    """Create a webhook from checked values; names need not be unique."""
    webhook_id = str(uuid.uuid4())
    now = now_ms()
    conn.execute(
        insert(webhooks).values(
            webhook_id=webhook_id,
            name=name,
            description=description,
            url=url,
            status=status,
            secret=secret,
            creation_timestamp=now,
            last_updated_timestamp=now,
        )
    )
    _add_events(conn, webhook_id, events)
    return get(conn, webhook_id)


def get(conn: Connection, webhook_id: str) -> Webhook:
    """A webhook that is not deleted. Raises NotFound."""
    return _from_rows(conn, [_row(conn, webhook_id)])[0]


def secret_of(conn: Connection, webhook_id: str) -> str | None:
    """A webhook's encrypted secret; None if it has none. Raises NotFound."""
    secret: str | None = _row(conn, webhook_id, webhooks.c.secret).secret
    return secret


def find(
    conn: Connection, max_results: int | None, page_token: str | None
) -> tuple[list[Webhook], str | None]:
    """One page of webhooks, the latest first, and the token of the next page if there is one.

    Raises InvalidParameter for an invalid token or page size.
    """
    limit = check_max_results(max_results or _DEFAULT_RESULTS, _MAX_RESULTS)
    ordering = Ordering(
        [
            nulls_smallest(webhooks.c.creation_timestamp, ascending=False),
            not_null(webhooks.c.webhook_id, ascending=True),
        ],
        webhooks,
    )
    rows, token = paging.fetch(
        conn,
        select(*_COLUMNS).where(webhooks.c.deleted_timestamp.is_(None)),
        ordering,
        search=fingerprint("webhooks"),
        limit=limit,
        token=page_token,
    )
    return _from_rows(conn, rows), token


def update(conn: Connection, webhook_id: str, wanted: Change) -> Webhook:
    """Set a webhook's fields to checked values; raises NotFound.

    Disabling a webhook deletes its waiting deliveries.
    """
    _row(conn, webhook_id, for_update=True)
    values: dict[str, object] = {
        field: value
        for field in ("name", "url", "description", "status")
        if (value := getattr(wanted, field)) is not None
    }
    if wanted.secret is not None:
        values["secret"] = wanted.secret or None
    conn.execute(
        sa.update(webhooks)
        .where(webhooks.c.webhook_id == webhook_id)
        .values(last_updated_timestamp=now_ms(), **values)
    )
    if wanted.events is not None:
        conn.execute(sa.delete(webhook_events).where(webhook_events.c.webhook_id == webhook_id))
        _add_events(conn, webhook_id, wanted.events)
    if wanted.status == "DISABLED":
        deliveries.drop(conn, webhook_id)
    return get(conn, webhook_id)


def delete(conn: Connection, webhook_id: str) -> None:
    """Mark a webhook as deleted and delete its waiting deliveries. Raises NotFound."""
    now = now_ms()
    deleted = conn.execute(
        sa.update(webhooks)
        .where(webhooks.c.webhook_id == webhook_id, webhooks.c.deleted_timestamp.is_(None))
        .values(deleted_timestamp=now, last_updated_timestamp=now)
    )
    if not deleted.rowcount:
        raise _not_found(webhook_id)
    deliveries.drop(conn, webhook_id)


def _row(conn: Connection, webhook_id: str, *besides: Any, for_update: bool = False) -> Row[Any]:
    statement = select(*_COLUMNS, *besides).where(
        webhooks.c.webhook_id == webhook_id, webhooks.c.deleted_timestamp.is_(None)
    )
    row = conn.execute(statement.with_for_update() if for_update else statement).first()
    if row is None:
        raise _not_found(webhook_id)
    return row


def _from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[Webhook]:
    """Webhooks for rows of the table, in the same order, with their events sorted by name."""
    if not rows:
        return []
    columns = webhook_events.c
    events: defaultdict[str, list[WebhookEvent]] = defaultdict(list)
    for row in conn.execute(
        select(columns.webhook_id, columns.entity, columns.action)
        .where(any_of(conn, columns.webhook_id, [row.webhook_id for row in rows]))
        .order_by(columns.entity, columns.action)
    ):
        events[row.webhook_id].append(WebhookEvent(row.entity.upper(), row.action.upper()))
    return [
        Webhook(
            webhook_id=row.webhook_id,
            name=row.name,
            url=row.url,
            events=events[row.webhook_id],
            status=row.status,
            creation_timestamp=row.creation_timestamp,
            last_updated_timestamp=row.last_updated_timestamp,
            description=row.description or None,
        )
        for row in rows
    ]


def _add_events(conn: Connection, webhook_id: str, events: Sequence[Event]) -> None:
    conn.execute(
        insert(webhook_events),
        [
            {"webhook_id": webhook_id, "entity": entity.lower(), "action": action.lower()}
            for entity, action in events
        ],
    )


def _not_found(webhook_id: str) -> NotFound:
    return NotFound(
        f"Webhook with ID {webhook_id[:100]} not found; the list of webhooks has all IDs."
    )
