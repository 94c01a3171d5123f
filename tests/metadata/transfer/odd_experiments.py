"""Experiments of file stores that are spoiled."""

from pathlib import Path
from typing import Final

from tests.metadata.transfer.file_stores import MadeUp, change, put
from tests.metadata.transfer.odd_stores import BOTH, GOOD, ONE, OTHER, Oddities

ALL: Final = Oddities()
odd: Final = ALL.odd

_EXPERIMENTS: Final = "SELECT name, lifecycle_stage FROM experiments WHERE name <> 'Default'"


@odd(
    mends={"2/meta.yaml": "recovered-2"},
    rows={_EXPERIMENTS: [("one", "active"), ("recovered-2", "active")]} | BOTH,
)
def experiment_without_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    (other / "meta.yaml").unlink()


@odd(
    mends={"2/meta.yaml": "it is empty"},
    rows={_EXPERIMENTS: [("one", "active"), ("recovered-2", "active")]} | BOTH,
)
def experiment_with_empty_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    put(other / "meta.yaml", "")


@odd(mends={"2/meta.yaml": "it is no YAML"}, rows=BOTH)
def experiment_with_broken_meta(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    put(other / "meta.yaml", "name: [")


@odd(mends={"2/meta.yaml": "it names no experiment"}, rows=BOTH)
def experiment_without_name(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2)
    store.run(other, run_id=OTHER)
    change(other / "meta.yaml", name=None)


@odd(skips={"3/meta.yaml": "holds no runs"}, rows=ONE)
def folder_with_a_number_and_nothing_in_it(store: MadeUp, experiment: Path) -> None:
    (store.root / "3").mkdir()


@odd(
    mends={"2": "another is called 'one'; it is 'one (2)' now"},
    rows={
        _EXPERIMENTS: [("one", "active"), ("one (2)", "active")],
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentName", "one")],
    },
)
def experiments_of_one_name(store: MadeUp, experiment: Path) -> None:
    store.experiment(2, "one", creation_time=1_700_000_000_005)


@odd(
    mends={"1": "another is called 'one'; it is 'one (3)' now"},
    rows={_EXPERIMENTS: [("one", "active"), ("one (2)", "active"), ("one (3)", "active")]},
)
def experiments_of_one_name_of_which_the_later_has_the_older_folder(
    store: MadeUp, experiment: Path
) -> None:
    store.experiment(2, "one", creation_time=1_600_000_000_000)
    store.experiment(3, "one (2)")


@odd(
    mends={".trash/5": "another is called 'one'"},
    rows={_EXPERIMENTS: [("one", "active"), ("one (2)", "deleted")]} | BOTH,
)
def deleted_experiment_of_the_same_name(store: MadeUp, experiment: Path) -> None:
    trashed = store.experiment(5, "one", trash=True, creation_time=1_700_000_000_009)
    store.run(trashed, run_id=OTHER)


@odd(
    mends={".trash/1": "outside .trash"},
    rows={
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", ".trash/1")],
        _EXPERIMENTS: [("one", "active"), ("was one", "deleted")],
    }
    | BOTH,
)
def experiment_that_is_also_in_the_trash(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment(1, "was one", trash=True, creation_time=3), run_id=OTHER)


@odd(
    rows={
        "SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", "fraud")],
        _EXPERIMENTS: [("detection", "active"), ("one", "active")],
    }
    | BOTH
)
def experiment_whose_folder_is_no_number(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment("fraud", "detection"), run_id=OTHER)


@odd(
    rows={"SELECT key, value FROM experiment_tags": [("tandem.import.experimentId", "007")]} | BOTH
)
def experiment_whose_number_begins_with_zeros(store: MadeUp, experiment: Path) -> None:
    store.run(store.experiment("007"), run_id=OTHER)


@odd(
    mends={"9": "the experiment's id is 2"},
    rows={"SELECT experiment_id, name FROM experiments WHERE experiment_id > 1": [(9, "two")]}
    | BOTH,
)
def experiment_whose_folder_was_renamed(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2, "two")
    store.run(other, run_id=OTHER)
    other.rename(store.root / "9")


@odd(rows={"SELECT creation_time FROM experiments WHERE name = 'old'": [(None,)]})
def experiment_of_the_first_versions(store: MadeUp, experiment: Path) -> None:
    other = store.experiment(2, "old")
    change(other / "meta.yaml", experiment_id=2, creation_time=None, last_update_time=None)


@odd(rows=ONE)
def foreign_folders_and_files(store: MadeUp, experiment: Path) -> None:
    put(store.root / "README.md", "notes")
    put(store.root / "notebooks" / "a.ipynb", "{}")
    put(store.root / ".ipynb_checkpoints" / "meta.yaml", "name: x\nexperiment_id: 3\n")
    put(experiment / "notes.txt", "text")
    put(experiment / GOOD / "stray.txt", "text")


@odd(rows=ONE)
def stale_copy_of_tags_in_the_meta_of_an_experiment(store: MadeUp, experiment: Path) -> None:
    change(experiment / "meta.yaml", tags={"stale": "copy"})
