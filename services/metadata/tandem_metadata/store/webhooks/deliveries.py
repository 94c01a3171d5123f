"""Deliveries that wait to be made: which are due, and what became of an attempt.

Several workers, in several processes, take deliveries from the one table. A worker claims a
delivery by moving the time when it is due to the end of a lease, and nobody else sees it until
then: if the worker is gone by that time, another one delivers it. What is done, or given up, is
deleted, so that the table holds only what is still to be sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhooks
from tandem_metadata.store.dialect.in_list import among

_ALIVE = and_(webhooks.c.status == "ACTIVE", webhooks.c.deleted_timestamp.is_(None))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is due at a time, milliseconds since 1970."""

    delivery_id: str
    webhook_id: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's until its lease ends."""

    delivery_id: str
    webhook_id: str
    body: str
    attempt: int
    """1 for the first."""
    url: str
    secret: str | None
    """Encrypted."""


def first(conn: Connection) -> list[Waiting]:
    """The first waiting delivery of each active webhook, those due earliest first.

    One of each, so that a receiver with many deliveries hides no other's. One statement, which
    looks at one row of the index for each webhook.
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
    """Those of some deliveries that are still due and nobody else's, now leased until a time."""
    columns = deliveries.c
    due = (
        select(columns.delivery_id)
        .where(among(conn, columns.delivery_id, delivery_ids), columns.due_at <= now)
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
        .where(among(conn, columns.delivery_id, list(attempts)), _ALIVE)
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
    """Forget a delivery after that attempt, unless its lease ended and another one began."""
    conn.execute(delete(deliveries).where(_attempted(delivery_id, attempt)))


def postpone(conn: Connection, delivery_id: str, attempt: int, due_at: int) -> None:
    """Have a delivery tried again at a time, unless another attempt has begun."""
    conn.execute(update(deliveries).where(_attempted(delivery_id, attempt)).values(due_at=due_at))


def give_back(conn: Connection, claimed: Mapping[str, int], now: int) -> None:
    """Make claimed deliveries due at once, as if the attempts, by delivery, had not been."""
    if not claimed:
        return
    columns = deliveries.c
    conn.execute(
        update(deliveries)
        .where(or_(*(_attempted(delivery_id, attempt) for delivery_id, attempt in claimed.items())))
        .values(due_at=now, attempts=columns.attempts - 1)
    )


def hasten(conn: Connection, *, now: int, latest: int) -> None:
    """Make due now what is due later than `latest`, which no clock that is right would have set."""
    conn.execute(update(deliveries).where(deliveries.c.due_at > latest).values(due_at=now))


def drop(conn: Connection, webhook_id: str) -> None:
    """Forget what waits for a webhook."""
    conn.execute(delete(deliveries).where(deliveries.c.webhook_id == webhook_id))


def drop_orphans(conn: Connection) -> int:
    """Forget what waits for webhooks that are deleted or disabled, and how many those were.

    They may have become so by MLflow's server, or while an event was recorded.
    """
    alive = select(webhooks.c.webhook_id).where(_ALIVE)
    return conn.execute(delete(deliveries).where(deliveries.c.webhook_id.not_in(alive))).rowcount


def _attempted(delivery_id: str, attempt: int) -> ColumnElement[bool]:
    return and_(deliveries.c.delivery_id == delivery_id, deliveries.c.attempts == attempt)
