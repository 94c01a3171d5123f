"""Imported points are what the server would have left, had it been sent them one by one."""

import random
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import metrics
from tests.metadata.transfer.file_stores import MadeUp, import_into
from tests.metadata.transfer.rows import execute, rows

_VALUES = ("nan", "0.0", "-0.0", "-1.0", "1e-320", "inf", "-inf", "0.1", "1.5e300")
_SENT = "c" * 32


@pytest.mark.parametrize("seed", range(3))
def test_points_and_latest_metrics_are_those_of_the_server(
    seed: int, settings: Settings, tmp_path: Path
) -> None:
    chosen = random.Random(seed)
    store = MadeUp(tmp_path)
    points = {
        f"metric {number}": [
            (chosen.randrange(3), chosen.choice(_VALUES), chosen.randrange(-1, 2))
            for _ in range(chosen.randrange(1, 12))
        ]
        for number in range(30)
    }
    lines = {
        key: "".join(f"{time} {value} {step}\n" for time, value, step in given)
        for key, given in points.items()
    }
    run = store.run(store.experiment(1), metrics=lines)
    assert import_into(settings, store.root).problems == []
    execute(settings, f"INSERT INTO runs (run_uuid, experiment_id) VALUES ('{_SENT}', 1)")
    database = Database(settings)
    for key, given in points.items():
        for time, text, step in given:
            row = (_SENT, key, step, time, *metrics.stored_value(float(text)))
            with database.write() as conn:
                metrics.add(conn, [row])
    database.close()
    for table in ("metrics", "latest_metrics"):
        statement = f"SELECT key, step, timestamp, value, is_nan FROM {table} WHERE run_uuid = :run"
        assert rows(settings, statement, run=run.name) == rows(settings, statement, run=_SENT)
