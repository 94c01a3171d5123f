"""What a path on the artifacts service belongs to: the longest artifact location that it lies in.

Locations are those of experiments, runs and logged models. Within an experiment's location the
first names tell the rest, as MLflow lays it out: `<run id>/…`, `models/…` and `traces/…`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from tandem_metadata.access.account import Account
from tandem_metadata.access.artifact_locations import Changes, Locations
from tandem_metadata.access.reads import Reads
from tandem_metadata.database import Connection
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action as Needed
from tandem_metadata.rules.permissions import Key, Level
from tandem_metadata.store.logged_models import artifact_roots
from tandem_metadata.store.logged_models.artifact_roots import Found, Root
from tandem_shared import paths
from tandem_shared.auth.grants import Action

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")
_FOLDERS: Final = {"models": permissions.LOGGED_MODEL, "traces": permissions.TRACE}
_TIERS: Final = (permissions.RUN, permissions.TRACE, permissions.LOGGED_MODEL)
_NEEDED: Final = {
    Action.READ: Needed.READ,
    Action.WRITE: Needed.UPDATE,
    Action.DELETE: Needed.DELETE,
}


@dataclass(frozen=True, slots=True)
class Part:
    """An experiment, or what of one type lies in it."""

    experiment: str
    tiers: tuple[str, ...] = ()
    """Types of what is reached; empty for the experiment's own files."""
    deleted: tuple[str, ...] = ()
    """Types of what a deletion reaches."""

    def permits(self, account: Account, action: Action) -> bool:
        """Whether a user may do this to it.

        Beside READ on the experiment, grants on all runs (say) decide alone. Without one, the grant
        on the experiment does.
        """
        needed, experiment = _NEEDED[action], Key(permissions.EXPERIMENT, self.experiment)
        tiers = self.deleted if action is Action.DELETE else self.tiers
        if not tiers:
            return account.permits(needed, experiment)
        return account.permits(Needed.READ, experiment) and all(
            account.permits(needed, Key(each), experiment) for each in tiers
        )

    def is_denied(self, account: Account) -> bool:
        """Whether a DENY forbids a user to read it, whatever else lets him."""
        experiment = Key(permissions.EXPERIMENT, self.experiment)
        return not account.permits(Needed.NOT_DENIED, experiment) or not all(
            account.permits(Needed.NOT_DENIED, Key(each), experiment) for each in self.tiers
        )

    @property
    def name(self) -> str:
        """What it is, for sentences."""
        if not self.tiers:
            return f"experiment {self.experiment}"
        kinds = " and ".join(each.replace("_", " ") + "s" for each in self.tiers)
        return f"the {kinds} of experiment {self.experiment}"


@dataclass(frozen=True, slots=True)
class Owner:
    """What a path belongs to, and how far that reaches."""

    parts: tuple[Part, ...]
    """All must permit an action: several experiments may have one location."""
    prefix: str
    """The path of which everything belongs to it."""
    exact: bool
    """Whether that is for the path alone, not for what lies below it."""

    def permits(self, account: Account, action: Action) -> bool:
        """Whether a user may do this to the path."""
        return all(part.permits(account, action) for part in self.parts)

    @property
    def name(self) -> str:
        """What it is, for sentences."""
        return " and ".join(part.name for part in self.parts)

    @staticmethod
    def level(action: Action) -> str:
        """The level that an action needs."""
        return Level(_NEEDED[action].value).name


class ArtifactPaths(Protocol):
    """Tells where artifact locations lead."""

    default_root: str
    """The location below which experiments keep their artifacts that are given none."""

    def path_of(self, location: str) -> str | None:
        """The canonical path on an artifacts service that is followed; None for one elsewhere."""

    def claimed(self, location: str) -> str | None:
        """The same, whatever the host: the settings may follow it some day."""


class ArtifactOwners:
    """Of one process; the event loop calls all methods."""

    def __init__(self, read: Reads, known: ArtifactPaths) -> None:
        """`read` runs functions of the store."""
        self._read = read
        self._path_of = known.path_of
        self._claimed = known.claimed
        self._root = known.claimed(known.default_root)
        self._locations = Locations(known.path_of)

    async def owner(self, path: str) -> Owner | None:
        """What a canonical path belongs to; None for nothing, as above all experiments.

        It takes one read, of what has been created since the last one and of rows found by key. A
        path of nothing may take another one, since experiments may have moved there.
        """
        matches = await self._matches(path)
        if not matches and self._locations.expire():
            matches = await self._matches(path)
        if not matches:
            return None
        longest = max(len(match.root) for match in matches)
        nearest = [match for match in matches if len(match.root) == longest]
        parts = tuple(match.part for match in nearest)
        narrowest = max(nearest, key=lambda match: len(match.prefix))
        if narrowest.exact or self._locations.any_below(narrowest.prefix):
            below = (Part(each, (), _TIERS) for each in self._locations.below(path))
            return Owner((*parts, *below), path, exact=True)
        return Owner(parts, narrowest.prefix, exact=False)

    async def _matches(self, path: str) -> list["_Match"]:
        names = path.split("/") if path else []
        found, changes = await self._read(self._look_up, self._locations.above, names)
        self._locations.learn(changes)
        return [
            *self._roots(path, permissions.RUN, found.runs),
            *self._roots(path, permissions.LOGGED_MODEL, found.logged_models),
            *self._experiments(names),
        ]

    async def is_denied(self, account: Account, location: str, path: str = "") -> bool:
        """Whether a DENY forbids a user to read a path below an artifact location.

        It takes one read. What is on no artifacts service is never read through this one.
        """
        root = self._path_of(location)
        if root is None:
            return False
        below = "/".join(part for part in (root, path) if part)
        owner = await self.owner(paths.canonical_optional(below))
        return owner is not None and any(part.is_denied(account) for part in owner.parts)

    def _look_up(self, conn: Connection, above: int, names: list[str]) -> tuple[Found, Changes]:
        found = artifact_roots.look_up(
            conn,
            above,
            [each for each in names if _RUN_ID.fullmatch(each)],
            [each for each in names if _MODEL_ID.fullmatch(each)],
        )
        return found, self._locations.compare(above, found.experiments)

    async def may_locate(self, account: Account, location: str) -> bool:
        """Whether a user may give a new experiment this artifact location.

        The experiment will be his, and so all that lies there: it must be his to delete already.
        Nobody takes a location that later experiments get by default, or that holds them.
        """
        path = self._claimed(location)
        if path is None:
            return True
        owner = await self.owner(path)
        parts = owner.parts if owner else ()
        below = (Part(each, (), _TIERS) for each in self._locations.below(path))
        if not all(part.permits(account, Action.DELETE) for part in (*parts, *below)):
            return False
        return bool(owner) or not self._is_reserved(path)

    def _is_reserved(self, path: str) -> bool:
        root = self._root
        if root is None:
            return False
        if not path or path == root or root.startswith(f"{path}/"):
            return True
        below = path.removeprefix(f"{root}/" if root else "")
        return (below != path or not root) and below.partition("/")[0].isdecimal()

    def _roots(self, path: str, type: str, roots: list[Root]) -> Iterator["_Match"]:
        for each in roots:
            root = self._path_of(each.uri)
            if root is None:
                continue
            # The folder that holds `artifacts` alone is the run's (or logged model's) as well.
            whole = (
                root.removesuffix("/artifacts") if root.endswith(f"/{each.id}/artifacts") else root
            )
            if path == whole or path.startswith(f"{whole}/"):
                yield _Match(whole, Part(each.experiment_id, (type,), (type,)), whole)

    def _experiments(self, names: list[str]) -> Iterator["_Match"]:
        for length in range(len(names), -1, -1):
            root = "/".join(names[:length])
            if ids := self._locations.at(root):
                for each in ids:
                    yield _in_experiment(each, root, names[length:])
                return


@dataclass(frozen=True, slots=True)
class _Match:
    root: str
    """The location that the path lies in."""
    part: Part
    prefix: str
    exact: bool = False


def _in_experiment(id: str, root: str, rest: list[str]) -> _Match:
    """What a path within an experiment's location belongs to; `rest` are its names below that."""
    path = [root] if root else []
    if not rest:
        return _Match(root, Part(id, (), _TIERS), root, exact=True)
    if tier := _FOLDERS.get(rest[0]):
        part = Part(id, (tier,), (tier,))
        return _Match(root, part, "/".join([*path, *rest[:2]]), exact=len(rest) == 1)
    prefix = "/".join([*path, rest[0]])
    if _RUN_ID.fullmatch(rest[0]) or rest[1:2] == ["artifacts"]:
        return _Match(root, Part(id, (permissions.RUN,), (permissions.RUN,)), prefix)
    # Nobody knows what a folder holds that MLflow does not lay out. It may be all of a run.
    return _Match(root, Part(id, (), (permissions.RUN,)), prefix)
