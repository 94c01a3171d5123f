"""Where artifacts of a file store are found after the import."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from tandem_metadata.transfer.file_store.records import Experiment
from tandem_metadata.transfer.file_store.store import TRASH, FileStore
from tandem_metadata.transfer.roots import Moves

_NO_PLACES: Final = frozenset({"models", "runs"})


class Locations:
    """Locations as the database gets them.

    They stay as they are, but for paths, which become URIs. With a root for the artifacts, those in
    the folder begin with it: wherever the folder was when they were written, and in `.trash` if the
    experiment is there now.
    """

    def __init__(
        self, store: FileStore, experiments: Sequence[Experiment], artifacts_root: str | None
    ) -> None:
        """Raises SettingsError for a root that is none."""
        self._store = store
        roots = {each.key: root for each in experiments if (root := store.old_root(each))}
        self.roots = [*dict.fromkeys(roots.values())]
        """Roots that the folder had, as `file:` URIs."""
        self._moves: Moves | None = None
        if artifacts_root:
            target = artifacts_root.rstrip("/")
            pairs = dict.fromkeys(self.roots, artifacts_root)
            for each in experiments:
                if each.in_trash and each.key in roots:
                    told = quote(each.moved_from or each.folder)
                    pairs[f"{roots[each.key]}/{told}"] = f"{target}/{TRASH}/{each.folder}"
            self._moves = Moves([*pairs.items()], "--artifacts-root")

    def of_experiment(self, experiment: Experiment) -> str:
        """The location of an experiment."""
        return self.of(self._store.location(experiment))

    def of_run(self, experiment: Experiment, run_id: str, uri: str | None) -> str:
        """The location of a run's artifacts."""
        if uri is None:
            return f"{self.of_experiment(experiment).rstrip('/')}/{run_id}/artifacts"
        return self.of(uri)

    def of(self, location: str) -> str:
        """The location of anything; what names a model or a run instead of a place stays."""
        if urlsplit(location).scheme in _NO_PLACES:
            return location
        uri = self._store.resolved(location)
        moved = self._moves.apply(uri) if self._moves else None
        return uri if moved is None else moved
