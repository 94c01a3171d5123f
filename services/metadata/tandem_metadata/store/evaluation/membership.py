"""Adds evaluation datasets to experiments, and takes them out."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from tandem_metadata.database.tables.evaluation import evaluation_datasets
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.messages.evaluation_datasets import Dataset
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.evaluation import associations, datasets
from tandem_metadata.store.tracking.experiments import possible_ids
from tandem_shared.clock import now_ms
from tandem_shared.errors import NotFound


def add(conn: Connection, dataset_id: str, experiment_ids: Sequence[str]) -> Dataset:
    """Add a dataset to experiments, some of which it may be in; returns the dataset.

    Raises NotFound for an unknown dataset or experiment, and InvalidParameter for an id that is
    none of an experiment.
    """
    if datasets.locked(conn, dataset_id) is None:
        raise datasets.not_found(dataset_id)
    numbers = possible_ids(conn, experiment_ids)
    column = experiments.c.experiment_id
    found = conn.execute(select(column).where(any_of(conn, column, numbers)))
    known = {str(each) for each in found.scalars()}
    for each in experiment_ids:
        if each not in known:
            raise NotFound(f"No Experiment with id={each[:100]} exists; leave it out.")
    now = now_ms()
    associations.add(conn, dataset_id, experiment_ids, now)
    _touch(conn, dataset_id, now)
    return datasets.get(conn, dataset_id)


def remove(conn: Connection, dataset_id: str, experiment_ids: Sequence[str]) -> Dataset:
    """Take a dataset out of experiments that it may not be in; returns the dataset.

    Raises NotFound for an unknown dataset.
    """
    if datasets.locked(conn, dataset_id) is None:
        raise datasets.not_found(dataset_id)
    if associations.remove(conn, dataset_id, experiment_ids):
        _touch(conn, dataset_id, now_ms())
    return datasets.get(conn, dataset_id)


def _touch(conn: Connection, dataset_id: str, now: int) -> None:
    table = evaluation_datasets
    conn.execute(update(table).where(table.c.dataset_id == dataset_id).values(last_update_time=now))
