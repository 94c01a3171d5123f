"""Makes the plan of a `gc`, and carries it out: files first, then rows.

A crash between the two leaves a deleted thing without files, which the next `gc` finishes. Rows
first would leave files that nobody knows. Whatever fails is noted, and does not stop the rest.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tandem_metadata.cleanup import items, parts, rows
from tandem_metadata.cleanup.artifacts import Failed, Folder, Folders, NotServed, Size
from tandem_metadata.cleanup.choice import Choice, Group, Request
from tandem_metadata.cleanup.items import Item, Kind
from tandem_metadata.cleanup.report import Report
from tandem_metadata.cleanup.rows import Deletion
from tandem_metadata.database.database import Database
from tandem_metadata.store.tracking import removed_numbers

_LEAST_PAUSE: Final = 0.02  # seconds
_LONGEST_PAUSE: Final = 0.12
"""Longer than SQLite's other writers sleep between two looks at its lock (0.1 s)."""

_NOTHING: Final = Size(0, 0)


class Collector:
    """Of one command; the event loop calls all methods but those that touch the database."""

    def __init__(
        self,
        database: Database,
        choice: Choice,
        folders: Folders,
        request: Request,
        report: Report,
        *,
        drop_grants: Callable[[Connection | None, int], None],
        check: Callable[[], None],
    ) -> None:
        """`drop_grants` takes away what is granted on an experiment: see `Accounts.drop`.

        `check` raises Unavailable once another `gc` may be at work.
        """
        self._database = database
        self._choice = choice
        self._folders = folders
        self._request = request
        self._report = report
        self._drop_grants = drop_grants
        self._check = check
        self._sizes: dict[tuple[Kind, str], Size] = {}

    async def plan(self) -> None:
        """Count what is to be deleted, with its files if the report is to have them."""
        groups = self._choice.groups()
        stay: set[int | None] = set()
        counted: set[int] = set()
        while group := await asyncio.to_thread(next, groups, None):
            going = [each for each in group.items if self._may_go(each, stay)]
            if len(going) < len(group.items):
                stay.add(group.within)
            if not going:
                continue
            number = await asyncio.to_thread(self._count, group.kind, going, counted)
            sizes: list[Size] = [_NOTHING]
            if self._report.with_sizes:
                sizes += await asyncio.gather(*(self._measure(each) for each in going))
            total = Size(sum(each.files for each in sizes), sum(each.bytes for each in sizes))
            self._report.planned[group.kind].add(len(going), number, total)

    async def carry_out(self) -> None:
        """Delete what is there to be deleted now."""
        self._folders.look_again()
        groups = self._choice.groups()
        under_way: asyncio.Task[None] | None = None
        try:
            while True:
                # What is read next may depend on what is being deleted.
                group = await asyncio.to_thread(next, groups, None)
                if group is None:
                    break
                going = await asyncio.to_thread(self._choice.still, group)
                if group.kind is Kind.EXPERIMENT and under_way:
                    await under_way
                gone = await asyncio.gather(*(self._delete_files(each) for each in going))
                if under_way:
                    await under_way
                chosen = [each for each, is_gone in zip(going, gone, strict=True) if is_gone]
                under_way = asyncio.create_task(asyncio.to_thread(self._delete_rows, group, chosen))
        finally:
            if under_way:
                await under_way

    def _count(self, kind: Kind, found: Sequence[Item], counted: set[int]) -> int:
        with self._database.read() as conn:
            return rows.count(conn, kind, _keys(found), parts.find(conn), counted)

    def _may_go(self, item: Item, stay: Collection[int | None]) -> bool:
        """Whether a thing's files, or those of what lies in it, let it go; notes why not."""
        if item.kind is Kind.EXPERIMENT:
            if item.experiment_id in stay:
                self._report.leave(item, "it holds things that stay")
            return item.experiment_id not in stay
        try:
            self._folders.of(item)
        except NotServed as why:
            if not self._request.leave_artifacts:
                self._report.leave(item, f"its files are not deleted: {why}")
            return self._request.leave_artifacts
        return True

    def _folders_of(self, item: Item) -> list[Folder]:
        """The folders of a thing that an artifacts service is known to reach."""
        try:
            return self._folders.of(item)
        except NotServed:
            return []

    async def _measure(self, item: Item) -> Size:
        if item.kind is Kind.EXPERIMENT:
            return _NOTHING  # what lies in it was measured
        files = size = 0
        try:
            for each in self._folders_of(item):
                found = await self._folders.size(each)
                files, size = files + found.files, size + found.bytes
        except Failed as why:
            self._report.unmeasured.add(item, str(why))
            return _NOTHING
        if files:
            self._sizes[item.kind, item.id] = Size(files, size)
        return Size(files, size)

    async def _delete_files(self, item: Item) -> bool:
        """Delete a thing's files; returns whether its rows may go."""
        if not self._may_go(item, ()):
            return False
        try:
            if item.kind is Kind.EXPERIMENT:
                return await self._delete_rest(item)
            for each in self._folders_of(item):
                # Few traces have files. Runs and models of which nothing is there are asked for
                # nevertheless: something may have come since the neighbours were looked at.
                if item.kind is not Kind.TRACE or await self._folders.exists(each):
                    await self._folders.delete(each)
        except Failed as why:
            self._report.fail(item, str(why))
            return False
        return True

    async def _delete_rest(self, experiment: Item) -> bool:
        """Delete the rest of an experiment's folder, if it is its own; returns as above."""
        why, folder = await asyncio.to_thread(self._look_at, experiment)
        if why:
            self._report.leave(experiment, why)
            return False
        if folder:
            await self._folders.delete(folder)
        return True

    def _look_at(self, experiment: Item) -> tuple[str, Folder | None]:
        """Why an experiment stays, else its folder; None for one that is not its own."""
        number = experiment.experiment_id
        for kind in (Kind.RUN, Kind.LOGGED_MODEL, Kind.TRACE):
            if next(items.in_experiment(self._database, kind, number), None):
                return f"it holds {kind.value.replace('_', ' ')} that stay", None
        folder = next(iter(self._folders_of(experiment)), None)
        if folder:
            with self._database.read() as conn:
                others = items.all_experiments(conn)
            if self._folders.any_within(folder, (each for each in others if each != experiment)):
                folder = None
        if folder is None:
            with self._database.read() as conn:
                if not removed_numbers.can_be_remembered(conn, number):
                    return (
                        "SQLite would give its number, and so its folder, to the next experiment; "
                        "its row goes once there is another",
                        None,
                    )
        return "", folder

    def _delete_rows(self, group: Group, chosen: Sequence[Item]) -> None:
        """Delete the rows of things whose files are gone. Called in a thread, by one at a time."""
        if not chosen:
            return
        try:
            self._remove(group, chosen)
        except IntegrityError:
            if len(chosen) > 1:  # one of them alone is at fault
                for each in chosen:
                    self._delete_rows(group, [each])
                return
            self._report.fail(
                chosen[0], "something else in the database refers to it, as a guardrail does"
            )

    def _remove(self, group: Group, chosen: Sequence[Item]) -> None:
        keys = _keys(chosen)
        figures = self._report.deleted[group.kind]
        gone: set[str] = set()
        while True:
            self._check()
            began = time.monotonic()
            if group.kind is Kind.EXPERIMENT:
                self._drop_grants(None, keys[0])
            made = self._database.run_in_transaction(partial(self._step, group, keys))
            if self._database.dialect == "sqlite":
                taken = time.monotonic() - began
                time.sleep(min(max(taken, _LEAST_PAUSE), _LONGEST_PAUSE))
            figures.rows += made.rows.total()
            gone.update(map(str, made.keys))
            if made.is_whole:
                break
        for each in chosen:
            if each.id in gone:
                figures.add(1, 0, self._sizes.pop((each.kind, each.id), _NOTHING))

    def _step(self, group: Group, keys: Sequence[Any], conn: Connection) -> Deletion:
        schema = parts.find(conn)
        made = rows.remove(conn, group.kind, keys, schema, within=group.within)
        if group.kind is Kind.EXPERIMENT and made.keys and made.is_whole:
            self._drop_grants(conn, made.keys[0])
            removed_numbers.remember(conn, made.keys[0])
        return made


def _keys(found: Sequence[Item]) -> list[Any]:
    return [each.experiment_id if each.kind is Kind.EXPERIMENT else each.id for each in found]
