"""A target that holds rows gets those that it lacks, and keeps what it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.report import Report
from tests.metadata.transfer.databases import dump, execute, filled, prepare, take
from tests.postgresql import PostgreSQL

_LARGE = 2**40
A, B = "a" * 32, "b" * 32


@pytest.fixture(params=["sqlite", "sqlite in use", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A prepared database with an experiment of its own; it may be used by another process."""
    own = (
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage, creation_time)"
        " VALUES (70, 'own', 'active', 1)",
        _run("f" * 32, 70),
        f"INSERT INTO params VALUES ('own', 'v', '{'f' * 32}')",
    )
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        name = server.create()
        uri = prepare(server.uri(name))
        execute(uri, *own)
        yield uri
        server.drop(name)
        return
    uri = prepare(f"sqlite:///{tmp_path / 'target.db'}")
    execute(uri, *own)
    if request.param == "sqlite":
        yield uri
        return
    with _in_use(tmp_path / "target.db"):
        yield uri


class _in_use:  # noqa: N801 (a context manager)
    """Another process that has the file open."""

    def __init__(self, path: Path) -> None:
        import subprocess
        import sys

        code = (
            "import sqlite3, sys\n"
            f"c = sqlite3.connect({str(path)!r})\n"
            "c.execute('SELECT count(*) FROM runs').fetchone()\n"
            "print('open', flush=True)\n"
            "sys.stdin.read()\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "open\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")


def _run(run_id: str, experiment: int, status: str = "FINISHED", end: str = "NULL") -> str:
    return (
        "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage, end_time, name)"
        f" VALUES ('{run_id}', {experiment}, '{status}', 'active', {end}, 'name')"
    )


def _experiment(id: int, name: str, created: int) -> str:
    return (
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage, creation_time)"
        f" VALUES ({id}, '{name}', 'active', {created})"
    )


def _metric(run_id: str, key: str, value: float, step: int) -> str:
    return f"INSERT INTO metrics VALUES ('{key}', {value}, 1, '{run_id}', {step}, '0')"


def _latest(run_id: str, key: str, value: float, step: int) -> str:
    return f"INSERT INTO latest_metrics VALUES ('{key}', {value}, 1, {step}, '0', '{run_id}')"


def test_missing_rows_are_added_to_every_table_and_own_ones_stay(source: str, target: str) -> None:
    filled(source)
    before = dump(target)
    report = take(source, target)
    assert not report.mismatches
    assert not report.problems
    after, wanted = dump(target), dump(source)
    derived = {name for name in wanted if "rollup" in name} | {"job_locks", "scheduler_leases"}
    for name in wanted.keys() - {"alembic_version", "experiments"} - derived:
        assert {*after[name]} == {*before[name], *wanted[name]}, name
    assert len(after["experiments"]) == len(before["experiments"]) + 3
    assert all(after[name] == before[name] for name in derived)
    assert report.count("runs") == {
        "found": 3,
        "imported": 3,
        "already there": 0,
        "skipped": 0,
    }
    first = dump(target)
    again = take(source, target)
    assert dump(target) == first
    assert sum(again.count(each.table)["imported"] for each in again.checksums) == 0


def test_what_came_since_is_added_and_an_unfinished_run_comes_to_its_end(
    source: str, target: str
) -> None:
    execute(
        source,
        _experiment(5, "shared", 10),
        _run(A, 5, "RUNNING"),
        _metric(A, "loss", 0.5, 1),
        _latest(A, "loss", 0.5, 1),
    )
    take(source, target)
    execute(
        source,
        _metric(A, "loss", 0.25, 2),
        f"UPDATE latest_metrics SET value = 0.25, step = 2 WHERE run_uuid = '{A}'",
        f"UPDATE runs SET status = 'FINISHED', end_time = 77, name = 'x' WHERE run_uuid = '{A}'",
        f"INSERT INTO tags VALUES ('t', 'v', '{A}')",
        _run(B, 5),
    )
    report = take(source, target)
    found = "SELECT status, end_time, name FROM runs WHERE run_uuid = "
    assert execute(target, f"{found}'{A}'") == [("FINISHED", 77, "name")]
    assert execute(target, f"SELECT value, step FROM latest_metrics WHERE run_uuid = '{A}'") == [
        (0.25, 2)
    ]
    assert execute(target, f"SELECT count(*) FROM metrics WHERE run_uuid = '{A}'") == [(2,)]
    assert execute(target, "SELECT value FROM tags") == [("v",)]
    assert report.count("runs") == {"found": 2, "imported": 1, "already there": 1, "skipped": 0}
    assert any("1 rows of runs were unfinished" in each for each in report.notes)


def test_a_latest_metric_that_is_newer_in_the_target_stays(source: str, target: str) -> None:
    for uri, step in ((source, 3), (target, 8)):
        execute(
            uri,
            _experiment(5, "shared", 10),
            _run(A, 5),
            _metric(A, "loss", step, step),
            _latest(A, "loss", step, step),
        )
    take(source, target)
    assert execute(target, f"SELECT value FROM latest_metrics WHERE run_uuid = '{A}'") == [(8.0,)]
    assert execute(target, f"SELECT count(*) FROM metrics WHERE run_uuid = '{A}'") == [(2,)]


def test_what_was_renamed_or_changed_in_the_target_stays(source: str, target: str) -> None:
    execute(source, _experiment(5, "shared", 10), _run(A, 5))
    take(source, target)
    execute(
        target,
        "UPDATE experiments SET name = 'renamed' WHERE experiment_id = 5",
        f"UPDATE runs SET name = 'better', lifecycle_stage = 'deleted' WHERE run_uuid = '{A}'",
    )
    execute(source, _run(B, 5))
    report = take(source, target)
    assert not report.problems
    assert execute(target, "SELECT name FROM experiments WHERE experiment_id = 5") == [("renamed",)]
    found = f"SELECT name, lifecycle_stage FROM runs WHERE run_uuid = '{A}'"
    assert execute(target, found) == [("better", "deleted")]
    assert len(execute(target, "SELECT 1 FROM runs WHERE experiment_id = 5")) == 2
    assert any("1 rows of runs differ" in each for each in report.notes)


@pytest.mark.parametrize(
    ("id", "name"), [(70, "another of this id"), (8, "own")], ids=["id", "name"]
)
def test_an_experiment_in_conflict_is_skipped_with_all_that_belongs_to_it(
    source: str, target: str, id: int, name: str
) -> None:
    execute(
        source,
        _experiment(id, name, 99),
        _run(A, id),
        _metric(A, "loss", 0.5, 1),
        f"INSERT INTO inputs VALUES ('i', 'DATASET', 'd', 'RUN', '{A}', 0)",
        "INSERT INTO input_tags VALUES ('i', 'n', 'v')",
        _run(B, 0),
    )
    before = dump(target)
    report = take(source, target)
    after = dump(target)
    for table in ("experiments", "metrics", "inputs", "input_tags"):
        assert after[table] == before[table]
        assert report.count(table)["skipped"] == 1
    assert execute(target, f"SELECT experiment_id FROM runs WHERE run_uuid = '{B}'") == [(0,)]
    assert len(after["runs"]) == len(before["runs"]) + 1
    (problem,) = [each for each in report.problems if each.kind == "experiments"]
    assert problem.path == f"experiments {id} {name}"
    assert "the target has another" in problem.reason
    assert report.exit_status() == 0
    assert report.exit_status(strict=True) == 1


def test_a_model_of_the_same_name_made_elsewhere_is_skipped_with_its_versions(
    source: str, target: str
) -> None:
    for uri, created in ((source, 5), (target, 6)):
        execute(
            uri,
            f"INSERT INTO registered_models (name, creation_time) VALUES ('fraud', {created})",
            f"INSERT INTO model_versions (name, version, creation_time)"
            f" VALUES ('fraud', {created}, {created})",
            f"INSERT INTO model_version_tags (key, name, version) VALUES ('k', 'fraud', {created})",
        )
    report = take(source, target)
    assert execute(target, "SELECT version FROM model_versions") == [(6,)]
    assert execute(target, "SELECT version FROM model_version_tags") == [(6,)]
    assert report.skipped == 3


def test_the_same_dataset_under_two_ids_is_one_of_which_inputs_name_the_targets(
    source: str, target: str
) -> None:
    for uri, run_id, dataset in ((source, A, "theirs"), (target, B, "ours")):
        execute(
            uri,
            _experiment(5, "shared", 10),
            _run(run_id, 5),
            f"INSERT INTO datasets VALUES ('{dataset}', 5, 'iris', 'd', 't', 's', NULL, NULL)",
            f"INSERT INTO inputs VALUES ('i{dataset}', 'DATASET', '{dataset}', 'RUN',"
            f" '{run_id}', 0)",
        )
    take(source, target)
    assert execute(target, "SELECT DISTINCT source_id FROM inputs") == [("ours",)]
    assert len(execute(target, "SELECT 1 FROM inputs")) == 2


def test_large_ids_are_renumbered_past_those_of_the_target_once(
    source: str, postgresql: PostgreSQL
) -> None:
    name = postgresql.create()
    target = prepare(postgresql.uri(name))
    execute(target, _experiment(70, "own", 1))
    execute(source, _experiment(_LARGE, "old", 5), _run(A, _LARGE))
    report = take(source, target)
    assert [(each.old, each.new) for each in report.renumbered] == [(str(_LARGE), "71")]
    execute(source, _run(B, _LARGE))
    execute(target, "UPDATE experiments SET name = 'renamed' WHERE experiment_id = 71")
    report = take(source, target)
    assert not report.problems
    assert execute(target, "SELECT run_uuid FROM runs WHERE experiment_id = 71 ORDER BY 1") == [
        *((A,), (B,)),
    ]
    postgresql.drop(name)


def test_a_dry_run_counts_what_would_be_added_and_skipped(source: str, target: str) -> None:
    filled(source)
    execute(source, "INSERT INTO experiments (experiment_id, name) VALUES (70, 'other')")
    before = dump(target)
    planned = take(source, target, dry_run=True)
    assert dump(target) == before
    done = take(source, target)
    assert dump(target) != before
    assert [planned.count(each.table) for each in done.checksums] == [
        done.count(each.table) for each in done.checksums
    ]
    assert planned.problems == done.problems


# Accounts


def _user(name: str) -> str:
    return (
        f"INSERT INTO users (id, username, password_hash, is_admin) VALUES (1, '{name}', 'h', '1')"
    )


@pytest.fixture
def with_accounts(source: str) -> str:
    """The source with a user."""
    prepare(source, accounts=True)
    execute(source, _user("theirs"))
    return source


def test_accounts_go_along_where_the_target_has_none(with_accounts: str, target: str) -> None:
    report = take(with_accounts, target)
    assert execute(target, "SELECT username FROM users") == [("theirs",)]
    assert report.count("users")["imported"] == 1
    report = take(with_accounts, target)
    assert "Accounts stay behind: --to has accounts of its own." in report.notes


def test_accounts_stay_behind_where_the_target_has_its_own(with_accounts: str, target: str) -> None:
    prepare(target, accounts=True)
    execute(target, _user("ours"))
    report = take(with_accounts, target)
    assert execute(target, "SELECT username FROM users") == [("ours",)]
    assert "Accounts stay behind: --to has accounts of its own." in report.notes


def test_users_that_are_numbered_anew_come_after_those_that_came(
    with_accounts: str, target: str
) -> None:
    take(with_accounts, target)
    new = "INSERT INTO users (username, is_admin) VALUES ('new', '0') RETURNING id"
    assert execute(target, new) == [(2,)]


def test_a_table_of_another_program_stays_behind_and_is_named(source: str, target: str) -> None:
    execute(source, "CREATE TABLE notes (a TEXT)", "INSERT INTO notes VALUES ('x')")
    report: Report = take(source, target)
    assert "Table notes of the source is not MLflow's; it stays behind." in report.notes


def test_a_service_goes_on_writing_while_rows_come(source: str, target: str) -> None:
    filled(source)
    service = Database(Settings(backend_store_uri=target, pool_timeout=30.0))

    class Meanwhile:
        written = 0

        def start(self, total: int, what: str) -> None:
            pass

        def advance(self, number: int = 1) -> None:
            if "sqlite" in target and not in_use:
                return  # one writer: it waits until the import has ended
            with service.write() as conn:
                conn.exec_driver_sql(
                    f"INSERT INTO tags VALUES ('t{self.written}', 'v', '{'f' * 32}')"
                )
            self.written += 1

    from tandem_metadata.database import sqlite_file

    in_use = "sqlite" not in target or sqlite_file.is_used(target.removeprefix("sqlite:///"))
    meanwhile = Meanwhile()
    report = take(source, target, progress=meanwhile)
    service.close()
    assert not report.mismatches
    assert len(execute(target, f"SELECT 1 FROM tags WHERE run_uuid = '{'f' * 32}'")) == (
        meanwhile.written
    )
    assert meanwhile.written or not in_use
