"""What is to be taken, and how its rows are changed on the way: made before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sqlalchemy import Connection

from tandem_metadata.database.pool import Dialect
from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import Shape
from tandem_metadata.transfer.databases.checksum import Checksum
from tandem_metadata.transfer.databases.conversion import Conversion
from tandem_metadata.transfer.databases.findings import Finding
from tandem_metadata.transfer.databases.identifiers import EXPERIMENT_ID, IMPORTED_ID
from tandem_metadata.transfer.databases.reading import Row, rows
from tandem_metadata.transfer.databases.source import Source

_TOLD_EVERY: Final = 1_000  # rows


class Progress(Protocol):
    """What is told how far the transfer is."""

    def start(self, total: int, what: str, /) -> None: ...

    def advance(self, number: int = ..., /) -> None: ...


@dataclass(slots=True)
class Plan:
    """The rows of the source that go to the target, converted."""

    source: Source
    to: Dialect
    shapes: Sequence[Shape]
    """The tables, parents first, with the source's columns and the target's types."""
    conditions: Mapping[str, str]
    """By table, which of its rows are taken; all without one."""
    findings: Sequence[Finding]
    new_ids: Mapping[int, int]
    """Of experiments that get another id."""
    counts: Mapping[str, int]
    """Rows of the source by table, without those that are left out."""
    progress: Progress
    checksums: dict[str, Checksum] = field(default_factory=dict)
    """Of the rows given so far, by table."""

    def start(self) -> None:
        """Tell that all rows are going to be read."""
        self.progress.start(sum(self.counts.values()), "rows")

    def shape(self, name: str) -> Shape | None:
        """The table of that name, if its rows are taken."""
        return next((each for each in self.shapes if each.name == name), None)

    def rows(self, shape: Shape) -> Iterator[Row]:
        """The rows of a table as the target is to have them; to be taken to the end once."""
        checksum = self.checksums[shape.name] = Checksum(shape)
        yield from checksum.watch(self._converted(shape))

    def _converted(self, shape: Shape) -> Iterator[Row]:
        given = self.source.rows(
            self.source.shapes[shape.name], self.conditions.get(shape.name, ""), self.to
        )
        mended = [each for each in self.findings if each.table == shape.name]
        converted = Conversion(shape, mended, self.new_ids).apply(self._told(given))
        if shape.name == "experiment_tags" and self.new_ids:
            converted = self._with_old_ids(shape, converted)
        yield from converted

    def _told(self, given: Iterator[Row]) -> Iterator[Row]:
        done = 0
        for row in given:
            yield row
            done += 1
            if done == _TOLD_EVERY:
                self.progress.advance(done)
                done = 0
        self.progress.advance(done)

    def _with_old_ids(self, shape: Shape, given: Iterator[Row]) -> Iterator[Row]:
        """The tags, and one with the old id for each experiment that has a new one."""
        at = {name: i for i, name in enumerate(shape.names)}
        new = set(self.new_ids.values())
        for row in given:
            if not (row[at["key"]] == IMPORTED_ID and row[at[EXPERIMENT_ID]] in new):
                yield row
        for old, number in self.new_ids.items():
            values = {"key": IMPORTED_ID, "value": str(old), EXPERIMENT_ID: number}
            yield tuple(values.get(name) for name in shape.names)

    def read_back(self, conn: Connection, shape: Shape, table: str = "") -> Checksum:
        """What a table of the target, or one of another name, holds."""
        checksum = Checksum(shape)
        for row in rows(conn, shape, to=self.to, table=table):
            checksum.add(row)
        return checksum


def count(source: Source, shapes: Mapping[str, Shape], kept: Mapping[str, str]) -> dict[str, int]:
    """The number of rows of each table, of those that are kept."""
    return {
        name: source.scalars(
            f"SELECT count(*) FROM {quoted(name)}"
            + (f" WHERE {kept[name]}" if name in kept else "")
        )[0]
        for name in shapes
    }
