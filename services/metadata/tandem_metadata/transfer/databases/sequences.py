"""PostgreSQL's sequences, moved past the numbers of rows that came with their own."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import Shape


def advance(conn: Connection, shapes: Iterable[Shape]) -> None:
    """Have new rows of these tables numbered past those that are there; other databases do."""
    if conn.dialect.name != "postgresql":
        return
    for shape in shapes:
        for column in shape.columns:
            if column.numbered:
                name = f"max({quoted(column.name)})"
                largest = conn.exec_driver_sql(f"SELECT {name} FROM {quoted(shape.name)}").scalar()
                if largest is not None:
                    advance_to(conn, shape.name, column.name, largest)


def advance_to(conn: Connection, table: str, column: str, number: int) -> None:
    """Have the next number be larger than this one. Other transactions see it at once.

    A sequence is never set back, so that a service which numbers rows meanwhile is not disturbed.
    """
    sequence = conn.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table, "column": column}
    ).scalar()
    if sequence is None:  # the table's owner numbers rows otherwise
        return
    conn.execute(
        text(
            f"SELECT setval(CAST(:sequence AS regclass), :number) FROM {sequence}"
            " WHERE :number > CASE WHEN is_called THEN last_value ELSE 0 END"
        ),
        {"sequence": sequence, "number": number},
    )
