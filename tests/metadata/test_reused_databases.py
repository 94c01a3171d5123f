"""That no test sees what an earlier one left in a database."""

import psycopg
import pytest

from tests.metadata.reused_databases import ReusedDatabases
from tests.postgresql import PostgreSQL


@pytest.fixture
def databases(postgresql: PostgreSQL, postgresql_template: str) -> ReusedDatabases:
    return ReusedDatabases(postgresql, postgresql_template)


def test_a_reused_database_holds_what_the_template_holds(
    postgresql: PostgreSQL, postgresql_template: str, databases: ReusedDatabases
) -> None:
    name = databases.take()
    with psycopg.connect(postgresql.uri(name)) as conn:
        conn.execute("UPDATE experiments SET name = 'other'")
        conn.execute("INSERT INTO experiments (name) VALUES ('first')")
        conn.execute("INSERT INTO experiment_tags VALUES ('k', 'v', 0)")
    databases.give_back(name)
    assert databases.take() == name
    found = []
    for each in (name, postgresql_template):
        with psycopg.connect(postgresql.uri(each)) as conn:
            assert conn.execute("SELECT * FROM experiment_tags").fetchall() == []
            found.append(conn.execute("SELECT * FROM experiments").fetchall())
    assert found[0] == found[1]
    with psycopg.connect(postgresql.uri(name)) as conn:
        added = conn.execute("INSERT INTO experiments (name) VALUES ('x') RETURNING experiment_id")
        assert added.fetchall() == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX another ON runs (status)",
        "DROP INDEX tandem_runs_started",
        "ALTER TABLE runs ALTER COLUMN name TYPE text",
        "ALTER TABLE latest_metrics RESET (fillfactor)",
        "GRANT SELECT ON runs TO PUBLIC",
        "ANALYZE runs",
        "CREATE TABLE other (a int)",
        "UPDATE alembic_version SET version_num = 'other'",
        "INSERT INTO experiment_tags SELECT repeat(md5(n::text), 7), 'v', 0"
        " FROM generate_series(1, 2000) AS n",
    ],
)
def test_a_database_is_not_reused_after(
    postgresql: PostgreSQL, databases: ReusedDatabases, statement: str
) -> None:
    name = databases.take()
    with psycopg.connect(postgresql.uri(name), autocommit=True) as conn:
        conn.execute(statement)
    databases.give_back(name)
    assert databases.take() != name
