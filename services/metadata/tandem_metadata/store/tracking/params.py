"""Params of runs, which never change once they are logged."""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.tracking import params
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_shared.errors import InvalidParameter

_SHOWN = 250


def log(conn: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Add params to an active run; logging the same value again changes nothing.

    Raises InvalidParameter when a param has another value already. The transaction must then be
    rolled back: other params of the request are in it.
    """
    if not values:
        return
    rows = [{"run_uuid": run_id, "key": key, "value": value} for key, value in values.items()]
    # Written first and read afterwards: a request that logs the same key at the same time is
    # waited for by the insert, and its value is then there to be compared.
    bulk.insert(conn, params, rows, bulk.UNLESS_THERE)
    found = (
        select(params.c.key, params.c.value)
        .where(params.c.run_uuid == run_id, any_of(conn, params.c.key, [*values]))
        .order_by(params.c.key)
    )
    changes = [
        f"'{key}' is {_shown(old)}, not {_shown(values[key])}"
        for key, old in conn.execute(found)
        if old != values[key]
    ]
    if changes:
        raise InvalidParameter(
            f"Changing param values is not allowed. Already logged to run '{run_id}': "
            f"{'; '.join(changes)}. Log to another key or another run."
        )


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
