"""Every row of every table arrives in the other database, and comes back as it was."""

from pathlib import Path

import pytest

from tandem_metadata.transfer.report import Report
from tests.metadata.database import mlflow_tables
from tests.metadata.transfer.databases import Progress, dump, execute, filled, prepare, take
from tests.postgresql import PostgreSQL

_LOCAL = {"tandem_sessions", "tandem_signing_keys"}
"""Tables whose rows are good for one server only."""


@pytest.fixture(params=["head", "first"])
def everything(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An SQLite database with rows in every table: of the newest, and of the oldest revision."""
    uri = f"sqlite:///{tmp_path / 'source.db'}"
    if request.param == "first":
        mlflow_tables.load(uri)
    prepare(uri, accounts=True)
    return filled(uri)


def _expect_all(report: Report) -> None:
    assert not report.mismatches
    assert not report.problems
    assert len(report.checksums) > 30
    for each in report.checksums:
        assert each.source == each.target
        assert report.count(each.table)["imported"] == int(each.source.partition(":")[0])


def test_every_row_goes_to_postgresql_and_comes_back_the_same(
    everything: str, empty: str, tmp_path: Path
) -> None:
    if mlflow_tables.REVISION in str(dump(everything)["alembic_version"]):
        mlflow_tables.load(empty)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    if mlflow_tables.REVISION in str(dump(everything)["alembic_version"]):
        mlflow_tables.load(back)
    progress = Progress()
    _expect_all(take(everything, empty, progress=progress))
    assert progress.done == progress.total > 90
    _expect_all(take(empty, back))
    before, between, after = dump(everything), dump(empty), dump(back)
    assert before.keys() == between.keys() == after.keys()
    for name, rows in before.items():
        expected = [] if name in _LOCAL else rows
        assert between[name] == expected, name
        assert after[name] == expected, name


def test_the_same_import_again_adds_nothing(everything: str, empty: str) -> None:
    if mlflow_tables.REVISION in str(dump(everything)["alembic_version"]):
        mlflow_tables.load(empty)
    take(everything, empty)
    first = dump(empty)
    report = take(everything, empty)
    assert dump(empty) == first
    for each in report.checksums:
        counts = report.count(each.table)
        assert counts["found"] == counts["already there"], each.table
        assert counts["imported"] == 0
    assert not report.problems
    assert not report.mismatches


def test_a_target_that_a_service_has_prepared_is_empty_too(everything: str, empty: str) -> None:
    if mlflow_tables.REVISION in str(dump(everything)["alembic_version"]):
        mlflow_tables.load(empty)
    prepare(empty)
    execute(everything, "UPDATE experiments SET name = 'renamed' WHERE experiment_id = 0")
    _expect_all(take(everything, empty))
    assert dump(empty)["experiments"] == dump(everything)["experiments"]


def test_sqlite_goes_to_sqlite_and_postgresql_to_postgresql(
    empty: str, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    one = filled(prepare(f"sqlite:///{tmp_path / 'one.db'}"))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    _expect_all(take(str(tmp_path / "one.db"), other))  # by its path
    assert dump(other) == dump(one)
    filled(prepare(empty))
    name = postgresql.create()
    _expect_all(take(empty, postgresql.uri(name)))
    assert dump(postgresql.uri(name)) == dump(empty)
    postgresql.drop(name)
