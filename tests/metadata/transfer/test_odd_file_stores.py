"""File stores as they are in practice: each oddity has its outcome, and nothing else suffers."""

import os
import time
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tandem_metadata.transfer.report import Problem
from tests.metadata.transfer import odd_entities, odd_experiments, odd_runs, odd_values
from tests.metadata.transfer.file_stores import MadeUp, import_into
from tests.metadata.transfer.odd_stores import GOOD, Odd
from tests.metadata.transfer.rows import everything, rows

_ALL = [*odd_runs.ALL, *odd_experiments.ALL, *odd_values.ALL, *odd_entities.ALL]


def _check(found: list[Problem], expected: dict[str, str], root: Path) -> None:
    told = {each.path.removeprefix(f"{root}/"): each.reason for each in found}
    for path, reason in expected.items():
        matching = [
            told[each] for each in told if each == path or (path[-1] == "/" and path in each)
        ]
        assert matching, f"{path} is not among {told}"
        assert reason in matching[0]
    assert len(told) == len(expected), told


def _age(root: Path) -> None:
    """Make the files an hour older; a bad one that is new is read again, which takes a while."""
    hour_ago = time.time() - 3600
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (hour_ago, hour_ago))


@pytest.mark.parametrize("odd", _ALL, ids=lambda odd: odd.make.__name__)
def test_odd_file_store(odd: Odd, settings: Settings, tmp_path: Path) -> None:
    store = MadeUp(tmp_path)
    experiment = store.experiment(1, "one")
    good = {"params": {"good": "v"}, "metrics": {"good": "1700000000000 0.5 3\n"}}
    store.run(experiment, run_id=GOOD, **good)
    odd.make(store, experiment)
    _age(store.root)

    report = import_into(settings, store.root)

    skipped = [each for each in report.problems if each.skipped]
    _check(skipped, dict(odd.skips), store.root)
    _check([each for each in report.problems if not each.skipped], dict(odd.mends), store.root)
    for statement, expected in odd.rows.items():
        assert rows(settings, statement) == sorted(expected, key=repr), statement
    params = "SELECT key, value FROM params WHERE key = 'good'"
    assert rows(settings, params) == [("good", "v")]
    if "metrics_that_are_a_file" not in odd.make.__name__:
        metrics = "SELECT key, value, step FROM latest_metrics WHERE key = 'good'"
        assert rows(settings, metrics) == [("good", 0.5, 3)]

    for kind in report.document()["counts"]:
        count = report.count(kind)
        assert count["found"] == sum(count.values()) - count["found"], kind
    before = everything(settings)
    again = import_into(settings, store.root)
    assert everything(settings) == before
    assert {again.count(kind)["imported"] for kind in again.document()["counts"]} == {0}


def test_there_are_some_fifty_odd_stores_each_with_a_name_of_its_own() -> None:
    names = [odd.make.__name__ for odd in _ALL]
    assert len(names) == len(set(names)) >= 50
