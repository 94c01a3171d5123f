"""Accounts beside what is deleted: grants on experiments that go, and those that let `gc` in."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, inspect

from tandem_metadata.access import opening
from tandem_metadata.access.signing import Signer
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.accounts import role_permissions
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants
from tandem_shared.auth.grants import Grant


class Accounts:
    """Those of the settings, or those in the database of experiments, if there are any."""

    def __init__(self, settings: Settings, tracking: Database) -> None:
        """Raises SettingsError for an address that is no database's."""
        self._database = opening.open_database(settings, tracking, 1, quiet=True)
        self._apart = self._database is not tracking
        self._there: bool | None = None
        self._signer = Signer(self._run, self._run)

    def close(self) -> None:
        """Close the database, if it is one of their own."""
        if self._apart:
            self._database.close()

    def drop(self, conn: Connection | None, experiment_id: int) -> None:
        """Take away what is granted on an experiment, and on its scorers.

        Called without a connection before the transaction that deletes it, and with it within: see
        `access.ownership`.
        """
        if self._apart:
            if conn is None:
                drop = partial(grants.drop_experiment, number=experiment_id)
                self._database.run_in_transaction(drop)
        elif conn is not None and self._are_there(conn):
            grants.drop_experiment(conn, experiment_id)

    def _are_there(self, conn: Connection) -> bool:
        if self._there is None:
            self._there = inspect(conn).has_table(role_permissions.name)
        return self._there

    async def sign(self, grant: Grant) -> str:
        """A grant that artifacts services take; its key is published before."""
        return await self._signer.sign(grant)

    async def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        def call(conn: Connection) -> Any:
            return function(conn, *args)

        return await asyncio.to_thread(self._database.run_in_transaction, call)
