"""Numbers of experiments that were deleted for good, which no other experiment is to get.

SQLite counts on from the largest number that a table holds: the next experiment would get that of
the last one, with its address, and with what is left in its folder. So the largest number ever
removed is kept in the file's header, in the integer that SQLite reserves for applications and
MLflow does not use. PostgreSQL gives each number once.
"""

from typing import Any, Final

from sqlalchemy import Connection, func, select

from tandem_metadata.database.tables.tracking import experiments

_MOST: Final = 2**31 - 1  # what the header takes
_READ: Final = "PRAGMA user_version"
_NUMBER: Final = experiments.c.experiment_id


def next_number(conn: Connection) -> dict[str, Any]:
    """The value of a new experiment's id, by column; none where the database's own choice is right.

    The transaction must be the only one that writes, as SQLite's are.
    """
    if conn.dialect.name != "sqlite":
        return {}
    removed = conn.exec_driver_sql(_READ).scalar_one()
    if removed <= 0:
        return {}
    largest = select(func.max(_NUMBER)).scalar_subquery()
    return {"experiment_id": func.max(func.coalesce(largest, 0), removed) + 1}


def can_be_remembered(conn: Connection, number: int) -> bool:
    """Whether no other experiment will get the number of one that is removed."""
    if conn.dialect.name != "sqlite" or number <= _MOST:
        return True
    return conn.execute(select(_NUMBER).where(number < _NUMBER).limit(1)).first() is not None


def remember(conn: Connection, number: int) -> None:
    """Note that an experiment is removed."""
    if conn.dialect.name != "sqlite" or number > _MOST:
        return
    if number > conn.exec_driver_sql(_READ).scalar_one():
        conn.exec_driver_sql(f"{_READ} = {int(number)}")
