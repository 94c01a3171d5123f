"""What PostgreSQL's columns ask of an import: ids of 32 bits, and texts of their width."""

from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import experiments
from tandem_metadata.transfer.from_files.importing import Refused
from tests.metadata.conftest import only_postgresql, only_sqlite
from tests.metadata.transfer.file_stores import MadeUp, import_into, put
from tests.metadata.transfer.rows import everything, rows

_RANDOM = 623480970228816116


@pytest.fixture
def store(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


def _create(settings: Settings, name: str) -> int:
    database = Database(settings)
    with database.write() as conn:
        made = experiments.create(conn, name, "", [], "mlflow-artifacts:/")
    database.close()
    return int(made)


@only_sqlite
def test_sqlite_keeps_ids_of_18_digits(settings: Settings, store: MadeUp) -> None:
    store.experiment(_RANDOM, "random")
    assert import_into(settings, store.root).renumbered == []
    ids = "SELECT experiment_id FROM experiments WHERE name = 'random'"
    assert rows(settings, ids) == [(_RANDOM,)]
    assert rows(settings, "SELECT * FROM experiment_tags") == []


@only_postgresql
def test_postgresql_renumbers_ids_that_do_not_fit(settings: Settings, store: MadeUp) -> None:
    store.run(store.experiment(_RANDOM, "random"), run_id="a" * 32)
    store.run(store.experiment(7, "counted"), run_id="b" * 32)
    report = import_into(settings, store.root)
    assert [tuple(each) for each in report.renumbered] == [("random", str(_RANDOM), "8")]
    found = "SELECT experiment_id, name FROM experiments WHERE experiment_id > 0"
    assert rows(settings, found) == [(7, "counted"), (8, "random")]
    tags = "SELECT experiment_id, key, value FROM experiment_tags"
    assert rows(settings, tags) == [(8, "tandem.import.experimentId", str(_RANDOM))]
    runs = "SELECT experiment_id, run_uuid FROM runs"
    assert rows(settings, runs) == [(7, "b" * 32), (8, "a" * 32)]
    assert _create(settings, "new") == 9
    report = import_into(settings, store.root)
    assert report.count("experiments")["imported"] == 0
    assert [tuple(each) for each in report.renumbered] == [("random", str(_RANDOM), "8")]


@only_postgresql
def test_ids_go_on_behind_those_that_are_kept(settings: Settings, store: MadeUp) -> None:
    assert _create(settings, "before") == 1
    store.experiment(5, "five")
    import_into(settings, store.root)
    assert _create(settings, "after") == 6


@only_postgresql
def test_default_experiment_leaves_the_numbers_alone(settings: Settings, store: MadeUp) -> None:
    store.experiment(0, "Default")
    import_into(settings, store.root)
    assert _create(settings, "first") == 1


@only_postgresql
def test_texts_that_are_too_long_are_all_told_before_anything_is_written(
    settings: Settings, store: MadeUp
) -> None:
    before = everything(settings)
    run = store.run(store.experiment(1, "e" * 300), run_name="n" * 251, params={"p": "v" * 8001})
    put(run / "metrics" / ("m" * 100) / ("m" * 200), "1 1 1\n")
    put(run / "tags" / "fits", "t" * 8000)
    with pytest.raises(Refused, match="--truncate"):
        import_into(settings, store.root)
    assert everything(settings) == before


@only_postgresql
def test_texts_are_cut_if_that_is_asked_for(settings: Settings, store: MadeUp) -> None:
    run = store.run(store.experiment(1, "e" * 300), run_name="n" * 251, params={"p": "ä" * 8001})
    put(run / "tags" / ("t" * 100) / ("a" * 150), "one")
    put(run / "tags" / ("t" * 100) / ("a" * 160), "two")
    report = import_into(settings, store.root, truncate=True)
    assert rows(settings, "SELECT name FROM experiments WHERE experiment_id = 1") == [("e" * 256,)]
    assert rows(settings, "SELECT name FROM runs") == [("n" * 250,)]
    assert rows(settings, "SELECT value FROM params") == [("ä" * 8000,)]
    assert [value for (value,) in rows(settings, "SELECT value FROM tags")] == ["one"]
    assert "another key is the same" in next(p.reason for p in report.problems if p.skipped)
    assert import_into(settings, store.root, truncate=True).count("runs")["already there"] == 1


@only_sqlite
def test_sqlite_keeps_texts_of_any_length(settings: Settings, store: MadeUp) -> None:
    store.run(store.experiment(1, "e" * 300), params={"p": "v" * 9000})
    assert import_into(settings, store.root).problems == []
    assert rows(settings, "SELECT length(value) FROM params") == [(9000,)]
