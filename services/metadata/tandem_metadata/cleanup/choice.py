"""Chooses what is deleted for good, and says of what was asked for why it stays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tandem_metadata.cleanup import items
from tandem_metadata.cleanup.items import DELETED, PAGE, Item, Kind
from tandem_metadata.cleanup.protection import Protection
from tandem_metadata.cleanup.report import Report
from tandem_metadata.cleanup.retention import Ages
from tandem_metadata.database.database import Database

GROUP: Final = 100
"""Things whose files, and then rows, are deleted together."""

_CONTENTS: Final = (Kind.RUN, Kind.LOGGED_MODEL, Kind.TRACE)
_MARKED: Final = (Kind.RUN, Kind.LOGGED_MODEL)
"""What is marked as deleted first, and may be registered as a model's version."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    ids: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    """With ids, these alone; without, all that is old enough."""
    even_registered: bool = False
    leave_artifacts: bool = False

    @property
    def is_explicit(self) -> bool:
        """Whether ids are given."""
        return any(self.ids.values())


class Group(NamedTuple):
    """Things of one kind that go together."""

    kind: Kind
    items: Sequence[Item]
    within: int | None = None
    """The experiment that goes with them."""


class Choice:
    """Of one command. It reads anew whenever it is asked."""

    def __init__(
        self,
        database: Database,
        request: Request,
        ages: Ages,
        protection: Protection,
        report: Report,
    ) -> None:
        """`report` is told of what stays."""
        self._database = database
        self._request = request
        self._ages = ages
        self._protection = protection
        self._report = report

    def groups(self) -> Iterator[Group]:
        """What goes, in the order in which it goes: an experiment after what lies in it."""
        experiments = self._experiments()
        whole = frozenset(each.experiment_id for each in experiments)
        for kind in _MARKED:
            for page in self._marked(kind):
                yield from _split(kind, self._due(page, whole))
        yield from self._traces(whole)
        for each in experiments:
            number = each.experiment_id
            for kind in _CONTENTS:
                for page in items.in_experiment(self._database, kind, number):
                    yield from _split(kind, self._unused(page), number)
            yield Group(Kind.EXPERIMENT, [each])

    def still(self, group: Group) -> list[Item]:
        """Those of a group that are as they were when it was made."""
        with self._database.read() as conn:
            now = items.named(conn, group.kind, [each.id for each in group.items])
            self._protection.refresh(conn)
        same = [
            each
            for each in group.items
            if (found := now.get(each.id))
            and found.stage == each.stage
            and found.experiment_id == each.experiment_id
        ]
        return [*self._unused(same, fresh=True)]

    def _experiments(self) -> list[Item]:
        """The experiments that go with all that lies in them."""
        if self._request.is_explicit:
            candidates = [each for page in self._named(Kind.EXPERIMENT) for each in page]
        else:
            with self._database.read() as conn:
                candidates = [each for each in items.all_experiments(conn) if each.stage == DELETED]
        return [each for each in self._due(candidates) if self._may_go_whole(each)]

    def _may_go_whole(self, experiment: Item) -> bool:
        with self._database.read() as conn:
            if items.any_active_run(conn, experiment.experiment_id):
                self._report.leave(experiment, "it holds a run that is active")
                return False
        if self._request.even_registered:
            return True
        for kind in _MARKED:
            for page in items.in_experiment(self._database, kind, experiment.experiment_id):
                for each in page:
                    if version := self._protection.version_with(each):
                        self._report.leave(experiment, f"{version} uses its {each.name}")
                        return False
        return True

    def _marked(self, kind: Kind) -> Iterator[list[Item]]:
        if self._request.is_explicit:
            return self._named(kind)
        return items.deleted(self._database, kind)

    def _traces(self, whole: frozenset[int]) -> Iterator[Group]:
        """Those that are named, or older than the tags of their experiments say."""
        if self._request.is_explicit:
            for page in self._named(Kind.TRACE):
                yield from _split(
                    Kind.TRACE, (each for each in page if each.experiment_id not in whole)
                )
            return
        for number, until in sorted(self._ages.by_experiment.items()):
            if number not in whole:
                for page in items.traces_until(self._database, number, until):
                    yield from _split(Kind.TRACE, page)

    def _named(self, kind: Kind) -> Iterator[list[Item]]:
        """Pages of the things that were asked for, as far as they exist and are deleted."""
        ids = self._request.ids.get(kind, ())
        for start in range(0, len(ids), PAGE):
            asked = ids[start : start + PAGE]
            with self._database.read() as conn:
                found = items.named(conn, kind, asked)
            page = []
            for each in asked:
                item = found.get(each)
                if item is None:
                    missing = Item(kind, each, -1, (), DELETED, None)
                    self._report.leave(missing, "it does not exist, or is gone already")
                elif kind is not Kind.TRACE and item.stage != DELETED:
                    self._report.leave(item, "it is active; delete it first")
                else:
                    page.append(item)
            yield page

    def _due(self, page: Iterable[Item], whole: frozenset[int] = frozenset()) -> Iterator[Item]:
        """Those that are old enough, unused, and not of experiments that go as a whole."""
        with self._database.read() as conn:
            self._protection.refresh(conn)
        due = []
        for each in page:
            if each.experiment_id in whole:
                continue
            if self._ages.is_due(each.experiment_id, each.since):
                due.append(each)
            elif self._request.is_explicit:
                self._report.leave(each, "it was deleted later than --older-than asks for")
        return self._unused(due, fresh=True)

    def _unused(self, page: Iterable[Item], *, fresh: bool = False) -> Iterator[Item]:
        """Those that no live version uses."""
        if not fresh:
            with self._database.read() as conn:
                self._protection.refresh(conn)
        for each in page:
            version = None
            if not self._request.even_registered and each.kind is not Kind.TRACE:
                version = self._protection.version_with(each)
            if version:
                self._report.leave(each, f"{version} uses it")
            else:
                yield each


def _split(kind: Kind, found: Iterable[Item], within: int | None = None) -> Iterator[Group]:
    chosen = [*found]
    for start in range(0, len(chosen), GROUP):
        yield Group(kind, chosen[start : start + GROUP], within)
