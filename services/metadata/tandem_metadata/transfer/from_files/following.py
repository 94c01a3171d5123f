"""Takes over what other programs go on logging to a file store, again and again."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.transfer.file_store.changes import MOST_RUNS, Changed, Changes
from tandem_metadata.transfer.file_store.store import FileStore
from tandem_metadata.transfer.from_files import runs as run_rows
from tandem_metadata.transfer.from_files.importing import FileImport, Options
from tandem_metadata.transfer.progress import Progress
from tandem_metadata.transfer.report import Report

_LOOKED_UP: Final = 500


class Following:
    """Imports a file store, and then what has come or changed; blocks, and is not thread-safe.

    It remembers how the folder was, so that a look at one in which nothing has changed reads no
    file and asks the database nothing. Runs that have ended in the database are not looked at
    again. Of runs that have not, `most_runs` are looked at each time.
    """

    def __init__(
        self,
        store: FileStore,
        database: Database,
        options: Options | None = None,
        *,
        most_runs: int = MOST_RUNS,
    ) -> None:
        """`database` has the tables."""
        self._store = store
        self._database = database
        self._options = options or Options()
        self._changes = Changes(store, most_runs)
        self._has_looked = False

    def look(self, progress: Progress | None = None) -> Report | None:
        """Import what has changed since the last look, all at the first; None if nothing has.

        Raises what `FileImport.run` does; what had changed is looked at again then.
        """
        changed = self._changes.look()
        if not changed and self._has_looked:
            return None
        report = Report(self._store.root, "the database")
        importing = FileImport(self._store, self._database, report, self._options)
        try:
            importing.run(progress or Progress(), changed if self._has_looked else None)
            self._settle(changed)
        except BaseException:
            self._changes = Changes(self._store, self._changes.most_runs)
            self._has_looked = False
            raise
        self._has_looked = True
        return report

    def _settle(self, changed: Changed) -> None:
        for path in changed.runs:
            names = self._changes.open_in(path)
            with self._database.read() as conn:
                for start in range(0, len(names), _LOOKED_UP):
                    ended = _ended(conn, names[start : start + _LOOKED_UP])
                    self._changes.settle(path, ended)


def _ended(conn: Connection, run_ids: Sequence[str]) -> list[str]:
    """Those runs that an import leaves as they are."""
    known = run_rows.known(conn, run_ids)
    return [run_id for run_id, run in known.items() if run.status not in run_rows.OPEN]
