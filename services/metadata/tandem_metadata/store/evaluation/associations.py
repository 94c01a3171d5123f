"""The experiments that evaluation datasets are in."""

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from tandem_metadata.database.tables.traces import entity_associations as links
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of

_DATASET: Final = "evaluation_dataset"
_EXPERIMENT: Final = "experiment"
_ID: Final = 36
_COLUMNS: Final = tuple(links.c.keys())


def experiments_of(conn: Connection, dataset_id: str) -> list[str]:
    """The ids of a dataset's experiments, in the order in which it came into them."""
    found = conn.execute(
        select(links.c.destination_id)
        .where(_of(dataset_id))
        .order_by(links.c.created_time, links.c.destination_id)
    )
    return [*found.scalars()]


def in_experiments(
    conn: Connection, dataset: ColumnElement[str], experiment_ids: Sequence[str]
) -> ColumnElement[bool]:
    """That the dataset of a column is in one of the experiments."""
    return dataset.in_(
        select(links.c.source_id).where(
            links.c.destination_type == _EXPERIMENT,
            any_of(conn, links.c.destination_id, experiment_ids),
            links.c.source_type == _DATASET,
        )
    )


def add(conn: Connection, dataset_id: str, experiment_ids: Sequence[str], now: int) -> None:
    """Add a dataset to experiments; where it is already it stays.

    Raises InvalidParameter for an id that is too long.
    """
    for each in experiment_ids:
        limits.check_length("experiment_ids", each, _ID)
    rows = [
        (f"a-{uuid4().hex}", _DATASET, dataset_id, _EXPERIMENT, each, now)
        for each in sorted({*experiment_ids})
    ]
    bulk.insert_rows(conn, links, _COLUMNS, rows, bulk.UNLESS_THERE)


def remove(conn: Connection, dataset_id: str, experiment_ids: Sequence[str]) -> int:
    """Take a dataset out of experiments; returns of how many."""
    chosen = and_(_of(dataset_id), any_of(conn, links.c.destination_id, experiment_ids))
    return conn.execute(delete(links).where(chosen)).rowcount


def remove_all(conn: Connection, dataset_id: str) -> None:
    """Delete what links a dataset to anything."""
    as_source = and_(links.c.source_type == _DATASET, links.c.source_id == dataset_id)
    as_destination = and_(
        links.c.destination_type == _DATASET, links.c.destination_id == dataset_id
    )
    conn.execute(delete(links).where(or_(as_source, as_destination)))


def _of(dataset_id: str) -> ColumnElement[bool]:
    return and_(
        links.c.source_type == _DATASET,
        links.c.source_id == dataset_id,
        links.c.destination_type == _EXPERIMENT,
    )
