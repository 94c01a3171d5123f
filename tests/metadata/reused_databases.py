"""Copies of a prepared PostgreSQL database, used again by later tests.

To empty a copy takes a part of the time in which one is made and dropped. A copy whose catalog a
test has changed (an index, statistics, a role's rights) is dropped all the same.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from tests.postgresql import PostgreSQL

_KEPT_BYTES = 1 << 18
"""A table with its indexes may grow to that size: deleted rows change what the planner expects."""

_USED = """
SELECT oid::regclass::text, pg_total_relation_size(oid) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
  AND relname NOT IN ('alembic_version', 'workspaces')
  AND pg_relation_size(oid) > 0
"""
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
_DISCONNECT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_STATE = """
SELECT md5(string_agg(part, '|' ORDER BY part)) FROM (
  SELECT concat_ws(' ', relname, relkind, relpersistence, reloptions, relacl, relowner,
    relrowsecurity, CASE relkind WHEN 'r' THEN reltuples END) AS part
  FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', attrelid::regclass, attnum, attname, atttypid, atttypmod,
    attnotnull, attisdropped, attstattarget, attoptions, attacl)
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = 'public'::regnamespace AND attnum > 0
  UNION ALL SELECT concat_ws(' ', conname, contype, convalidated) FROM pg_constraint
  UNION ALL SELECT concat_ws(' ', indexrelid::regclass, indisvalid) FROM pg_index
  UNION ALL SELECT concat_ws(' ', sequencename, last_value) FROM pg_sequences
  UNION ALL SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_t'
  UNION ALL SELECT stxname FROM pg_statistic_ext
  UNION ALL SELECT concat_ws(' ', datconnlimit, datacl, datallowconn) FROM pg_database
  WHERE datname = current_database()
  UNION ALL SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
  JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
  UNION ALL SELECT version_num FROM alembic_version
  UNION ALL SELECT concat_ws(' ',
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
    (SELECT count(*) FROM pg_statistic_ext_data),
    (SELECT count(*) FROM pg_trigger),
    (SELECT count(*) FROM pg_proc),
    (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_rewrite),
    (SELECT count(*) FROM pg_policy),
    (SELECT count(*) FROM pg_extension),
    (SELECT count(*) FROM pg_event_trigger),
    (SELECT count(*) FROM pg_default_acl),
    (SELECT count(*) FROM pg_publication))
) AS parts
"""


class ReusedDatabases:
    """Copies of one database, each for one test at a time."""

    def __init__(
        self, server: PostgreSQL, template: str, tables: Sequence[str] = ("experiments",)
    ) -> None:
        """The template holds its revision and its workspace, and other rows in `tables` alone."""
        self._server = server
        self._template = template
        self._unused: list[str] = []
        with self._connect(template) as conn:
            self._rows: dict[str, Any] = {
                table: conn.execute(f"SELECT * FROM {table}").fetchall() for table in tables
            }
        first = server.create(template)
        self._state = self._emptied(first)
        self._unused.append(first)

    def take(self) -> str:
        """The name of a copy that holds what the template holds."""
        return self._unused.pop() if self._unused else self._server.create(self._template)

    def give_back(self, name: str) -> None:
        """Keep a copy for later tests, or drop it if it cannot be made as it was."""
        try:
            reusable = self._emptied(name) == self._state
        except psycopg.Error:
            reusable = False
        if reusable:
            self._unused.append(name)
        else:
            self._server.drop(name)

    def _emptied(self, name: str) -> Any:
        """What the catalog says once rows are as in the template and nobody else is connected.

        None if a table has grown.
        """
        with self._connect(name) as conn:
            conn.execute(_DISCONNECT)
            used = conn.execute(_USED).fetchall()
            if any(size > _KEPT_BYTES for _, size in used):
                return None
            # Not TRUNCATE, which takes all tables with keys of these along, a file each.
            deletions = "".join(f"DELETE FROM {table};" for table, _ in used)
            conn.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletions} COMMIT")
            conn.execute(_RESTART)
            for table, rows in self._rows.items():
                for row in rows:
                    values = ", ".join(["%s"] * len(row))
                    conn.execute(f"INSERT INTO {table} VALUES ({values})", row)
            return conn.execute(_STATE).fetchone()

    def _connect(self, name: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(self._server.uri(name), autocommit=True)
