"""Where experiments, runs and logged models keep their artifacts: to whom a path belongs."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.store.dialect.in_list import any_of


class Root(NamedTuple):
    """Where a run or a logged model keeps its artifacts."""

    id: str
    experiment_id: str
    uri: str


class Found(NamedTuple):
    """What `look_up` has found."""

    experiments: list[tuple[str, str]]
    """Ids and locations, by id."""
    runs: list[Root]
    logged_models: list[Root]


def look_up(
    conn: Connection, above: int, run_ids: Sequence[str], model_ids: Sequence[str]
) -> Found:
    """The experiments of ids above a number, and those of the runs and logged models that exist.

    Deleted ones are among them: their files are still there.
    """
    found_runs, found_models = [], []
    if run_ids:
        columns = runs.c.run_uuid, runs.c.experiment_id, runs.c.artifact_uri
        clause = any_of(conn, runs.c.run_uuid, run_ids)
        found_runs = [
            Root(run_id, str(experiment_id), uri or "")
            for run_id, experiment_id, uri in conn.execute(select(*columns).where(clause))
        ]
    if model_ids:
        of = logged_models.c
        clause = any_of(conn, of.model_id, model_ids)
        statement = select(of.model_id, of.experiment_id, of.artifact_location).where(clause)
        found_models = [
            Root(model_id, str(experiment_id), uri or "")
            for model_id, experiment_id, uri in conn.execute(statement)
        ]
    located = (
        select(experiments.c.experiment_id, experiments.c.artifact_location)
        .where(experiments.c.experiment_id > above)
        .order_by(experiments.c.experiment_id)
    )
    found_experiments = [(str(number), uri or "") for number, uri in conn.execute(located)]
    return Found(found_experiments, found_runs, found_models)
