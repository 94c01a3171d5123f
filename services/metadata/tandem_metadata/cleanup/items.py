"""What may be deleted for good, read in pages: experiments, runs, logged models and traces."""

import enum
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.traces import trace_info, trace_tags
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.store.dialect.in_list import any_of

PAGE: Final = 500
"""Things that are read, and looked at, together."""

DELETED: Final = "deleted"
_LOCATIONS: Final = ("mlflow.artifactLocation", "mlflow.trace.archiveLocation")
"""Tags of a trace with the places of its files."""


class Kind(enum.StrEnum):
    """What a thing is; the value names several of them."""

    EXPERIMENT = "experiments"
    RUN = "runs"
    LOGGED_MODEL = "logged_models"
    TRACE = "traces"

    @property
    def one(self) -> str:
        """The word for one of them."""
        return self.value[:-1].replace("_", " ")


class Item(NamedTuple):
    """A thing with all that decides whether it goes."""

    kind: Kind
    id: str
    experiment_id: int
    locations: tuple[str, ...]
    """Where its files are; none for a thing without."""
    stage: str
    """`active` or `deleted`; traces are always active."""
    since: int | None
    """When it was deleted, of a trace when it began: milliseconds since 1970; None if unknown."""

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return f"{self.kind.one} {self.id}"


def all_experiments(conn: Connection) -> list[Item]:
    """All experiments, by id."""
    return [*_found(Kind.EXPERIMENT, conn.execute(_EXPERIMENTS.order_by(_NUMBER)))]


def deleted(database: Database, kind: Kind) -> Iterator[list[Item]]:
    """All deleted runs, or logged models, of all experiments, by id."""
    return _pages(database, kind, [_stage(kind) == DELETED])


def in_experiment(database: Database, kind: Kind, experiment_id: int) -> Iterator[list[Item]]:
    """All runs, logged models or traces of an experiment."""
    if kind is Kind.TRACE:
        return traces_until(database, experiment_id, None)
    column = runs.c.experiment_id if kind is Kind.RUN else logged_models.c.experiment_id
    return _pages(database, kind, [column == experiment_id])


def traces_until(database: Database, experiment_id: int, until: int | None) -> Iterator[list[Item]]:
    """The traces of an experiment that began until then, the oldest first; None for all."""
    time, key = trace_info.c.timestamp_ms, trace_info.c.request_id
    chosen = [trace_info.c.experiment_id == experiment_id]
    if until is not None:
        chosen.append(time <= until)
    after: list[ColumnElement[bool]] = []
    while True:
        with database.read() as conn:
            statement = _TRACES.where(*chosen, *after).order_by(time, key).limit(PAGE)
            page = _with_locations(conn, [*conn.execute(statement)])
        if not page:
            return
        yield page
        last = page[-1]
        # Both for the index, of which a row's comparison would use the first column alone.
        after = [time >= last.since, or_(time > last.since, key > last.id)]


def named(conn: Connection, kind: Kind, ids: Sequence[str]) -> dict[str, Item]:
    """Those of the ids that exist, be they deleted or not."""
    if kind is Kind.EXPERIMENT:
        numbers = [int(each) for each in ids]
        found = conn.execute(_EXPERIMENTS.where(any_of(conn, _NUMBER, numbers)))
        return {each.id: each for each in _found(kind, found)}
    if kind is Kind.TRACE:
        statement = _TRACES.where(any_of(conn, trace_info.c.request_id, ids))
        return {each.id: each for each in _with_locations(conn, [*conn.execute(statement)])}
    statement = _STATEMENTS[kind].where(any_of(conn, _KEYS[kind], ids))
    return {each.id: each for each in _found(kind, conn.execute(statement))}


def any_active_run(conn: Connection, experiment_id: int) -> bool:
    """Whether an experiment holds a run that is not deleted."""
    found = select(runs.c.run_uuid).where(
        runs.c.experiment_id == experiment_id, runs.c.lifecycle_stage != DELETED
    )
    return conn.execute(found.limit(1)).first() is not None


def _pages(
    database: Database, kind: Kind, chosen: Sequence[ColumnElement[bool]]
) -> Iterator[list[Item]]:
    key, after = _KEYS[kind], ""
    while True:
        statement = _STATEMENTS[kind].where(*chosen, key > after).order_by(key).limit(PAGE)
        with database.read() as conn:
            page = [*_found(kind, conn.execute(statement))]
        if not page:
            return
        yield page
        after = page[-1].id


def _found(kind: Kind, rows: Any) -> Iterator[Item]:
    for key, experiment_id, location, stage, since in rows:
        yield Item(kind, str(key), experiment_id, (location,) if location else (), stage, since)


def _with_locations(conn: Connection, rows: Sequence[Any]) -> list[Item]:
    """Traces with the places of their files, which their tags name."""
    tags = trace_tags.c
    ids = [row.request_id for row in rows]
    places: dict[str, tuple[str, ...]] = {}
    if ids:
        for trace_id, location in conn.execute(
            select(tags.request_id, tags.value)
            .where(any_of(conn, tags.request_id, ids), tags.key.in_(_LOCATIONS))
            .order_by(tags.key)
        ):
            if location:
                places[trace_id] = (*places.get(trace_id, ()), location)
    return [
        Item(Kind.TRACE, trace_id, experiment_id, places.get(trace_id, ()), "active", since)
        for trace_id, experiment_id, since in rows
    ]


def _stage(kind: Kind) -> Any:
    return runs.c.lifecycle_stage if kind is Kind.RUN else logged_models.c.lifecycle_stage


_NUMBER: Final = experiments.c.experiment_id
_EXPERIMENTS: Final = select(
    _NUMBER,
    _NUMBER.label("number"),
    experiments.c.artifact_location,
    experiments.c.lifecycle_stage,
    func.coalesce(experiments.c.last_update_time, experiments.c.creation_time),
)
_TRACES: Final = select(
    trace_info.c.request_id, trace_info.c.experiment_id, trace_info.c.timestamp_ms
)
_KEYS: Final[dict[Kind, Any]] = {
    Kind.RUN: runs.c.run_uuid,
    Kind.LOGGED_MODEL: logged_models.c.model_id,
}
_STATEMENTS: Final = {
    Kind.RUN: select(
        runs.c.run_uuid,
        runs.c.experiment_id,
        runs.c.artifact_uri,
        runs.c.lifecycle_stage,
        # Old MLflows noted no time.
        func.coalesce(runs.c.deleted_time, runs.c.end_time, runs.c.start_time),
    ),
    Kind.LOGGED_MODEL: select(
        logged_models.c.model_id,
        logged_models.c.experiment_id,
        logged_models.c.artifact_location,
        logged_models.c.lifecycle_stage,
        logged_models.c.last_updated_timestamp_ms,
    ),
}
