"""Experiments on artifact hosts that the settings do not allow: counted and logged at the start."""

import logging

import pytest
from sqlalchemy import insert

from tandem_metadata.artifacts import unserved_hosts
from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings

HERE = "mlflow-artifacts://artifacts.example.com"
LOCATIONS = [
    f"{HERE}/1",
    f"{HERE}:80/2",
    "mlflow-artifacts:/3",
    "mlflow-artifacts://old.example.com:5500/4",
    "mlflow-artifacts://me:secret@OLD.example.com:5500/5",
    "http://gone.example.com/api/2.0/mlflow-artifacts/artifacts/6",
    "s3://bucket/7",
    "/srv/mlruns/8",
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"default_artifact_root": f"{HERE}/"},
            {"old.example.com:5500": 2, "gone.example.com": 1},
        ),
        (
            {
                "default_artifact_root": f"{HERE}/",
                "artifact_hosts": ("old.example.com:5500", "artifacts.example.com"),
            },
            {"gone.example.com": 1},
        ),
        (
            {"default_artifact_root": "s3://bucket/"},
            {
                "": 1,
                "artifacts.example.com": 1,
                "artifacts.example.com:80": 1,
                "old.example.com:5500": 2,
                "gone.example.com": 1,
            },
        ),
    ],
)
def test_unserved_hosts_are_counted_by_location(
    settings: dict[str, object], expected: dict[str, int]
) -> None:
    assert unserved_hosts.count(LOCATIONS, Roots(Settings(**settings))) == expected  # type: ignore[arg-type]


def test_unserved_hosts_are_logged_once_each_without_credentials(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"experiment_id": number, "name": str(number), "artifact_location": location}
        for number, location in enumerate(LOCATIONS, 1)
    ]
    with database.write() as conn:
        conn.execute(insert(experiments), rows)
    with caplog.at_level(logging.WARNING):
        unserved_hosts.warn(database, Roots(Settings(default_artifact_root=f"{HERE}/")))
        unserved_hosts.warn(database, Roots(Settings(default_artifact_root="s3://bucket/")))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 + 5
    assert lines[0].startswith("2 of the newest 9 experiments keep their files on the host old.")
    assert any("without a host" in line for line in lines)
    assert "secret" not in "".join(lines)

    monkeypatch.setattr(unserved_hosts, "MAX_EXPERIMENTS", 4)
    caplog.clear()
    unserved_hosts.warn(database, Roots(Settings(default_artifact_root=f"{HERE}/")))
    lines = [record.getMessage() for record in caplog.records]
    assert [line[:50] for line in lines] == [
        "1 of the newest 4 experiments keep their files on ",
        "1 of the newest 4 experiments keep their files on ",
    ]
