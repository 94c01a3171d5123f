"""Logs the entries of many requests in as many statements as one entry takes.

All logging to runs comes here, also single entries. Each entry is logged whole or not at all, and
has an outcome of its own.

All transactions lock in one order, so that they do not deadlock: runs that are renamed, then rows
of params, metrics, models' metrics and tags. PostgreSQL gets the rows of each table sorted; SQLite,
which has one writer, gets them as they were logged.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from tandem_metadata.database.direct import Statements
from tandem_metadata.messages.runs import UpdateRun
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.tracking import metrics, model_metrics, params, runs
from tandem_metadata.store.tracking.log_entry import LogEntry
from tandem_shared.errors import ApiError


class LogConflict(Exception):
    """Entries contradict what is stored; the transaction must be rolled back.

    `errors` holds the outcome of each such entry, by its index. The others can be logged again.
    """

    def __init__(self, errors: Mapping[int, ApiError]) -> None:
        self.errors = errors


def only_metrics(entries: Sequence[LogEntry]) -> bool:
    """Whether `log_metrics` takes the entries: they hold metrics of runs and nothing else."""
    return not any(entry.params or entry.tags or entry.names_models for entry in entries)


def log_metrics(conn: Statements, entries: Sequence[LogEntry]) -> list[ApiError | None]:
    """As `log`, for entries of which `only_metrics` holds; one statement on PostgreSQL."""
    if isinstance(conn, Connection) and not is_postgresql(conn):
        return log(conn, entries)
    rows = [metrics.row(entry.run_id, each) for entry in entries for each in entry.metrics]
    run_ids = {entry.run_id for entry in entries}
    if rows:
        stages = metrics.add_by_one_statement(conn, run_ids, rows)
    else:
        stages = runs.stages(conn, run_ids)
    return [runs.refusal(entry.run_id, stages.get(entry.run_id)) for entry in entries]


def log(conn: Connection, entries: Sequence[LogEntry]) -> list[ApiError | None]:
    """Log entries to their runs; returns for each None, or the error for which it was left out.

    NotFound is the error of an unknown run. InvalidParameter is that of a deleted run, of an
    unknown logged model, and of an entry that contradicts an earlier one: it gives a param another
    value, or a model's metric at the same step and time. Raises LogConflict when entries contradict
    what is stored.
    """
    stages = runs.stages(conn, {entry.run_id for entry in entries})
    outcomes = [runs.refusal(entry.run_id, stages.get(entry.run_id)) for entry in entries]
    new_params: dict[params.ParamKey, str] = {}
    model_rows = _model_rows(conn, entries, outcomes)
    new_model_rows: dict[model_metrics.RowKey, model_metrics.Row] = {}
    for index, entry in enumerate(entries):
        if outcomes[index]:
            continue
        of_models = model_rows.get(index, ())
        outcomes[index] = params.conflict(
            entry.run_id, entry.params, new_params
        ) or model_metrics.conflict(of_models, new_model_rows)
        if outcomes[index] is None:
            new_params |= {(entry.run_id, key): value for key, value in entry.params.items()}
            for row in of_models:
                new_model_rows.setdefault(model_metrics.key_of(row), row)
    taken = {index: entry for index, entry in enumerate(entries) if outcomes[index] is None}
    _rename(conn, taken.values())
    if new_params:
        stored = params.add(conn, new_params)
        _raise_conflicts({i: params.conflict(e.run_id, e.params, stored) for i, e in taken.items()})
    if rows := [metrics.row(e.run_id, each) for e in taken.values() for each in e.metrics]:
        metrics.add(conn, rows)
    if new_model_rows:
        stored_rows = model_metrics.add(conn, new_model_rows)
        _raise_conflicts(
            {
                index: model_metrics.conflict(model_rows.get(index, ()), stored_rows)
                for index in taken
            }
        )
    tags = {(e.run_id, key): value for e in taken.values() for key, value in e.tags.items()}
    runs.put_tags(conn, {key: value for key, value in tags.items() if key[1] != runs.NAME_TAG})
    return outcomes


def _model_rows(
    conn: Connection, entries: Sequence[LogEntry], outcomes: list[ApiError | None]
) -> dict[int, list[model_metrics.Row]]:
    """The rows of logged models by the index of their entry; puts errors into `outcomes`."""
    rows = {
        index: model_metrics.rows(entry.run_id, entry.metrics)
        for index, entry in enumerate(entries)
        if outcomes[index] is None and entry.names_models
    }
    if rows:
        named = {row["model_id"] for of_entry in rows.values() for row in of_entry}
        existing = model_metrics.existing_models(conn, named)
        for index, of_entry in rows.items():
            outcomes[index] = model_metrics.unknown_model(of_entry, existing)
    return rows


def _rename(conn: Connection, entries: Iterable[LogEntry]) -> None:
    names = {entry.run_id: name for entry in entries if (name := entry.tags.get(runs.NAME_TAG))}
    for run_id in sorted(names):
        runs.update(conn, run_id, UpdateRun(run_name=names[run_id]))


def _raise_conflicts(outcomes: Mapping[int, ApiError | None]) -> None:
    if errors := {index: error for index, error in outcomes.items() if error}:
        raise LogConflict(errors)
