"""What a database holds that Tandem does not show yet: traces."""

import logging
from typing import Final

from sqlalchemy import column, exc, func, select, table

from tandem_metadata.database.database import Database
from tandem_shared.errors import ApiError

_COUNTED: Final = 10_000
"""How many are counted at most: a start must not take longer with each million of traces."""

_traces = table("trace_info", column("request_id"))
_log = logging.getLogger("tandem.db")


def warn(database: Database) -> None:
    """Log how many traces the database holds, if it holds any."""
    some = select(_traces.c.request_id).limit(_COUNTED + 1).subquery()
    try:
        with database.read(quiet=True) as conn:
            count = conn.execute(select(func.count()).select_from(some)).scalar_one()
    except (ApiError, exc.DBAPIError):  # whoever asks next is told why
        return
    if count:
        number = f"more than {_COUNTED:,}" if count > _COUNTED else f"{count:,}"
        _log.warning(
            "the database holds %s traces, which Tandem does not show; they stay as they are",
            number,
        )
