"""Texts as the columns of the target hold them."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.transfer.file_store.files import Problems

Widths = Mapping[tuple[str, str], int]
"""The characters that columns hold, by table and column; no entry for those without a limit."""

_WIDTHS: Final = (
    "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND character_maximum_length IS NOT NULL"
)
_SHOWN: Final = 60


def widths(conn: Connection) -> Widths:
    """The widths of all columns. SQLite keeps texts of any length."""
    if not is_postgresql(conn):
        return {}
    return {(table, column): width for table, column, width in conn.exec_driver_sql(_WIDTHS)}


class Texts:
    """Checks texts against the widths of columns."""

    def __init__(self, widths: Widths, problems: Problems, *, truncate: bool) -> None:
        """With `truncate`, longer texts are cut; else they are counted in `too_long`."""
        self._widths = widths
        self._problems = problems
        self._truncate = truncate
        self.too_long = 0

    def fit(self, table: str, column: str, text: str, kind: str, path: str) -> str:
        """The text, cut if it is too long. A text that is too long is told."""
        width = self._widths.get((table, column))
        if width is None or len(text) <= width:
            return text
        reason = (
            f"{table}.{column} holds {width:,} characters, and it has {len(text):,}: "
            f"{text[:_SHOWN]!r}…"
        )
        if self._truncate:
            self._problems.mend(kind, path, f"it is cut. {reason}")
        else:
            self.too_long += 1
            self._problems.skip(kind, path, reason)
        return text[:width]

    def fit_or_none(
        self, table: str, column: str, text: str | None, kind: str, path: str
    ) -> str | None:
        """As `fit`; None stays None."""
        return None if text is None else self.fit(table, column, text, kind, path)

    def fit_all(
        self, table: str, given: Mapping[str, str], kind: str, path: str, key: str, value: str
    ) -> dict[str, str]:
        """Keys and values that fit the columns `key` and `value`; of equal keys then, one."""
        if not self._widths:
            return dict(given)
        fitting: dict[str, str] = {}
        for name, text in given.items():
            where = f"{path}/{name}"
            fitted = self.fit(table, key, name, kind, where)
            if fitted in fitting:
                self._problems.skip(kind, where, "another key is the same when it is cut")
                continue
            fitting[fitted] = self.fit(table, value, text, kind, where)
        return fitting
