"""Rows beside the tables that they may go to: copied there first, and compared with what is there.

They are in temporary tables, one for each table, with a column that says why a row is left out.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.transfer.copying import copy_rows, quoted
from tandem_metadata.transfer.databases.catalog import Kind, Shape
from tandem_metadata.transfer.databases.plan import Plan
from tandem_metadata.transfer.report import Mismatch, Report

WHY: Final = "tandem_why"
"""The column that says why a row is left out; NULL if it is not."""


def table(name: str) -> str:
    """The name of the temporary table for a table."""
    return f"tandem_staged_{name}"


def staged(name: str) -> str:
    """That name as SQL has it."""
    return quoted(table(name))


def fill(conn: Connection, plan: Plan, report: Report) -> None:
    """Copy all rows of a plan into temporary tables, and compare both checksums.

    They are gone when the transaction ends, on SQLite with the connection.
    """
    plan.start()
    for shape in plan.shapes:
        _create(conn, shape)
        copy_rows(conn, table(shape.name), shape.names, plan.rows(shape))
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"ANALYZE {staged(shape.name)}")
        expected = plan.checksums[shape.name]
        found = plan.read_back(conn, shape, table(shape.name))
        report.checksum(shape.name, str(expected), str(found))
        if expected != found:
            report.mismatches.append(Mismatch(shape.name, str(expected), str(found)))


def _create(conn: Connection, shape: Shape) -> None:
    columns = ", ".join(quoted(name) for name in shape.names)
    at_end = "ON COMMIT DROP " if conn.dialect.name == "postgresql" else ""
    if not at_end:
        conn.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{staged(shape.name)}")
    conn.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {staged(shape.name)} {at_end}AS "
        f"SELECT {columns}, CAST(NULL AS TEXT) AS {WHY} FROM {quoted(shape.name)} WHERE 1 = 0"
    )


def drop(conn: Connection, shapes: Sequence[Shape]) -> None:
    """Drop SQLite's temporary tables."""
    for shape in shapes:
        conn.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{staged(shape.name)}")


def same(columns: Sequence[str], one: str, other: str) -> str:
    """The condition that rows of two tables have the same values in columns."""
    return " AND ".join(f"{one}.{quoted(name)} = {other}.{quoted(name)}" for name in columns)


def is_there(shape: Shape, condition: str = "") -> str:
    """The condition that the table has a row `t` of the key of the staged row `s`."""
    also = f" AND ({condition})" if condition else ""
    where = same(shape.key, "t", "s")
    return f"EXISTS (SELECT 1 FROM {quoted(shape.name)} AS t WHERE {where}{also})"


def differs(shape: Shape, dialect: str, names: Sequence[str] = ()) -> str:
    """The condition that rows `s` and `t` differ in columns; by default in any beside the key."""
    chosen = names or [name for name in shape.names if name not in shape.key]
    unequal = "IS DISTINCT FROM" if dialect == "postgresql" else "IS NOT"
    parts = []
    for name in chosen:
        one, other = f"s.{quoted(name)}", f"t.{quoted(name)}"
        if dialect == "postgresql" and shape.column(name).kind is Kind.JSON:
            one, other = f"{one}::text", f"{other}::text"
        parts.append(f"{one} {unequal} {other}")
    return f"({' OR '.join(parts)})" if parts else "1 = 0"


def count(conn: Connection, shape: Shape, condition: str) -> int:
    """How many staged rows `s` of a table meet a condition."""
    statement = f"SELECT count(*) FROM {staged(shape.name)} AS s WHERE {condition}"
    return int(conn.exec_driver_sql(statement).scalar_one())
