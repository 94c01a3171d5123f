"""Evaluation datasets: made, read, tagged and deleted."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, select

from tandem_metadata.database.tables.evaluation import (
    evaluation_dataset_tags,
    evaluation_datasets,
)
from tandem_metadata.messages.evaluation_datasets import Dataset
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.evaluation import associations, values
from tandem_shared.clock import now_ms
from tandem_shared.errors import NotFound

NAME: Final = 255


def create(conn: Connection, name: str, experiment_ids: Sequence[str], tags: str) -> Dataset:
    """Make a dataset, in experiments that need not exist; names need not be unique.

    Raises InvalidParameter for a name, an id or tags that cannot be stored.
    """
    limits.check_text("name", name, NAME)
    given = values.tags(tags) if tags else {}
    now, user = now_ms(), values.user(given)
    made = Dataset(
        dataset_id=f"d-{uuid4().hex}",
        name=name,
        tags=json.dumps(given),
        digest=digest(name, now),
        created_time=now,
        last_update_time=now,
        created_by=user,
        last_updated_by=user,
        experiment_ids=[*dict.fromkeys(experiment_ids)],
    )
    conn.execute(
        insert(evaluation_datasets).values(
            dataset_id=made.dataset_id,
            name=name,
            digest=made.digest,
            created_time=now,
            last_update_time=now,
            created_by=user,
            last_updated_by=user,
        )
    )
    _put(conn, made.dataset_id, given)
    associations.add(conn, made.dataset_id, made.experiment_ids, now)
    return made


def get(conn: Connection, dataset_id: str) -> Dataset:
    """A dataset; raises NotFound."""
    table = evaluation_datasets
    row = conn.execute(select(*table.c).where(table.c.dataset_id == dataset_id)).first()
    if row is None:
        raise not_found(dataset_id)
    return from_rows(conn, [row])[0]


def from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[Dataset]:
    """The datasets of rows of their table, with their tags."""
    tags: dict[str, dict[str, str | None]] = {row.dataset_id: {} for row in rows}
    table = evaluation_dataset_tags
    if rows:
        found = conn.execute(
            select(table.c.dataset_id, table.c.key, table.c.value)
            .where(any_of(conn, table.c.dataset_id, [*tags]))
            .order_by(table.c.key)
        )
        for dataset_id, key, value in found:
            tags[dataset_id][key] = value
    return [
        Dataset(
            dataset_id=row.dataset_id,
            name=row.name,
            tags=json.dumps(tags[row.dataset_id]),
            digest=row.digest,
            schema=row.schema,
            profile=row.profile,
            created_time=row.created_time,
            last_update_time=row.last_update_time,
            created_by=row.created_by,
            last_updated_by=row.last_updated_by,
        )
        for row in rows
    ]


def remove(conn: Connection, dataset_id: str) -> None:
    """Delete a dataset with its records and tags, if there is one."""
    if locked(conn, dataset_id) is None:
        return
    associations.remove_all(conn, dataset_id)
    table = evaluation_datasets
    conn.execute(delete(table).where(table.c.dataset_id == dataset_id))


def put_tags(conn: Connection, dataset_id: str, tags: str) -> None:
    """Set tags beside those that there are.

    Raises NotFound, and InvalidParameter for tags that cannot be stored.
    """
    given = values.tags(tags)
    if locked(conn, dataset_id) is None:
        raise not_found(dataset_id)
    _put(conn, dataset_id, given)


def remove_tag(conn: Connection, dataset_id: str, key: str) -> None:
    """Delete a tag, if there is one."""
    table = evaluation_dataset_tags
    conn.execute(delete(table).where(table.c.dataset_id == dataset_id, table.c.key == key))


def locked(conn: Connection, dataset_id: str) -> Row[Any] | None:
    """The row of a dataset, which nobody else changes until the transaction ends."""
    table = evaluation_datasets
    chosen = select(*table.c).where(table.c.dataset_id == dataset_id)
    return conn.execute(chosen.with_for_update(key_share=True)).first()


def digest(name: str, time_ms: int) -> str:
    """The digest of a dataset that was changed at a time."""
    return hashlib.sha256(f"{name}:{time_ms}".encode()).hexdigest()[:8]


def not_found(dataset_id: str) -> NotFound:
    """The error for a dataset that does not exist."""
    return NotFound(f"Evaluation dataset with id {limits.quoted(dataset_id)} not found.")


def _put(conn: Connection, dataset_id: str, tags: dict[str, str]) -> None:
    bulk.upsert(
        conn,
        evaluation_dataset_tags,
        ("dataset_id", "key", "value"),
        [(dataset_id, key, value) for key, value in sorted(tags.items())],
        key=("dataset_id", "key"),
    )
