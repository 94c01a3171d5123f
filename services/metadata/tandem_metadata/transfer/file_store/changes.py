"""What of a file store has changed since it was last looked at, found by times and sizes alone."""

import os
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from tandem_metadata.transfer.file_store import files
from tandem_metadata.transfer.file_store.documents import META
from tandem_metadata.transfer.file_store.records import Experiment
from tandem_metadata.transfer.file_store.runs import RUNS
from tandem_metadata.transfer.file_store.store import REGISTRY, TRASH, FileStore, may_be_run
from tandem_metadata.transfer.file_store.traces import TRACES

MOST_RUNS: Final = 500
"""Runs without an end whose files are looked at by one look; the others come at the next ones."""

_SETTLED_NS: Final = 20 * 10**9
"""The age from which on a folder's time tells that nothing in it is being made."""

Stamp = tuple[int, ...]
"""Times and sizes of files; another one means that one of them has changed."""


class Changed:
    """What is to be looked at: the `Choice` of an import."""

    def __init__(self) -> None:
        self.runs: dict[str, set[str]] = {}
        """Names of folders by the experiment's path."""
        self.traces: dict[str, set[str]] = {}
        self.has_registry = False

    def __bool__(self) -> bool:
        return bool(self.runs or self.has_registry)

    def experiments(self, found: Sequence[Experiment]) -> Sequence[Experiment]:
        """Those in which something has changed."""
        return [each for each in found if each.path in self.runs]

    def folders(self, experiment: Experiment, kind: str, names: Sequence[str]) -> Sequence[str]:
        """The changed ones of runs, the new ones of traces, all of logged models."""
        chosen = {RUNS: self.runs, TRACES: self.traces}.get(kind)
        if chosen is None:
            return names
        wanted = chosen.get(experiment.path, set())
        return [name for name in names if name in wanted]

    def registry(self) -> bool:
        """Whether a registered model has changed."""
        return self.has_registry


class _Folder(Struct):
    """An experiment as it was seen."""

    stamp: Stamp = ()
    ended: set[str] = field(default_factory=set)
    """Folders of runs that need not be looked at again."""
    open: dict[str, Stamp] = field(default_factory=dict)
    """The others."""
    traces: set[str] = field(default_factory=set)
    """Folders of traces that were there when their folder had settled."""


class Changes:
    """Remembers how a file store was; not thread-safe.

    A look costs one listing of the folder and a few times of each experiment; of runs that have not
    ended, at most `most_runs`, all times and sizes of files.
    """

    def __init__(self, store: FileStore, most_runs: int = MOST_RUNS) -> None:
        self._store = store
        self.most_runs = most_runs
        self._folders: dict[str, _Folder] = {}
        self._queue: deque[tuple[str, str]] = deque()
        self._registry: Stamp = ()

    def look(self) -> Changed:
        """What has changed since the last look. At the first all is."""
        changed = Changed()
        for path in self._experiments():
            self._look_at(path, changed)
        self._look_at_open(changed)
        stamp = _registry_stamp(os.path.join(self._store.registry, REGISTRY))
        changed.has_registry = stamp != self._registry
        self._registry = stamp if _is_settled(stamp) else ()
        return changed

    def settle(self, path: str, ended: Collection[str]) -> None:
        """Hear which of an experiment's folders of runs need not be looked at again."""
        folder = self._folders[path]
        folder.ended.update(ended)
        for name in ended:
            folder.open.pop(name, None)

    def open_in(self, path: str) -> list[str]:
        """The folders of an experiment's runs that have not ended."""
        return [*self._folders[path].open]

    def _experiments(self) -> Iterable[str]:
        for folder in (self._store.root, os.path.join(self._store.root, TRASH)):
            for name in files.folders(folder):
                if not name.startswith(".") and name != REGISTRY:
                    yield os.path.join(folder, name)

    def _look_at(self, path: str, changed: Changed) -> None:
        stamp = _experiment_stamp(path)
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = _Folder()
        elif stamp == known.stamp:
            return
        changed.runs.setdefault(path, set())
        for name in files.folders(path):
            if may_be_run(name) and name not in known.ended and name not in known.open:
                known.open[name] = _run_stamp(os.path.join(path, name))
                self._queue.append((path, name))
                changed.runs[path].add(name)
        traces = set(files.folders(os.path.join(path, TRACES)))
        changed.traces[path] = traces - known.traces
        known.stamp = ()
        if _is_settled(stamp):
            known.stamp = stamp
            known.traces = traces

    def _look_at_open(self, changed: Changed) -> None:
        for _ in range(min(self.most_runs, len(self._queue))):
            path, name = self._queue.popleft()
            stamps = self._folders[path].open
            if name not in stamps:  # it has ended
                continue
            self._queue.append((path, name))
            stamp = _run_stamp(os.path.join(path, name))
            if stamp != stamps[name]:
                stamps[name] = stamp
                changed.runs.setdefault(path, set()).add(name)


def _experiment_stamp(path: str) -> Stamp:
    """Changes with the experiment's file, and with each new run, model or trace."""
    models = os.path.join(path, "models")
    times = [_time(each) for each in (path, os.path.join(path, META), models)]
    times.append(_time(os.path.join(path, TRACES)))
    times += [_time(os.path.join(models, name, META)) for name in files.folders(models)]
    return tuple(times)


def _registry_stamp(folder: str) -> Stamp:
    """Changes with each new model, version and alias."""
    times = [_time(folder)]
    for name in files.folders(folder):
        path = os.path.join(folder, name)
        times += [_time(path), _time(os.path.join(path, "aliases"))]
    return tuple(times)


def _run_stamp(path: str) -> Stamp:
    total = [_time(os.path.join(path, META)), 0, 0, 0]
    for name in ("params", "tags", "metrics", "inputs", "outputs"):
        _add_up(os.path.join(path, name), total)
    return tuple(total)


def _add_up(folder: str, total: list[int]) -> None:
    """Add the number, the sizes and the latest time of the files below a folder."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    _add_up(entry.path, total)
                    continue
                status = entry.stat()
                total[1] += 1
                total[2] += status.st_size
                total[3] = max(total[3], status.st_mtime_ns)
    except OSError:
        return


def _time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _is_settled(stamp: Stamp) -> bool:
    return time.time_ns() - max(stamp, default=0) > _SETTLED_NS
