"""A file store as a whole: its experiments, and the folders in them."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from tandem_metadata.transfer.file_store import documents, files
from tandem_metadata.transfer.file_store.documents import META, integer, text
from tandem_metadata.transfer.file_store.files import Problems, Unreadable
from tandem_metadata.transfer.file_store.records import Experiment

EXPERIMENTS: Final = "experiments"
TRASH: Final = ".trash"
REGISTRY: Final = "models"

NOT_RUNS: Final = frozenset({"tags", "datasets", "traces", "models"})
"""Folders of an experiment that are never runs."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]")


class FileStore:
    """A folder as `mlflow.set_tracking_uri("./mlruns")` makes it. Nothing is written to it."""

    def __init__(self, root: str, registry: str | None = None) -> None:
        """`registry`: the folder with the folder `models` of registered models, if another."""
        self.root = os.path.abspath(root)
        self.registry = os.path.abspath(registry) if registry else self.root

    def experiments(self, problems: Problems) -> list[Experiment]:
        """The experiments, those that are deleted last, each group by the folders' names."""
        found = [*self._experiments_in(self.root, problems, in_trash=False)]
        trash = os.path.join(self.root, TRASH)
        found += self._experiments_in(trash, problems, in_trash=True)
        _tell_apart(found, problems)
        return found

    def resolved(self, location: str) -> str:
        """A location as a URI.

        Paths are this machine's. Relative ones begin beside the folder, where the server ran whose
        `./mlruns` it is.
        """
        if _WINDOWS.match(location):
            return "file:///" + location.replace("\\", "/")
        if _SCHEME.match(location):
            return location
        beside = os.path.dirname(self.root)
        return Path(os.path.normpath(os.path.join(beside, location))).as_uri()

    def location(self, experiment: Experiment) -> str:
        """Where an experiment keeps its artifacts, as a URI."""
        given = experiment.artifact_location
        return self.resolved(given) if given else Path(experiment.path).as_uri()

    def old_root(self, experiment: Experiment) -> str | None:
        """The root that the store had when the experiment was made, as far as its location tells.

        None if its artifacts are not in its own folder.
        """
        parts = urlsplit(self.location(experiment))
        root, _, last = unquote(parts.path).rstrip("/").rpartition("/")
        ids = (experiment.folder, experiment.moved_from)
        if parts.scheme == "file" and last in ids and root.startswith("/"):
            return Path(root).as_uri()  # one spelling for all of a root
        return None

    def run_folders(self, experiment: Experiment) -> list[str]:
        """The names of the folders of an experiment that may be runs, sorted."""
        return [name for name in files.folders(experiment.path) if may_be_run(name)]

    def _experiments_in(
        self, folder: str, problems: Problems, *, in_trash: bool
    ) -> Iterator[Experiment]:
        for name in files.folders(folder):
            if name.startswith(".") or (name == REGISTRY and not in_trash):
                continue
            path = os.path.join(folder, name)
            if made := _experiment(path, name, problems, in_trash=in_trash):
                yield made


def is_file_store(path: str) -> bool:
    """Whether a folder looks like a file store: it holds experiments or a registry."""
    if os.path.isdir(os.path.join(path, TRASH)):
        return True
    for name in files.folders(path):
        if name == REGISTRY or name.isdecimal():
            return True
        if os.path.exists(os.path.join(path, name, META)):
            return True
    return False


def may_be_run(name: str) -> bool:
    """Whether a folder of that name in an experiment's may be a run."""
    return name not in NOT_RUNS and not name.startswith(".")


def _experiment(path: str, name: str, problems: Problems, *, in_trash: bool) -> Experiment | None:
    """The experiment of a folder; None if it is none."""
    meta = os.path.join(path, META)
    try:
        document = documents.load(meta)
    except Unreadable as error:
        if not _holds_runs(path):
            if name.isdecimal():
                problems.skip(EXPERIMENTS, meta, f"{error}, and the folder holds no runs")
            return None
        problems.mend(EXPERIMENTS, meta, f"{error}; the experiment is called recovered-{name}")
        document = {}
    given = text(document, "experiment_id")
    if not name.isdecimal() and document and given is None and "name" not in document:
        return None  # another program's folder
    title = text(document, "name")
    if document and not title:
        reason = f"it names no experiment, which is called recovered-{name}"
        problems.mend(EXPERIMENTS, meta, reason)
    stage = text(document, "lifecycle_stage")
    return Experiment(
        path=path,
        folder=name,
        in_trash=in_trash,
        name=title or f"recovered-{documents.clean(name)}",
        artifact_location=text(document, "artifact_location") or None,
        lifecycle_stage="deleted" if in_trash or stage == "deleted" else "active",
        creation_time=integer(document, "creation_time"),
        last_update_time=integer(document, "last_update_time"),
        recovered=not title,
        moved_from=given if given != name else None,
    )


def _holds_runs(path: str) -> bool:
    return any(
        may_be_run(name) and os.path.exists(os.path.join(path, name, META))
        for name in files.folders(path)
    )


def _tell_apart(found: Sequence[Experiment], problems: Problems) -> None:
    """Give each its key; tell of folders that are not called by their experiment's id."""
    seen: set[str] = set()
    for experiment in found:
        if experiment.moved_from is not None:
            reason = f"the experiment's id is {experiment.moved_from} in its meta.yaml"
            problems.mend(EXPERIMENTS, experiment.path, f"{reason}; the folder's name counts")
        experiment.key = documents.clean(experiment.folder)
        if experiment.key in seen:
            experiment.key = f"{TRASH}/{experiment.key}"
            reason = "a folder of the same name is outside .trash; this one gets a new id"
            problems.mend(EXPERIMENTS, experiment.path, reason)
        seen.add(experiment.key)
