"""A number of bits that stands for rows in whatever order they come."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from tandem_metadata.transfer.databases.catalog import Kind, Shape
from tandem_metadata.transfer.databases.reading import Row

_MASK: Final = (1 << 64) - 1
_OF_NUMBERS: Final = frozenset("-0123456789")


class Checksum:
    """The number of rows of a table, and the sum of 64 bits of a hash of each."""

    __slots__ = ("_json", "_sum", "rows")

    def __init__(self, shape: Shape) -> None:
        self._json = [i for i, each in enumerate(shape.columns) if each.kind is Kind.JSON]
        self._sum = 0
        self.rows = 0

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, counted and summed up as they are taken."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: Row) -> None:
        """Add a row."""
        if self._json:
            row = self._with_numbers(row)
        digest = blake2b(repr(row).encode(), digest_size=8).digest()
        self._sum = (self._sum + int.from_bytes(digest, "big")) & _MASK
        self.rows += 1

    def _with_numbers(self, row: Row) -> Row:
        """The row with JSON that is a number as SQLite keeps it: as one, not as its digits."""
        values = list(row)
        for i in self._json:
            if values[i] and values[i].lstrip()[:1] in _OF_NUMBERS:
                values[i] = float(values[i])
        return tuple(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checksum) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        """As people compare it: the number of rows, and the sum in hexadecimal."""
        return f"{self.rows}:{self._sum:016x}"
