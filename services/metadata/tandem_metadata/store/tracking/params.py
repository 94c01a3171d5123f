"""Params of runs, which never change once they are logged."""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.logging_order import is_kept
from tandem_metadata.store.dialect.pg_arrays import is_postgresql, text_columns
from tandem_shared.errors import InvalidParameter

_quoted: Final = partial(limits.quoted, longest=250)

ParamKey = tuple[str, str]
"""A run's id and the key of one of its params."""


def conflict(
    run_id: str, given: Mapping[str, str], known: Mapping[ParamKey, str]
) -> InvalidParameter | None:
    """The error of an entry that gives `known` params of its run another value, if it does."""
    changes = sorted(
        (key, old, value)
        for key, value in given.items()
        if (old := known.get((run_id, key), value)) != value
    )
    return changed("run", run_id, changes) if changes else None


def changed(kind: str, owner: str, changes: Iterable[tuple[str, str, str]]) -> InvalidParameter:
    """The error of changing params of a run or model: key, stored and given value of each."""
    shown = [f"{_quoted(key)} is {_quoted(old)}, not {_quoted(new)}" for key, old, new in changes]
    return InvalidParameter(
        f"Changing param values is not allowed. Params were already logged to {kind} '{owner}': "
        f"{'; '.join(shown)}. Log to another key or another {kind}."
    )


def add(conn: Connection, given: Mapping[ParamKey, str]) -> Mapping[ParamKey, str]:
    """Add the params that are not there yet; returns the stored values if some were, else nothing.

    The inserts come before the comparison: an insert waits for a transaction that inserts the same
    key, and the comparison then sees its value.
    """
    # Sorted by run only: params of a run keep their order. Two transactions that log the same new
    # params of a run in different orders can deadlock; the database then retries one of them.
    keys = [*given] if is_kept(conn) else sorted(given, key=lambda key: key[0])
    rows = [(*key, given[key]) for key in keys]
    if bulk.insert_texts(conn, _PARAMS, rows, bulk.UNLESS_THERE) == len(rows):
        return {}
    if is_postgresql(conn):
        found = conn.exec_driver_sql(_POSTGRESQL_FIND, text_columns(keys))
    else:
        found = conn.exec_driver_sql(_SQLITE_FIND, (json.dumps(keys),))
    return {(run_id, key): value for run_id, key, value in found}


_PARAMS: Final = "params (run_uuid, key, value)"
_POSTGRESQL_FIND: Final = (
    "SELECT p.run_uuid, p.key, p.value FROM unnest(%s::text[], %s::text[]) AS g (run_uuid, key) "
    "JOIN params p ON p.run_uuid = g.run_uuid AND p.key = g.key"
)
_SQLITE_FIND: Final = (
    "SELECT p.run_uuid, p.key, p.value FROM json_each(?) AS g "
    "JOIN params p ON p.run_uuid = g.value ->> 0 AND p.key = g.value ->> 1"
)
