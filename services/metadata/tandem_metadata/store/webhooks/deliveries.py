"""The queue of webhook deliveries, in one table that all worker processes share.

A worker claims a delivery by moving its due time to the end of a lease. Other workers do not see it
until then; if the worker died, one of them delivers it. Deliveries that succeeded, or were given
up, are deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhooks
from tandem_metadata.store.dialect.in_list import any_of

_ALIVE = and_(webhooks.c.status == "ACTIVE", webhooks.c.deleted_timestamp.is_(None))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery and its due time, in milliseconds since 1970."""

    delivery_id: str
    webhook_id: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery leased to this worker."""

    delivery_id: str
    webhook_id: str
    body: str
    attempt: int
    """1 for the first."""
    url: str
    secret: str | None
    """Encrypted."""


def next_due(conn: Connection) -> list[Waiting]:
    """The earliest delivery of each active webhook, sorted by due time.

    One per webhook, so that a receiver with many deliveries does not delay others. The statement
    reads one index entry per webhook.
    """
    theirs = deliveries.alias()
    earliest = (
        select(theirs.c.delivery_id)
        .where(theirs.c.webhook_id == webhooks.c.webhook_id)
        .order_by(theirs.c.due_at)
        .limit(1)
        .scalar_subquery()
    )
    return [
        Waiting(row.delivery_id, row.webhook_id, row.due_at)
        for row in conn.execute(
            select(deliveries.c.delivery_id, deliveries.c.webhook_id, deliveries.c.due_at)
            .select_from(webhooks)
            .join(deliveries, deliveries.c.delivery_id == earliest)
            .where(_ALIVE)
            .order_by(deliveries.c.due_at)
        )
    ]


def claim(conn: Connection, delivery_ids: Sequence[str], *, now: int, until: int) -> list[Claimed]:
    """Lease those of the deliveries that are still due and unclaimed, until the time `until`.

    `now` and `until` are milliseconds since 1970. Rows locked by others are skipped.
    """
    columns = deliveries.c
    due = (
        select(columns.delivery_id)
        .where(any_of(conn, columns.delivery_id, delivery_ids), columns.due_at <= now)
        .with_for_update(skip_locked=True)
    )
    claimed = conn.execute(
        update(deliveries)
        .where(columns.delivery_id.in_(due))
        .values(due_at=until, attempts=columns.attempts + 1)
        .returning(columns.delivery_id, columns.attempts)
    )
    attempts = {row.delivery_id: row.attempts for row in claimed}
    if not attempts:
        return []
    found = conn.execute(
        select(columns.delivery_id, columns.webhook_id, columns.body, webhooks.c.url)
        .add_columns(webhooks.c.secret)
        .join(webhooks, webhooks.c.webhook_id == columns.webhook_id)
        .where(any_of(conn, columns.delivery_id, list(attempts)), _ALIVE)
    )
    return [
        Claimed(
            row.delivery_id,
            row.webhook_id,
            row.body,
            attempts[row.delivery_id],
            row.url,
            row.secret,
        )
        for row in found
    ]


def end(conn: Connection, delivery_id: str, attempt: int) -> None:
    """Delete a delivery after that attempt, unless another attempt has begun."""
    conn.execute(delete(deliveries).where(_attempted(delivery_id, attempt)))


def postpone(conn: Connection, delivery_id: str, attempt: int, due_at: int) -> None:
    """Make a delivery due again at `due_at`, unless another attempt has begun."""
    conn.execute(update(deliveries).where(_attempted(delivery_id, attempt)).values(due_at=due_at))


def release(conn: Connection, claimed: Mapping[str, int], now: int) -> None:
    """Undo claims: make deliveries due at once, without counting the attempt.

    `claimed` maps each delivery's id to the number of the attempt that is undone.
    """
    if not claimed:
        return
    columns = deliveries.c
    conn.execute(
        update(deliveries)
        .where(or_(*(_attempted(delivery_id, attempt) for delivery_id, attempt in claimed.items())))
        .values(due_at=now, attempts=columns.attempts - 1)
    )


def hasten(conn: Connection, *, now: int, latest: int) -> None:
    """Make deliveries due now whose due time is after `latest`: a wrong clock set it."""
    conn.execute(update(deliveries).where(deliveries.c.due_at > latest).values(due_at=now))


def drop(conn: Connection, webhook_id: str) -> None:
    """Delete a webhook's deliveries."""
    conn.execute(delete(deliveries).where(deliveries.c.webhook_id == webhook_id))


def drop_orphans(conn: Connection) -> int:
    """Delete deliveries to deleted and disabled webhooks; returns how many.

    MLflow's server may have deleted the webhook, or another request while an event was recorded.
    """
    alive = select(webhooks.c.webhook_id).where(_ALIVE)
    return conn.execute(delete(deliveries).where(deliveries.c.webhook_id.not_in(alive))).rowcount


def _attempted(delivery_id: str, attempt: int) -> ColumnElement[bool]:
    return and_(deliveries.c.delivery_id == delivery_id, deliveries.c.attempts == attempt)
