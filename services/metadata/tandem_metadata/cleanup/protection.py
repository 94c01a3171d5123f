"""What live versions of registered models use, and which is therefore kept.

A version names a run by `run_id`, and runs, logged models and places by `source` and
`storage_location`. Names and places are compared both, since either may be spelt in another way.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, func, select

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.cleanup.items import Item
from tandem_metadata.database.tables.registry import model_versions
from tandem_metadata.store.registry.rows import DELETED

_ID: Final = re.compile(r"(?<![0-9A-Za-z-])(?:m-)?[0-9a-f]{32}(?![0-9A-Za-z])")
_AFTER_SLASH: Final = chr(ord("/") + 1)


class Protection:
    """Of one command; `refresh` reads the versions again if any has changed."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._seen: object = None
        self._names: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._sorted: list[str] = []

    def refresh(self, conn: Connection) -> None:
        """Look at the versions that there are now."""
        columns = model_versions.c
        seen = conn.execute(
            select(
                func.count(), func.max(columns.creation_time), func.max(columns.last_updated_time)
            )
        ).one()
        if seen == self._seen:
            return
        self._names, self._places = {}, {}
        for row in conn.execute(_LIVE):
            version = f"version {row.version} of '{row.name}'"
            for name in _names(row):
                self._names.setdefault(name, version)
            for location in (row.source, row.storage_location):
                if location and (place := self._place(location)):
                    self._places.setdefault(place, version)
        self._sorted = sorted(self._places)
        self._seen = seen

    def version_with(self, item: Item) -> str | None:
        """The version that uses a thing, or files in its folder; None if no version does."""
        if found := self._names.get(item.id):
            return found
        for location in item.locations:
            if found := self._at(self._place(location)):
                return found
        return None

    def _at(self, place: str) -> str | None:
        """The version whose files are at a place, below it, or in what holds it."""
        if not place:
            return None
        parts = place.split("/")
        for length in range(2, len(parts) + 1):
            if found := self._places.get("/".join(parts[:length])):
                return found
        start = bisect_left(self._sorted, f"{place}/")
        end = bisect_left(self._sorted, f"{place}{_AFTER_SLASH}", start)
        return self._places[self._sorted[start]] if start < end else None

    def _place(self, location: str) -> str:
        """A location in one of its spellings; "" for one that holds all others, or none."""
        path = self._roots.claimed(location)
        if path is None:
            return location.partition("?")[0].rstrip("/")
        return f"served/{path}" if path else ""


def _names(row: Any) -> Iterator[str]:
    """The ids of runs and logged models that a version names."""
    if row.run_id:
        yield row.run_id
    for location in (row.source, row.storage_location):
        yield from _ID.findall(location or "")


_LIVE: Final = select(
    model_versions.c.name,
    model_versions.c.version,
    model_versions.c.source,
    model_versions.c.run_id,
    model_versions.c.storage_location,
).where(func.coalesce(model_versions.c.current_stage, "") != DELETED)
