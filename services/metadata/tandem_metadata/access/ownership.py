"""Grants that come and go with resources, in the transaction that changes these."""

from typing import Final

from sqlalchemy import Connection

from tandem_metadata.access import account
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Level
from tandem_metadata.store.accounts import grants

_FAMILIES: Final = (permissions.REGISTERED_MODEL, permissions.PROMPT)


def give(conn: Connection, type: str, id: str) -> None:
    """Let the user of the request under way manage what he has created."""
    if creator := account.current():
        grants.grant(conn, creator.id, type, id, Level.MANAGE)


def drop_name(conn: Connection, name: str) -> None:
    """Take away what users are granted on a registered model or prompt that is deleted.

    Another one of that name would have it otherwise.
    """
    if account.current():
        for family in _FAMILIES:
            grants.forget(conn, family, name)


def move_name(conn: Connection, name: str, new_name: str) -> None:
    """Keep what users are granted on a registered model or prompt that gets another name."""
    if account.current():
        for family in _FAMILIES:
            grants.rename(conn, family, name, new_name)
