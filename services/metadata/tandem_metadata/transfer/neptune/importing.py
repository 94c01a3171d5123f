"""The import of an export: a run at a time, its files first, then its rows in one transaction."""

import contextlib
import dataclasses
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, Any, Final

from sqlalchemy import Connection, select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.experiments import ExperimentTag
from tandem_metadata.rules import artifact_locations, limits
from tandem_metadata.settings import Settings
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.tracking import experiments
from tandem_metadata.transfer.neptune import exported, runs
from tandem_metadata.transfer.neptune.exported import DECIMALS, ExportedRun, Unreadable, Value
from tandem_metadata.transfer.neptune.files import Files
from tandem_metadata.transfer.neptune.runs import Run
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Report
from tandem_shared.errors import InvalidParameter
from tandem_shared.settings import SettingsError

KINDS: Final = ("experiments", "runs", "params", "tags", "points", "files")
MULTIPLIER: Final = "neptune.stepMultiplier"
"""Tag of an experiment: what the steps of its runs were multiplied by to become whole numbers."""

_BATCH: Final = 5_000
_LARGEST: Final = 1.7976931348623157e308
_SERIES_FILES: Final = {
    "string_series": "series.jsonl",
    "histogram_series": "histograms.jsonl",
}
_FILES: Final = frozenset({"file", "file_set", "artifact", "file_series"})
_METRICS: Final = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
_LATEST: Final = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
"""The order of values in a metric's row."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an import may be told."""

    artifacts_root: str | None = None
    """Where experiments keep their artifacts; None for `--default-artifact-root`."""
    files: str | None = None
    """The exporter's folder of files; None for the one beside its data."""
    without_files: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class _Experiment:
    id: int
    location: str
    multiplier: int


@dataclass(slots=True)
class _Content:
    """What was read of a run, but for its points, which may be many."""

    run: Run
    files: list[tuple[str, str]] = field(default_factory=list)
    """Paths below the run's location, and of files on this disk."""
    points: int = 0


class _Series:
    """Writes series of texts and histograms to files of their own, of which one is open."""

    def __init__(self, folder: str, content: _Content) -> None:
        self._folder = folder
        self._content = content
        self._sources: dict[str, str] = {}
        self._path = ""
        self._file: IO[str] | None = None

    def write(self, path: str, line: str) -> None:
        """Add a line to the file that a run is to have at a path."""
        if path != self._path or self._file is None:
            self.close()
            if path not in self._sources:
                self._sources[path] = os.path.join(self._folder, str(len(self._sources)))
                self._content.files.append((path, self._sources[path]))
            self._path = path
            self._file = open(self._sources[path], "a", encoding="utf-8")  # noqa: SIM115
        self._file.write(line)

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None


class NeptuneImport:
    """Takes runs over into a database that has the tables; runs that are there stay as they are."""

    def __init__(
        self,
        folder: str,
        settings: Settings,
        database: Database | None,
        report: Report,
        options: Options,
    ) -> None:
        """`database` may be None for a dry run: the target has no tables yet."""
        self._data = exported.data_folder(folder)
        self._files_folder = os.path.realpath(options.files or exported.files_folder(folder))
        self._root = options.artifacts_root or settings.default_artifact_root or ""
        self._settings = dataclasses.replace(settings, default_artifact_root=self._root or None)
        self._database = database
        self._report = report
        self._options = options

    def run(self, progress: Progress) -> None:
        """Import, and tell the report.

        Raises SettingsError where artifacts have no place, or are not taken there; what was
        imported until then stays, and the next import goes on.
        """
        self._report.kinds(*KINDS)
        if not self._root:
            raise SettingsError(
                "Say where artifacts are to be kept, by --artifacts-root "
                "mlflow-artifacts://artifacts.example.com/ or --default-artifact-root."
            )
        found = list(exported.runs(self._data))
        progress.start(len(found), "runs")
        with contextlib.closing(Files(self._settings)) as files:
            for _, group in groupby(found, key=lambda each: each.project):
                self._project(list(group), files, progress)

    def _project(self, found: Sequence[ExportedRun], files: Files, progress: Progress) -> None:
        experiment: _Experiment | None = None
        digits = exported.decimals(found)
        for each in found:
            try:
                first = self._first(each)
                if first is None:
                    continue
                if experiment is None:
                    experiment = self._experiment(first.project, digits)
                self._run(each, first, experiment, files)
            except Unreadable as error:
                self._report.skip("runs", each.path, str(error))
            finally:
                progress.advance()

    def _first(self, each: ExportedRun) -> Value | None:
        """The run's first value, which names it; None, with a word to the report, if it is skipped.

        Raises Unreadable.
        """
        self._report.found("runs")
        if not each.is_complete:
            self._report.skip("runs", each.path, "it is incomplete: part 0 is missing")
            return None
        first = next(exported.values(each), None)
        if first is None:
            self._report.skip("runs", each.path, "it holds nothing")
        return first

    def _experiment(self, project: str, digits: int) -> _Experiment:
        """The experiment of a project, made if need be."""
        self._report.found("experiments")
        if self._database is not None:
            with self._database.read() as conn:
                there = self._find(conn, project)
            if there is not None:
                self._report.already_there("experiments")
                if 10**digits > there.multiplier:
                    self._report.notes.append(
                        f"Steps of {project} have more decimals than in an earlier import: they "
                        f"are rounded to {there.multiplier} a step."
                    )
                return there
        self._report.imported("experiments")
        multiplier = 10**digits
        if self._database is None or self._options.dry_run:
            return _Experiment(0, artifact_locations.below(self._root, "0"), multiplier)
        tags = [
            ExperimentTag(key=runs.PROJECT, value=project),
            ExperimentTag(key=MULTIPLIER, value=str(multiplier)),
        ]
        with self._database.write() as conn:
            experiments.create(conn, project[: limits.EXPERIMENT_NAME], "", tags, self._root)
        with self._database.read() as conn:
            made = self._find(conn, project)
        if made is None:
            raise SettingsError(f"The experiment {project} was removed while it was imported.")
        return made

    def _find(self, conn: Connection, project: str) -> _Experiment | None:
        table, tags = tracking.experiments, tracking.experiment_tags
        name = project[: limits.EXPERIMENT_NAME]
        # By the tag: it may have been renamed. By the name, if somebody made it before.
        of_tag = select(tags.c.experiment_id).where(
            tags.c.key == runs.PROJECT, tags.c.value == project
        )
        row = conn.execute(
            select(table.c.experiment_id, table.c.artifact_location)
            .where(table.c.experiment_id.in_(of_tag) | (table.c.name == name))
            .order_by(table.c.experiment_id.in_(of_tag).desc(), table.c.experiment_id)
        ).first()
        if row is None:
            return None
        multiplier = conn.execute(
            select(tags.c.value).where(
                tags.c.key == MULTIPLIER, tags.c.experiment_id == row.experiment_id
            )
        ).scalar()
        return _Experiment(row.experiment_id, row.artifact_location or "", int(multiplier or 1))

    def _run(self, each: ExportedRun, first: Value, experiment: _Experiment, files: Files) -> None:
        run = Run(first.project, first.run)
        if self._is_there(run):
            self._report.already_there("runs")
            return
        location = artifact_locations.below(experiment.location, run.id, "artifacts")
        with tempfile.TemporaryDirectory() as folder:
            content = self._read(each, run, experiment, folder)
            if self._database is not None and not self._options.dry_run:
                if not self._options.without_files:
                    for path, source in content.files:
                        files.send(location, path, source)
                with self._database.write() as conn:
                    self._write(conn, each, content, experiment, location)
        self._count(content)

    def _is_there(self, run: Run) -> bool:
        if self._database is None:
            return False
        with self._database.read() as conn:
            found = select(tracking.runs.c.run_uuid).where(tracking.runs.c.run_uuid == run.id)
            return conn.execute(found).first() is not None

    def _count(self, content: _Content) -> None:
        for kind, number in (
            ("params", len(content.run.params)),
            ("tags", len(content.run.all_tags())),
            ("points", content.points),
        ):
            self._report.found(kind, number)
            self._report.imported(kind, number)
        number = len(content.files)
        self._report.found("files", number)
        if self._options.without_files:
            if number:
                self._report.skip("files", content.run.name, "files are not asked for", number)
        else:
            self._report.imported("files", number)
        self._report.imported("runs")

    def _read(self, each: ExportedRun, run: Run, experiment: _Experiment, folder: str) -> _Content:
        """Read all but the points, which are counted; raises Unreadable."""
        content = _Content(run)
        with contextlib.closing(_Series(folder, content)) as series:
            for value in exported.values(each):
                if value.run != run.name or value.project != run.project:
                    raise Unreadable("its files hold several runs")
                if value.value is None:
                    continue
                try:
                    self._take(value, content, experiment, series)
                except InvalidParameter as error:
                    path = f"{each.path}: {value.path}"
                    self._report.found("params" if value.kind in runs.PARAMS else "points")
                    self._report.skip(
                        "params" if value.kind in runs.PARAMS else "points", path, error.message
                    )
        return content

    def _take(
        self,
        value: Value,
        content: _Content,
        experiment: _Experiment,
        series: "_Series",
    ) -> None:
        if value.kind in runs.PARAMS:
            content.run.take(value)
        elif value.kind == runs.METRICS:
            runs.key(value.path)
            content.points += 1
        elif value.kind in _SERIES_FILES:
            path = f"{runs.key(value.path)}/{_SERIES_FILES[value.kind]}"
            series.write(path, runs.line(value, _step(value, experiment)))
        elif value.kind in _FILES:
            content.files += self._files(value, experiment)
        else:
            self._report.found("params")
            self._report.skip(
                "params", f"{content.run.name}: {value.path}", f"unknown type {value.kind}"
            )

    def _files(self, value: Value, experiment: _Experiment) -> Iterator[tuple[str, str]]:
        """The paths of a value's file, or of all files of its folder."""
        source = os.path.realpath(os.path.join(self._files_folder, value.value["path"] or ""))
        below = runs.key(value.path)
        if value.kind == "file_series":
            below += f"/step_{_step(value, experiment)}"
        if not f"{source}/".startswith(f"{self._files_folder}/") or not os.path.exists(source):
            self._report.found("files")
            self._report.skip("files", value.value["path"] or value.path, "the file is missing")
            return
        if os.path.isfile(source):
            yield f"{below}/{os.path.basename(source)}", source
            return
        for parent, _, names in os.walk(source):
            for name in names:
                path = os.path.join(parent, name)
                yield f"{below}/{os.path.relpath(path, source)}", path

    def _write(
        self,
        conn: Connection,
        each: ExportedRun,
        content: _Content,
        experiment: _Experiment,
        location: str,
    ) -> None:
        run = content.run
        row = {
            "run_uuid": run.id,
            "experiment_id": experiment.id,
            "artifact_uri": location,
            "source_type": "UNKNOWN",
            **run.fields(),
        }
        row["name"] = row["name"][: limits.RUN_NAME]
        row["user_id"] = row["user_id"][: limits.USER_ID]
        bulk.insert(conn, tracking.runs, [row])
        self._write_texts(conn, tracking.params, run, run.params, limits.TAG_VALUE)
        self._write_texts(conn, tracking.tags, run, run.all_tags(), limits.TAG_VALUE)
        latest: dict[str, tuple[Any, ...]] = {}
        for batch in _batched(self._points(each, run, experiment, latest)):
            bulk.insert_rows(conn, tracking.metrics, _METRICS, batch, bulk.UNLESS_THERE)
        ordered = [
            (key, value, time, step, is_nan, run.id)
            for key, value, time, _, step, is_nan in latest.values()
        ]
        bulk.insert_rows(conn, tracking.latest_metrics, _LATEST, ordered)

    def _write_texts(
        self, conn: Connection, table: Any, run: Run, texts: dict[str, str], limit: int
    ) -> None:
        rows = []
        for key, value in texts.items():
            given = value.replace("\0", "\ufffd")
            if len(given) > limit:
                self._report.mend(
                    table.name, f"{run.name}: {key}", f"cut to {limit} of {len(given)} characters"
                )
            rows.append((key, given[:limit], run.id))
        bulk.insert_rows(conn, table, ("key", "value", "run_uuid"), rows)

    def _points(
        self,
        each: ExportedRun,
        run: Run,
        experiment: _Experiment,
        latest: dict[str, tuple[Any, ...]],
    ) -> Iterator[tuple[Any, ...]]:
        start = run.fields()["start_time"] or 0
        for value in exported.values(each):
            if value.kind != runs.METRICS or value.value is None:
                continue
            with contextlib.suppress(InvalidParameter):
                key = runs.key(value.path)
                point, is_nan = _stored(value.value)
                step = _step(value, experiment) or 0
                time = start if value.time is None else value.time
                row = (key, point, time, run.id, step, is_nan)
                known = latest.get(key)
                if known is None or (step, time, point) > (known[4], known[2], known[1]):
                    latest[key] = row
                yield row


def _step(value: Value, experiment: _Experiment) -> int | None:
    if value.step is None:
        return None
    return round(value.step * experiment.multiplier / 10**DECIMALS)


def _stored(value: float) -> tuple[float, bool]:
    """A value as the database has it: NaN as 0, infinity as the largest number."""
    if math.isnan(value):
        return 0.0, True
    return max(-_LARGEST, min(_LARGEST, value)), False


def _batched(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
