"""The database: whether it answers, its revision, the role's rights, and what keeps it fast."""

import os.path
import time
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, bindparam, exc, text

from tandem_metadata.access import opening
from tandem_metadata.database import account_tables, indexes, revisions, sqlite_file
from tandem_metadata.database.database import Database
from tandem_metadata.database.faults import sqlstate
from tandem_metadata.database.tables import METADATA
from tandem_metadata.database.tables.deliveries import OWN
from tandem_metadata.settings import Settings
from tandem_shared.doctor import peers
from tandem_shared.doctor.findings import Check, Failed, Finding, failure, ok, skipped, warning
from tandem_shared.errors import Unavailable

_OPTIMIZE: Final = "Run `tandem-metadata db optimize` with the role that owns the tables."
_EXTRA: Final = 5
"""Connections of a worker beside --pool-size."""

_LACKING: Final = text(
    """
SELECT c.relname, string_agg(p, ', ' ORDER BY p)
FROM unnest(CAST(:names AS text[])) AS n
JOIN pg_catalog.pg_class c ON c.relname = n AND pg_catalog.pg_table_is_visible(c.oid)
CROSS JOIN unnest(ARRAY['DELETE', 'INSERT', 'SELECT', 'UPDATE']) AS p
WHERE NOT has_table_privilege(c.oid, p) GROUP BY 1 ORDER BY 1"""
).bindparams(bindparam("names"))
_SEQUENCES: Final = text(
    """
SELECT c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relname = ANY(CAST(:names AS text[]))
WHERE pg_catalog.pg_table_is_visible(c.oid)
  AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END ORDER BY 1"""
).bindparams(bindparam("names"))
_NEVER_ANALYZED: Final = text(
    """
SELECT relname FROM pg_catalog.pg_stat_user_tables
WHERE relname = ANY(CAST(:names AS text[])) AND n_live_tup > :many
  AND last_analyze IS NULL AND last_autoanalyze IS NULL ORDER BY 1"""
).bindparams(bindparam("names"))
_SEARCHED: Final = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags")
_ROWS: Final = {"runs": "runs", "trace_info": "traces"}
"""What the rows of tables are called of which there may be many."""
_STATISTICS: Final = ("tandem_params", "tandem_tags")


class Examined:
    """The database under examination; once it does not answer, later checks are skipped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database: Database | None = None
        self._usable = False

    def checks(self) -> Iterator[Check]:
        """All that is looked at here, in an order in which each may rely on those before."""
        yield Check("database", self._reach)
        yield Check("database: rights", self._rights)
        yield Check("database: revision", self._revision)
        yield Check("database: speed", self._speed)
        yield Check("database: clock", self._clock)
        if self._settings.auth != "none":
            yield Check("database: accounts", self._accounts)

    @property
    def database(self) -> Database | None:
        """It, if it answers and its tables can be read."""
        return self._database if self._usable else None

    def close(self) -> None:
        """Close the connections."""
        if self._database:
            self._database.close()

    def _reach(self) -> Iterator[Finding]:
        database = Database(self._settings, quiet=True)
        path = sqlite_file.path_of(database.url)
        try:
            database.check_access()
            if database.dialect == "sqlite" and not os.path.exists(path):
                yield self._absent(
                    f"There is no SQLite database at {path} yet.",
                    "Correct --backend-store-uri, unless serve is to make it.",
                )
                return
            database.check()
        except Unavailable as error:
            raise Failed(
                f"--backend-store-uri: {error.reason or error.message.rstrip('.')}.",
                "Correct what the reason names: address, password, rights, room or network.",
            ) from None
        self._database = database
        if database.dialect == "sqlite":
            yield ok(f"the SQLite database {path} answers, and takes writes.")
            return
        with database.read(quiet=True) as conn:
            version = conn.exec_driver_sql("SHOW server_version").scalar_one()
            most = int(conn.exec_driver_sql("SHOW max_connections").scalar_one())
        yield ok(f"PostgreSQL {version} answers, and takes writes.")
        used = self._settings.workers * (self._settings.pool_size + _EXTRA)
        if used > most:
            yield warning(
                f"{self._settings.workers} workers may open {used} connections, and the server "
                f"takes {most}.",
                "Lower --pool-size or --workers, or raise the server's max_connections; behind a "
                "pooler, its limit counts.",
            )

    def _absent(self, said: str, cure: str) -> Finding:
        """What `serve` makes at its start, unless it is told not to."""
        if self._settings.migrate:
            return warning(said, cure)
        return failure(said, "Run `tandem-metadata db upgrade`, which makes it.")

    def _rights(self) -> Iterator[Finding]:
        if self._database is None or self._database.dialect == "sqlite":
            yield (
                _unreached()
                if self._database is None
                else skipped("SQLite has none but those of its file.")
            )
            return
        names = [*METADATA.tables, *OWN.tables, "trace_metrics", "span_metrics", "alembic_version"]
        with self._database.read(quiet=True) as conn:
            role, schema = conn.exec_driver_sql("SELECT current_user, current_schema()").one()
            tables = [*conn.execute(_LACKING, {"names": names})]
            # Of MLflow's own table of revisions only SELECT is needed.
            tables = [
                (name, lacking)
                for name, lacking in tables
                if name != "alembic_version" or "SELECT" in lacking
            ]
            sequences = [*conn.scalars(_SEQUENCES, {"names": names})]
        if schema is None:
            yield failure(
                f"The role {role} may use no schema, and so sees no tables.",
                f'Have the owner run: GRANT USAGE ON SCHEMA public TO "{role}".',
            )
            self.close()
            self._database = None  # which looks empty to this role
            return
        if tables:
            some = revisions.some([f"{lacking} on {name}" for name, lacking in tables])
            yield failure(
                f"The role {role} lacks rights: {some}.",
                "Have the owner run: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                f'{schema} TO "{role}".',
            )
        if sequences:
            yield failure(
                f"The role {role} may not number new rows: it lacks USAGE on {sequences[0]}.",
                f'Have the owner run: GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO "{role}".',
            )
        if not (tables or sequences):
            yield ok(f"the role {role} may read and write all tables.")

    def _revision(self) -> Iterator[Finding]:
        if self._database is None:
            yield _unreached()
            return
        try:
            with self._database.read(quiet=True) as conn:
                why = revisions.why_unusable(conn)
                is_empty = bool(why) and revisions.is_empty(conn)
                lacks_own = bool(why) and revisions.lacks_only_own(conn)
                if why is None or lacks_own:
                    _, described = revisions.describe(revisions.current(conn), conn)
                    has_default = revisions.has_default(conn)
        except exc.ProgrammingError as error:
            if sqlstate(error) != revisions.INSUFFICIENT_PRIVILEGE:
                raise
            yield failure("The role may not read the tables.", "See what is said of its rights.")
            return
        if is_empty:
            yield self._absent(
                "The database has no tables yet.",
                "Start the service, which makes them, or run `tandem-metadata db upgrade`.",
            )
            return
        if lacks_own:
            own = ", ".join(OWN.tables)
            yield self._absent(
                f"The database has MLflow's tables and not yet Tandem's own {own}.",
                "Start the service, which adds it, or run `tandem-metadata db upgrade`.",
            )
        elif why:
            yield failure(f"The database cannot be used. {why}", "Do what the sentence says.")
            return
        self._usable = True
        yield ok(f"{described}.")
        if not has_default:
            yield warning(
                "Experiment 0, Default, is missing: clients that name no experiment log there.",
                "Start the service, which adds it.",
            )

    def _speed(self) -> Iterator[Finding]:
        if self.database is None:
            yield _unreached()
            return
        with self.database.read(quiet=True) as conn:
            missing = [each for each in indexes.of(conn) if not indexes.is_there(conn, each)]
            many = {each for each in _ROWS if _has_many(conn, each)}
            analyzed = list(_unanalyzed(conn)) if "runs" in many else []
        for table, rows in _ROWS.items():
            lacking = [index for index in missing if index.counted == table]
            if table in many:
                for index in lacking:
                    yield warning(
                        f"The index {index.name} is missing or unfinished, among more than "
                        f"{indexes.MANY_RUNS:,} {rows}: {index.without}.",
                        _OPTIMIZE,
                    )
            elif lacking:
                names = " and ".join(index.name for index in lacking)
                verb = "are" if len(lacking) > 1 else "is"
                needed = f"nor needed below {indexes.MANY_RUNS:,} {rows}"
                yield ok(f"{names} {verb} not there, {needed}.")
        if not missing:
            yield ok("all indexes of db optimize are there.")
        for said in analyzed:
            yield warning(said, _OPTIMIZE)
        if "runs" in many and not analyzed:
            yield ok("the planner has statistics.")

    def _clock(self) -> Iterator[Finding]:
        if self._database is None or self._database.dialect == "sqlite":
            yield _unreached() if self._database is None else skipped("SQLite has this machine's.")
            return
        with self._database.read(quiet=True) as conn:
            conn.exec_driver_sql("SELECT 1")  # so that the next one takes one round trip alone
            began = time.time()
            there = conn.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar()
            ended = time.time()
        yield peers.clock_finding(float(there or 0) - (began + ended) / 2, "the database")

    def _accounts(self) -> Iterator[Finding]:
        if self.database is None:
            yield _unreached()
            return
        accounts = opening.open_database(self._settings, self.database, 1, quiet=True)
        try:
            path = sqlite_file.path_of(accounts.url)
            if accounts.dialect == "sqlite" and not os.path.exists(path):
                raise Failed(
                    f"There is no SQLite database of accounts at {path}.",
                    f"Correct {accounts.flag}, or let `tandem-metadata db upgrade` make it.",
                )
            with accounts.read(quiet=True) as conn:
                used, described = account_tables.describe(conn)
            if used:
                yield ok(f"tables of accounts: {described}.")
            else:
                yield failure(
                    f"The tables of accounts cannot be used: {described}.",
                    "Run `tandem-metadata db upgrade` with the flags of serve.",
                )
        finally:
            if accounts is not self.database:
                accounts.close()


def _unreached() -> Finding:
    return skipped("the database does not answer, or cannot be used.")


def _has_many(conn: Connection, table: str) -> bool:
    counted = text(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT :most) AS first")
    number: int = conn.execute(counted, {"most": indexes.MANY_RUNS + 1}).scalar_one()
    return number > indexes.MANY_RUNS


def _unanalyzed(conn: Connection) -> Iterator[str]:
    """What the planner does not know of."""
    if conn.dialect.name == "sqlite":
        there = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"
        if not conn.exec_driver_sql(there).first():
            yield "SQLite has no statistics of its tables, and may choose slow ways."
        return
    given = {"names": list(_SEARCHED), "many": indexes.MANY_RUNS}
    if tables := conn.scalars(_NEVER_ANALYZED, given).all():
        yield f"PostgreSQL has no statistics of {', '.join(tables)}, and may choose slow ways."
    found = set(conn.exec_driver_sql("SELECT stxname FROM pg_catalog.pg_statistic_ext").scalars())
    if lacking := [name for name in _STATISTICS if name not in found]:
        yield f"The extended statistics {', '.join(lacking)} are missing, for filters by params."
    if conn.exec_driver_sql("SHOW autovacuum").scalar() == "off":
        yield "The server's autovacuum is off: statistics grow stale, and tables grow."
