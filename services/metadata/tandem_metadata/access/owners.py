"""What resources lie in, which decides who may use them; kept where it never changes."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from tandem_metadata.access.artifact_owners import ArtifactOwners, ArtifactPaths
from tandem_metadata.access.reads import Reads
from tandem_metadata.rules import permissions
from tandem_metadata.store.evaluation import associations
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.registry import prompts, version_artifacts
from tandem_metadata.store.traces import load as traces
from tandem_metadata.store.tracking import experiments, runs

_KEPT: Final = 100_000
"""The most ids that are kept of a kind; some 15 MB."""


class _Kept:
    """Experiments by the ids of what lies in them, which never moves."""

    def __init__(self, read: Reads, find: Callable[..., Mapping[str, str]]) -> None:
        self._read = read
        self._find = find
        self._known: dict[str, str] = {}

    async def of(self, ids: Collection[str]) -> dict[str, str | None]:
        """The experiment of each id; None for one that does not exist."""
        known = self._known
        if missing := [each for each in ids if each not in known]:
            found = await self._read(self._find, missing)
            while len(known) + len(found) > _KEPT and known:
                del known[next(iter(known))]
            known.update(found)
            return {each: known.get(each) or found.get(each) for each in ids}
        return {each: known[each] for each in ids}

    def add(self, id: str, experiment: str) -> None:
        """Keep what a creation has told."""
        if len(self._known) < _KEPT:
            self._known[id] = experiment


class Owners:
    """Of one process; the event loop calls all methods."""

    def __init__(self, read: Reads, paths: ArtifactPaths) -> None:
        self._read = read
        self.artifacts = ArtifactOwners(read, paths)
        self.runs = _Kept(read, runs.experiments_of)
        self.logged_models = _Kept(read, logged_models.experiments_of)

    async def experiment_named(self, name: str) -> str:
        """The id of an experiment; raises NotFound."""
        found: str = (await self._read(experiments.get_by_name, name)).experiment_id
        return found

    async def of_traces(self, ids: Collection[str]) -> dict[str, str | None]:
        """The experiment of each trace; None for one that does not exist.

        This is read each time: traces are moved and deleted.
        """
        found = await self._read(traces.experiments_of, ids)
        return {each: found.get(each) for each in ids}

    async def of_dataset(self, dataset_id: str) -> list[str]:
        """The experiments of an evaluation dataset; none if it does not exist.

        This is read each time: datasets are added to experiments, and removed.
        """
        found: list[str] = await self._read(associations.experiments_of, dataset_id)
        return found

    async def version_roots(self, name: str, version: str) -> list[str]:
        """Where a version's files are; raises as `version_artifacts.roots` does."""
        found: list[str] = await self._read(version_artifacts.roots, name, version)
        return found

    async def copied_roots(self, source: str) -> list[str]:
        """Where the files are of the version that a source names; raises as its creation does."""
        found: list[str] = await self._read(version_artifacts.roots_of_source, source)
        return found

    async def family(self, name: str) -> str | None:
        """Whether a name is a registered model's or a prompt's; None if it is nobody's.

        This is read each time: names are given up and taken again.
        """
        found = await self._read(prompts.kind, name)
        if found is None:
            return None
        return permissions.PROMPT if found else permissions.REGISTERED_MODEL
