"""What a database says about its own tables, in a form that can be compared."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, inspect

Catalog = dict[str, Any]

_POSTGRESQL = {
    "columns": """
        SELECT c.relname, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
          AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.connamespace = 'public'::regnamespace
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "sequences": """
        SELECT sequencename, data_type::text, start_value, min_value, max_value, increment_by,
               cycle, cache_size
        FROM pg_sequences WHERE schemaname = 'public'
    """,
    "triggers": """
        SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
    """,
    "owned sequences": """
        SELECT s.relname, c.relname, a.attname
        FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_class c ON c.oid = d.refobjid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
        WHERE d.deptype = 'a' AND s.relnamespace = 'public'::regnamespace
    """,
}


def describe(conn: Connection) -> Catalog:
    """Columns, keys, checks, indexes, triggers and sequences, with names, of every table."""
    if conn.dialect.name == "sqlite":
        return {name: _sqlite_table(conn, name) for name in inspect(conn).get_table_names()}
    return {
        subject: sorted(map(_row, conn.exec_driver_sql(query)))
        for subject, query in _POSTGRESQL.items()
    }


def without(described: Catalog, tables: set[str]) -> tuple[Catalog, set[str]]:
    """A description without some tables, and those of them that it held."""
    if not described.keys() & _POSTGRESQL.keys():
        rest = {name: table for name, table in described.items() if name not in tables}
        return rest, tables & described.keys()
    # The first column of every query but that of sequences names the table.
    rest = {
        subject: [row for row in rows if row[0] not in tables]
        for subject, rows in described.items()
    }
    return rest, tables & {row[0] for rows in described.values() for row in rows}


def _row(row: Sequence[Any]) -> tuple[Any, ...]:
    """PostgreSQL prints a check that was dumped and loaded with its casts in other places."""
    return tuple(
        re.sub(r"::[a-z ]+(\[\])?|[()]", "", value) if str(value).startswith("CHECK") else value
        for value in row
    )


def _sqlite_table(conn: Connection, table: str) -> Catalog:
    inspector = inspect(conn)
    indexes = conn.exec_driver_sql(f"PRAGMA index_list('{table}')").all()
    return {
        "triggers": conn.exec_driver_sql(
            f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"
        )
        .scalars()
        .all(),
        "columns": list(map(tuple, conn.exec_driver_sql(f"PRAGMA table_xinfo('{table}')"))),
        "computed": [column.get("computed") for column in inspector.get_columns(table)],
        "primary key": inspector.get_pk_constraint(table),
        "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
        "checks": sorted(map(str, inspector.get_check_constraints(table))),
        "unique": sorted(map(str, inspector.get_unique_constraints(table))),
        "indexes": sorted(
            # All but the sequence number, which is the order of creation.
            (*index[1:], *(map(tuple, conn.exec_driver_sql(f"PRAGMA index_xinfo('{index[1]}')"))))
            for index in indexes
        ),
    }
