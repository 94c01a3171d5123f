"""The import of a file store: every experiment with all that belongs to it, then the registry."""

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.transfer.file_store import metrics, models, registry, runs, traces
from tandem_metadata.transfer.file_store.records import Experiment, RegisteredModel, Trace
from tandem_metadata.transfer.file_store.store import EXPERIMENTS, FileStore
from tandem_metadata.transfer.from_files import experiments as targets
from tandem_metadata.transfer.from_files import models as model_rows
from tandem_metadata.transfer.from_files import registry as registry_rows
from tandem_metadata.transfer.from_files import runs as run_rows
from tandem_metadata.transfer.from_files import traces as trace_rows
from tandem_metadata.transfer.from_files.experiments import Found
from tandem_metadata.transfer.from_files.ledger import Ledger
from tandem_metadata.transfer.from_files.locations import Locations
from tandem_metadata.transfer.from_files.reading import Reading
from tandem_metadata.transfer.from_files.session import Session
from tandem_metadata.transfer.from_files.texts import Texts, Widths, widths
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Renumbered, Report

_LOOKED_UP: Final = 500
"""Folders whose ids are looked up by one statement."""
_KINDS: Final = (
    EXPERIMENTS,
    runs.EXPERIMENT_TAGS,
    runs.RUNS,
    runs.PARAMS,
    runs.TAGS,
    metrics.METRICS,
)


class Refused(Exception):
    """Nothing was imported, as the target cannot hold all of it; the report lists what."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an import may be told."""

    artifacts_root: str | None = None
    """Where artifacts will be found; None leaves locations as they are."""
    dry_run: bool = False
    truncate: bool = False


class Choice(Protocol):
    """What of a file store is looked at; else all is."""

    def experiments(self, found: Sequence[Experiment]) -> Sequence[Experiment]:
        """Those of them that are looked at."""

    def folders(self, experiment: Experiment, kind: str, names: Sequence[str]) -> Sequence[str]:
        """Those of an experiment's folders of runs, logged models or traces."""

    def registry(self) -> bool:
        """Whether registered models are looked at."""


class FileImport:
    """Takes what a file store holds over into a database that has the tables.

    It can be repeated at any time: what is there stays as it is, but runs, models and traces that
    were not at their end, which get what they have more. Nothing is written to the folder.
    """

    def __init__(
        self, store: FileStore, database: Database | None, report: Report, options: Options
    ) -> None:
        """`database` may be None for a dry run: the target has no tables yet."""
        self._store = store
        self._database = database
        self._report = report
        self._options = options

    def run(self, progress: Progress, choice: Choice | None = None) -> None:
        """Import, and tell the report.

        Raises Refused, having changed nothing, for texts that PostgreSQL cannot hold, and what
        `Database` raises.
        """
        limits: Widths = {}
        if self._database is not None:
            with self._database.read() as conn:
                limits = widths(conn)
        if limits and not self._options.truncate:
            self._check_lengths(
                Texts(limits, Reading(self._report), truncate=False), progress, choice
            )
        texts = Texts(limits, Reading(self._report), truncate=self._options.truncate)
        session = Session(self._database, dry_run=self._options.dry_run)
        _Pass(self._store, session, texts, self._report, self._options, choice).run(progress)
        if texts.too_long:
            raise Refused("Texts have become too long while they were imported: import again.")

    def _check_lengths(self, texts: Texts, progress: Progress, choice: Choice | None) -> None:
        """Read all texts, and write nothing."""
        unheard = Report("", "")
        session = Session(self._database, dry_run=True)
        options = Options(self._options.artifacts_root, dry_run=True)
        _Pass(self._store, session, texts, unheard, options, choice, with_points=False).run(
            progress
        )
        if texts.too_long:
            raise Refused(
                f"Nothing was imported: {texts.too_long:,} texts are too long for the columns of "
                "this PostgreSQL database. They are listed above; --truncate cuts them."
            )


class _Pass:
    """One way through the file store."""

    def __init__(
        self,
        store: FileStore,
        session: Session,
        texts: Texts,
        report: Report,
        options: Options,
        choice: Choice | None,
        *,
        with_points: bool = True,
    ) -> None:
        self._store = store
        self._session = session
        self._texts = texts
        self._report = report
        self._reading = Reading(report)
        self._options = options
        self._choice = choice
        self._with_points = with_points
        self._dry_run = options.dry_run
        self._locations = Locations(store, (), None)
        self._seen: set[str] = set()
        """Ids of runs, of a dry run: nothing else tells that two folders are of one run."""
        self._owned: list[model_rows.Owned] = []
        """Points of models whose runs had not come yet."""

    def run(self, progress: Progress) -> None:
        self._report.kinds(*_KINDS)
        found = self._store.experiments(self._reading)
        self._report.found(EXPERIMENTS, len(found))
        self._locations = Locations(self._store, found, self._options.artifacts_root)
        names = targets.names(found)
        progress.start(sum(len(self._store.run_folders(each)) for each in found), "runs")
        if not self._dry_run:
            with self._session.write() as conn:
                if conn is not None:
                    targets.reserve(conn, found)
        for experiment in found if self._choice is None else self._choice.experiments(found):
            self._experiment(experiment, names[experiment.key], progress)
        self._finish_points()
        if self._choice is None or self._choice.registry():
            for model in registry.models(self._store, self._reading):
                self._registered(model)
        if self._with_points:
            self._note_artifacts()

    def _experiment(self, experiment: Experiment, name: str, progress: Progress) -> None:
        ledger = Ledger()
        folders = self._store.run_folders(experiment)
        with self._session.whole():
            owner = self._owner(experiment, name, folders)
            chosen = self._chosen(experiment, runs.RUNS, folders)
            self._runs(experiment, owner, chosen, ledger, progress)
            self._models(experiment, owner)
            self._traces(experiment, owner)
        if not self._dry_run:
            with self._session.read() as conn:
                if conn is not None:
                    ledger.check(conn, self._report)

    def _chosen(self, experiment: Experiment, kind: str, names: Sequence[str]) -> Sequence[str]:
        return names if self._choice is None else self._choice.folders(experiment, kind, names)

    def _owner(self, experiment: Experiment, name: str, folders: Sequence[str]) -> Found:
        """The experiment of the database, made if need be."""
        report = self._report
        with self._session.read() as conn:
            found = targets.find(conn, experiment, folders) if conn is not None else None
        if found is not None and not found.is_new:
            report.already_there(EXPERIMENTS)
            self._note_number(experiment, found)
            return found
        tags = runs.experiment_tags(experiment, self._reading)
        tags = self._texts.fit_all(
            "experiment_tags", tags, runs.EXPERIMENT_TAGS, experiment.path, "key", "value"
        )
        name = self._fit("name", name, experiment)
        location = self._fit(
            "artifact_location", self._locations.of_experiment(experiment), experiment
        )
        with self._session.write() as conn:
            if conn is None:
                made = found or Found(-1, name, is_new=True)
            elif (again := targets.find(conn, experiment, folders)) is None:
                made = targets.create(conn, experiment, name, location, tags)
            elif again.is_new:
                made = targets.complete(conn, experiment, again, name, location)
            else:
                made = again
        if made.is_new:
            report.imported(EXPERIMENTS)
            report.found(runs.EXPERIMENT_TAGS, len(tags))
            report.imported(runs.EXPERIMENT_TAGS, len(tags))
            # A name that was cut is told of already.
            if not experiment.name.startswith(made.name):
                reason = f"another is called {experiment.name!r}; it is {made.name!r} now"
                report.mend(EXPERIMENTS, experiment.path, reason)
        else:
            report.already_there(EXPERIMENTS)
        self._note_number(experiment, made)
        return made

    def _note_number(self, experiment: Experiment, found: Found) -> None:
        if found.number >= 0 and str(found.number) != experiment.key:
            moved = Renumbered(found.name, experiment.key, str(found.number))
            self._report.renumbered.append(moved)

    def _runs(
        self,
        experiment: Experiment,
        owner: Found,
        folders: Sequence[str],
        ledger: Ledger,
        progress: Progress,
    ) -> None:
        writer: run_rows.RunWriter | None = None
        for folder, is_new in self._wanted_runs(experiment, owner, folders, progress):
            run = runs.run(experiment, folder, self._reading)
            if run is None:
                continue
            if writer is None:
                writer = self._writer(experiment, owner, ledger)
            uri = self._locations.of_run(experiment, run.run_id, run.artifact_uri)
            writer.add(run, uri, is_new=is_new)
        if writer is not None:
            writer.flush()

    def _wanted_runs(
        self, experiment: Experiment, owner: Found, folders: Sequence[str], progress: Progress
    ) -> Iterator[tuple[str, bool]]:
        """The folders to be read, and whether the database does not have the run yet."""
        report = self._report
        for part in _parts(folders):
            with self._session.read() as conn:
                there = run_rows.known(conn, part) if conn is not None else {}
            for folder in part:
                progress.advance()
                report.found(runs.RUNS)
                known = there.get(folder)
                if known is None and folder in self._seen:
                    self._skip_double(experiment, folder, "another folder")
                elif known is None:
                    if self._dry_run:
                        self._seen.add(folder)
                    yield folder, True
                elif known.experiment_id != owner.number:
                    self._skip_double(experiment, folder, f"experiment {known.experiment_id}")
                else:
                    report.already_there(runs.RUNS)
                    if known.status in run_rows.OPEN and not (self._dry_run and self._with_points):
                        yield folder, False

    def _skip_double(self, experiment: Experiment, folder: str, where: str) -> None:
        path = os.path.join(experiment.path, folder)
        self._report.skip(runs.RUNS, path, f"{where} has a run of this id already")

    def _writer(self, experiment: Experiment, owner: Found, ledger: Ledger) -> run_rows.RunWriter:
        given = runs.datasets(experiment, self._reading)
        datasets: dict[str, str] = {}
        if given:
            with self._session.write() as conn:
                datasets = run_rows.put_datasets(
                    conn, owner.number, given, self._texts, self._report
                )
        return run_rows.RunWriter(
            self._session,
            owner.number,
            datasets,
            self._texts,
            self._report,
            ledger,
            with_points=self._with_points,
        )

    def _models(self, experiment: Experiment, owner: Found) -> None:
        report = self._report
        folders = self._chosen(experiment, models.MODELS, models.folders(experiment))
        for part in _parts(folders):
            report.found(models.MODELS, len(part))
            with self._session.read() as conn:
                there = model_rows.known(conn, part) if conn is not None else {}
            new, pending, owned = [], [], []
            for folder in part:
                number, status = there.get(folder, (owner.number, None))
                if number != owner.number:
                    path = os.path.join(experiment.path, "models", folder)
                    reason = f"experiment {number} has a model of this id already"
                    report.skip(models.MODELS, path, reason)
                    continue
                model = models.model(experiment, folder, self._reading)
                if model is None:
                    continue
                owned.append(model_rows.Owned(owner.number, model, model.points))
                if status is None:
                    new.append(
                        (
                            model,
                            self._location_of_model(experiment, model.artifact_location, folder),
                        )
                    )
                    continue
                report.already_there(models.MODELS)
                if status == model_rows.PENDING:
                    pending.append(model)
            if new or pending or any(each.points for each in owned):
                with self._session.write() as conn:
                    model_rows.put(conn, owner.number, new, pending, self._texts, report)
                    self._owned += model_rows.put_points(conn, owned, self._texts, report)

    def _location_of_model(self, experiment: Experiment, given: str | None, folder: str) -> str:
        if given is not None:
            return self._locations.of(given)
        return f"{self._locations.of_experiment(experiment).rstrip('/')}/models/{folder}/artifacts"

    def _finish_points(self) -> None:
        """Write points of models whose runs have come after the models."""
        if not self._owned:
            return
        with self._session.write() as conn:
            left = model_rows.put_points(conn, self._owned, self._texts, self._report)
        model_rows.skip_points(left, self._report)

    def _traces(self, experiment: Experiment, owner: Found) -> None:
        report = self._report
        writer = trace_rows.TraceWriter(owner.number, self._locations, self._texts, report)
        folders = self._chosen(experiment, traces.TRACES, traces.folders(experiment))
        for part in _parts(folders, trace_rows.MOST):
            report.found(traces.TRACES, len(part))
            with self._session.read() as conn:
                there = trace_rows.known(conn, part) if conn is not None else {}
            new: list[Trace] = []
            ended: list[Trace] = []
            characters = 0
            for folder in part:
                number, state = there.get(folder, (owner.number, None))
                if number != owner.number:
                    path = os.path.join(experiment.path, "traces", folder)
                    reason = f"experiment {number} has a trace of this id already"
                    report.skip(traces.TRACES, path, reason)
                    continue
                if state is not None:
                    report.already_there(traces.TRACES)
                if state not in (None, trace_rows.IN_PROGRESS):
                    continue
                trace = traces.trace(experiment, folder, self._reading)
                if trace is None:
                    continue
                characters += sum(map(len, trace.spans))
                if state is None:
                    new.append(trace)
                elif trace.state != trace_rows.IN_PROGRESS:
                    ended.append(trace)
                if characters >= trace_rows.MOST_CHARACTERS:
                    self._write_traces(writer, new, ended)
                    new, ended, characters = [], [], 0
            self._write_traces(writer, new, ended)

    def _write_traces(
        self, writer: trace_rows.TraceWriter, new: Sequence[Trace], ended: Sequence[Trace]
    ) -> None:
        if new or ended:
            with self._session.write() as conn:
                writer.put(conn, new, ended)

    def _registered(self, model: RegisteredModel) -> None:
        with self._session.read() as look:
            if look is not None and registry_rows.is_complete(look, model, self._report):
                return
            if self._dry_run:
                self._put_registered(None, look, model)
        if not self._dry_run:
            with self._session.write() as conn:
                self._put_registered(conn, conn, model)

    def _put_registered(
        self, conn: Connection | None, look: Connection | None, model: RegisteredModel
    ) -> None:
        registry_rows.put(conn, look, model, self._locations, self._texts, self._report)

    def _fit(self, column: str, text: str, experiment: Experiment) -> str:
        return self._texts.fit("experiments", column, text, EXPERIMENTS, experiment.path)

    def _note_artifacts(self) -> None:
        roots = self._locations.roots
        if self._options.artifacts_root or not roots:
            return
        served = shlex.quote(self._store.root)
        given = ",".join(f"{root}=mlflow-artifacts://HOST/" for root in roots)
        self._report.notes += [
            "Artifacts stay where they are. The web UI shows them when an artifacts service has "
            "the folder and the metadata service knows that:",
            f"  tandem-artifacts serve --artifacts-destination {served}",
            f"  tandem-metadata serve --artifact-root-map {shlex.quote(given)}",
        ]


def _parts(names: Sequence[str], most: int = _LOOKED_UP) -> Iterator[list[str]]:
    waiting = iter(names)
    while part := [*islice(waiting, most)]:
        yield part
