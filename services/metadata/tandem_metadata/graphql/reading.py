"""What one query reads with, what it needs, and what its sender may be shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from tandem_metadata.access.view import EVERYTHING, View
from tandem_metadata.artifacts.listing_parser import CompressedEntries, FileInfo
from tandem_metadata.database import Connection
from tandem_metadata.graphql import limits
from tandem_shared.errors import ApiError, Internal, Unavailable

T = TypeVar("T")
ByRun = Mapping[str, Sequence[T]]

_decode_entries = msgspec.json.Decoder(list[FileInfo]).decode


class Listing(NamedTuple):
    """A directory of artifacts, which the artifacts service lists."""

    root_uri: str
    path: str
    """Relative to the root; "" for the root itself."""


Listings = Mapping[Listing, CompressedEntries | ApiError]
"""Listings that the artifacts service has answered, or refused."""


class Asked(NamedTuple):
    """An operation of a query: a field of Query or Mutation with its input."""

    operation: str
    input: bytes
    """The fields of the operation's message, in JSON."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What an operation will need, found out before it is answered."""

    message: Struct
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a query's sender may read."""

    decided: Mapping[Asked, ApiError | None] | None = None
    """Each operation's refusal, or None; altogether None where nothing is refused."""
    view: View = EVERYTHING

    def check(self, asked: Asked) -> None:
        """Raise an operation's refusal."""
        if self.decided is None:
            return
        if asked not in self.decided:
            raise Internal("This operation was not checked; the query was read differently.")
        if refusal := self.decided[asked]:
            raise refusal


ALL: Final = Permitted()
"""Nothing is refused, and all is shown."""


class Reading:
    """The state of one query: its connection, and the number of rows it may still read."""

    def __init__(
        self,
        conn: Connection,
        listings: Listings | None = None,
        permitted: Permitted = ALL,
    ) -> None:
        self.conn = conn
        self.permitted = permitted
        self.planned: dict[Asked, Planned] = {}
        """What the query needs, as far as it is planned."""
        self._listings = listings or {}
        self._files: dict[Listing, list[FileInfo]] = {}
        self._left = limits.MAX_ROWS

    @property
    def most(self) -> int:
        """The LIMIT of the next statement: one row more than are left, so that excess is seen."""
        return self._left + 1

    def count(self, found: ByRun[Any]) -> None:
        """Count the rows read for runs; raises LimitExceeded if more than `MAX_ROWS` were read."""
        # Tags of datasets and versions are rows too.
        self._left -= sum(
            len(getattr(item, "tags", ())) or 1 for items in found.values() for item in items
        )
        if self._left < 0:
            raise limits.limit_exceeded(f"{limits.MAX_ROWS} metrics, params, tags and the like")

    def files(self, listing: Listing) -> list[FileInfo]:
        """The entries of a listing, which are counted as rows; raises its error."""
        # None when the run's location changed since the query was planned.
        found = self._listings.get(listing, Unavailable("The artifacts moved; try again."))
        if isinstance(found, ApiError):
            raise found
        if listing not in self._files:  # two aliases may ask for it, and it can be read once
            body = b"[" + b"".join(found.decompressed()) + b"]"
            self._files[listing] = _decode_entries(body)
        self.count({"": self._files[listing]})
        return self._files[listing]

    def of(
        self, ids: Sequence[str], read: Callable[[Connection, Sequence[str], int], ByRun[T]]
    ) -> ByRun[T]:
        """The result of `read` for the runs; its rows are counted."""
        found = read(self.conn, ids, self.most)
        self.count(found)
        return found
