"""Runs on their way into the database, a batch of rows at a time."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from tandem_metadata.database.tables import tracking
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking.metrics import MetricRow, stored_value
from tandem_metadata.transfer.file_store import metrics, runs
from tandem_metadata.transfer.file_store.records import Dataset, Run
from tandem_metadata.transfer.from_files.ledger import Expected, Ledger
from tandem_metadata.transfer.from_files.reading import Reading
from tandem_metadata.transfer.from_files.rows import END_TIME, STATUS, Batch, Rows
from tandem_metadata.transfer.from_files.session import Session
from tandem_metadata.transfer.from_files.texts import Texts
from tandem_metadata.transfer.report import Report

MOST_ROWS: Final = 8_000
"""Rows of a batch. SQLite keeps other writers waiting for as long as one takes."""

_REMEMBERED: Final = 100_000
"""Points of one metric among which repeated ones are found here; among more the database does."""

_NAMESPACE: Final = uuid.UUID("6f1c1f5e-2d1f-5c2a-9a43-5d0c3f9b7a11")
_RUNNING: Final = "RUNNING"
OPEN: Final = frozenset({_RUNNING, "SCHEDULED"})
"""Statuses of runs that go on: what such a run has more is taken over."""
_DATASET: Final = (
    "dataset_uuid",
    "experiment_id",
    "name",
    "digest",
    "dataset_source_type",
    "dataset_source",
    "dataset_schema",
    "dataset_profile",
)
_place: Final = itemgetter(2, 3, 4)
"""Step, time and value of a point, by which it is the latest or not."""
_EDGES: Final = {"model": ("RUN_INPUT", "MODEL_INPUT"), "output": ("RUN_OUTPUT", "MODEL_OUTPUT")}


class Known(Struct, frozen=True):
    """A run that the database has."""

    experiment_id: int
    status: str


def known(conn: Connection, run_ids: Sequence[str]) -> dict[str, Known]:
    """Those of the runs that the database has."""
    columns = tracking.runs.c
    found = conn.execute(
        select(columns.run_uuid, columns.experiment_id, columns.status).where(
            any_of(conn, columns.run_uuid, run_ids)
        )
    )
    return {row.run_uuid: Known(row.experiment_id, row.status) for row in found}


def put_datasets(
    conn: Connection | None, number: int, given: Iterable[Dataset], texts: Texts, report: Report
) -> dict[str, str]:
    """Add the datasets of an experiment that are new; returns their ids by folder."""
    rows: dict[tuple[str, str], tuple[Any, ...]] = {}
    folders: dict[str, tuple[str, str]] = {}
    for each in given:
        row = _dataset_row(number, each, texts)
        key = folders[each.folder] = (row[2], row[3])
        rows.setdefault(key, row)
    ids = {key: row[0] for key, row in rows.items()}
    written = len(rows)
    if conn is not None and rows:
        written = bulk.insert_rows(
            conn, tracking.datasets, _DATASET, [*rows.values()], bulk.UNLESS_THERE
        )
        columns = tracking.datasets.c
        found = select(columns.name, columns.digest, columns.dataset_uuid).where(
            columns.experiment_id == number,
            any_of(conn, columns.name, sorted({name for name, _ in rows})),
        )
        ids |= {(row.name, row.digest): row.dataset_uuid for row in conn.execute(found)}
    report.found(runs.DATASETS, len(rows))
    report.imported(runs.DATASETS, written)
    report.already_there(runs.DATASETS, len(rows) - written)
    return {folder: ids[key] for folder, key in folders.items()}


class RunWriter:
    """Takes runs of one experiment, and writes them a batch at a time.

    A run whose points are in several transactions is RUNNING in all but the last. An import that
    ends in between leaves what the next completes.
    """

    def __init__(
        self,
        session: Session,
        number: int,
        datasets: Mapping[str, str],
        texts: Texts,
        report: Report,
        ledger: Ledger,
        *,
        with_points: bool = True,
    ) -> None:
        """`datasets`: ids by folder. Without points only texts are looked at."""
        self._session = session
        self._number = number
        self._datasets = datasets
        self._texts = texts
        self._report = report
        self._reading = Reading(report)
        self._ledger = ledger
        self._with_points = with_points
        self._batch = Batch()

    def add(self, run: Run, uri: str, *, is_new: bool) -> None:
        """Take a run; or, of one that goes on in the database, what it has more."""
        rows = self._batch.new if is_new else self._batch.more
        if is_new:
            self._batch.runs.append(self._row(run, uri))
        params = self._keyed("params", run.params, runs.PARAMS, run)
        tags = self._keyed("tags", run.tags, runs.TAGS, run)
        rows.params += [(run.run_id, key, value) for key, value in params.items()]
        rows.tags += [(run.run_id, key, value) for key, value in tags.items()]
        self._add_inputs(run, rows)
        expected = Expected(len(params), len(tags), exact=is_new and run.status not in OPEN)
        self._report.found(runs.PARAMS, len(params))
        self._report.found(runs.TAGS, len(tags))
        if self._with_points:
            is_split = self._add_metrics(run, expected, is_new=is_new)
            if is_split or not is_new:
                self._batch.ended.append((run.run_id, run.status, run.end_time))
        self._ledger.expect(run.run_id, expected)
        if len(self._batch) >= MOST_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        batch, self._batch = self._batch, Batch()
        if batch or batch.ended:
            with self._session.write() as conn:
                batch.write(conn, self._report)

    def _add_metrics(self, run: Run, expected: Expected, *, is_new: bool) -> bool:
        """Take the points of a run; whether its row tells meanwhile that it is running."""
        latest: dict[str, MetricRow] = {}
        is_split = False
        for file in metrics.files(run.path, self._reading):
            key = self._texts.fit("metrics", "key", file.key, metrics.METRICS, file.path)
            seen: set[MetricRow] = set()
            for part in metrics.points(file, self._reading):
                remembers = len(seen) < _REMEMBERED
                fresh = self._distinct(run.run_id, key, part, seen if remembers else set())
                rows = self._batch.new if is_new and remembers else self._batch.more
                rows.metrics += fresh
                self._report.found(metrics.METRICS, len(fresh))
                if remembers:
                    expected.metrics += len(fresh)
                else:
                    expected.exact = False
                _take_latest(latest, key, fresh)
                if len(self._batch) >= MOST_ROWS:
                    is_split |= self._split(run)
        self._batch.latest += latest.values()
        return is_split

    def _distinct(
        self, run_id: str, key: str, part: Sequence[tuple[int, int, float]], seen: set[MetricRow]
    ) -> list[MetricRow]:
        """The rows of points, without those that were seen; which are seen then."""
        fresh = []
        for step, timestamp, value in part:
            if isfinite(value):
                row = (run_id, key, step, timestamp, value, False)
            else:
                row = (run_id, key, step, timestamp, *stored_value(value))
            if row not in seen:
                seen.add(row)
                fresh.append(row)
        return fresh

    def _split(self, run: Run) -> bool:
        """Write a run that goes on; whether its row tells then that it is running."""
        told = False
        batch = self._batch
        if not self._session.is_one and run.status != _RUNNING:
            told = True
            if batch.runs and batch.runs[-1][0] == run.run_id:
                row = [*batch.runs[-1]]
                row[STATUS], row[END_TIME] = _RUNNING, None
                batch.runs[-1] = tuple(row)
        self.flush()
        return told

    def _row(self, run: Run, uri: str) -> tuple[Any, ...]:
        def fit(column: str, text: str) -> str:
            return self._texts.fit("runs", column, text, runs.RUNS, run.path)

        return (
            run.run_id,
            fit("name", run.name),
            run.source_type,
            fit("source_name", run.source_name),
            fit("entry_point_name", run.entry_point_name),
            fit("user_id", run.user_id),
            run.status,
            run.start_time,
            run.end_time,
            fit("source_version", run.source_version),
            run.lifecycle_stage,
            fit("artifact_uri", uri),
            self._number,
            run.deleted_time,
        )

    def _keyed(self, table: str, given: Mapping[str, str], kind: str, run: Run) -> dict[str, str]:
        return self._texts.fit_all(table, given, kind, f"{run.path}/{table}", "key", "value")

    def _add_inputs(self, run: Run, rows: Rows) -> None:
        for each in run.inputs:
            self._report.found(runs.INPUTS)
            if each.kind == "dataset":
                dataset = self._datasets.get(each.source)
                if dataset is None:
                    reason = f"its dataset {each.source[:64]} is not in the experiment's datasets"
                    self._report.skip(runs.INPUTS, each.path, reason)
                    continue
                edge = ("DATASET", dataset, "RUN", run.run_id)
            else:
                source, destination = _EDGES[each.kind]
                model = self._fit_input("destination_id", each.source, each.path)
                edge = (source, run.run_id, destination, model)
            identity = uuid.uuid5(_NAMESPACE, "/".join(edge)).hex
            rows.inputs.append((identity, *edge, each.step))
            tags = self._texts.fit_all(
                "input_tags", each.tags, runs.INPUTS, each.path, "name", "value"
            )
            rows.input_tags += [(identity, name, value) for name, value in tags.items()]

    def _fit_input(self, column: str, text: str, path: str) -> str:
        return self._texts.fit("inputs", column, text, runs.INPUTS, path)


def _take_latest(latest: dict[str, MetricRow], key: str, rows: Sequence[MetricRow]) -> None:
    """Keep the greatest row by step, time and value; of equal ones the first."""
    if not rows:
        return
    greatest = max(rows, key=_place)  # the first of equal ones
    before = latest.get(key)
    if before is None or _place(greatest) > _place(before):
        latest[key] = greatest


def _dataset_row(number: int, given: Dataset, texts: Texts) -> tuple[Any, ...]:
    def fit(column: str, text: str) -> str:
        return texts.fit("datasets", column, text, runs.DATASETS, given.path)

    name, digest = fit("name", given.name), fit("digest", given.digest)
    return (
        uuid.uuid5(_NAMESPACE, f"{number}/{name}/{digest}").hex,
        number,
        name,
        digest,
        fit("dataset_source_type", given.source_type),
        given.source,
        given.schema,
        given.profile,
    )
