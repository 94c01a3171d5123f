"""Lists in requests: their longest lengths, and the statements that write them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.api import Api, Json
from tests.metadata.logging_client import new_run


def _entries(count: int) -> list[Json]:
    return [{"key": f"k{number}", "value": "v"} for number in range(count)]


def _models(count: int) -> list[Json]:
    return [{"model_id": f"m-{number}", "step": number} for number in range(count)]


def _used(count: int, tags: int = 1) -> list[Json]:
    return [
        {
            "dataset": {"name": f"d{number}", "digest": "1", "source_type": "s", "source": "s"},
            "tags": _entries(tags),
        }
        for number in range(count)
    ]


_LOGGED = [{"key": f"k{n}", "value": n, "timestamp": 1, "model_id": "MODEL"} for n in range(1001)]
"""Requests outside the group commit: metrics of a logged model are never in a group."""

_LISTS: dict[str, tuple[str, Json, list[Json], int]] = {
    "tags of an experiment": ("experiments/create", {"name": "e"}, _entries(1001), 1000),
    "tags of a run": ("runs/create", {"experiment_id": "0"}, _entries(1001), 1000),
    "tags of a logged model": ("logged-models", {"experiment_id": "0"}, _entries(1001), 1000),
    "params of a logged model": ("logged-models", {"experiment_id": "0"}, _entries(1001), 1000),
    "tags set on a logged model": ("logged-models/MODEL/tags", {}, _entries(1001), 1000),
    "params logged to a logged model": ("logged-models/MODEL/params", {}, _entries(1001), 1000),
    "tags of a registered model": ("registered-models/create", {"name": "r"}, _entries(1001), 1000),
    "tags of a version": (
        "model-versions/create",
        {"name": "registered", "source": "s3://b/m"},
        _entries(1001),
        1000,
    ),
    "datasets": ("runs/log-inputs", {"run_id": "RUN"}, _used(1001), 1000),
    "models that a run reads": ("runs/log-inputs", {"run_id": "RUN"}, _models(1001), 1000),
    "models that a run wrote": ("runs/outputs", {"run_id": "RUN"}, _models(1001), 1000),
    "metrics": ("runs/log-batch", {"run_id": "RUN"}, _LOGGED, 1000),
    "params": ("runs/log-batch", {"run_id": "RUN"}, _entries(101), 100),
    "tags": ("runs/log-batch", {"run_id": "RUN"}, _entries(101), 100),
}


class _Client(Api):
    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(settings, database)
        model = self.call("logged-models", experiment_id="0")["model"]
        self._named = {"RUN": new_run(database), "MODEL": model["info"]["model_id"]}
        self.call("registered-models/create", name="registered")

    def send(self, path: str, body: Json) -> tuple[int, Json]:
        """Send a body in which RUN and MODEL stand for a run's and a logged model's id."""
        method = "PATCH" if path.endswith("/tags") else "POST"
        text = json.dumps(body)
        for name, identity in self._named.items():
            path, text = path.replace(name, identity), text.replace(name, identity)
        return self.ask(path, method, **json.loads(text))

    @contextmanager
    def statements(self) -> Iterator[list[bool]]:
        """For each statement within, whether it was sent once per row (executemany)."""
        noted: list[bool] = []
        listener = (
            Engine,
            "before_cursor_execute",
            lambda *given: noted.append(given[-1]),
        )
        event.listen(*listener)
        yield noted
        event.remove(*listener)


@pytest.fixture
def client(settings: Settings, database: Database) -> _Client:
    return _Client(settings, database)


@pytest.mark.parametrize("what", _LISTS)
def test_list_at_its_limit_takes_few_statements_and_a_longer_one_is_refused(
    client: _Client, database: Database, what: str
) -> None:
    path, body, entries, limit = _LISTS[what]
    field = what.split()[0]
    with client.statements() as noted:
        status, answer = client.send(path, {**body, field: entries})
    assert len(noted) <= 1  # SQLite's BEGIN
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer
    for part in (field, str(limit), str(limit + 1)):
        assert part in answer["message"]
    with client.statements() as noted:
        status, answer = client.send(path, {**body, field: entries[:limit]})
    assert status == 200, answer
    assert 0 < len(noted) <= 12
    if database.dialect == "postgresql":  # SQLite has no round trips to save
        assert not any(noted)


@pytest.mark.parametrize(
    ("datasets", "tags", "said"),
    [
        (2, 101, "'datasets[0].tags' holds 101 entries; a request can hold at most 100:"),
        (120, 100, "'datasets[*].tags' holds 12000 entries; a request can hold at most 10000:"),
        (100, 100, None),
    ],
)
def test_list_of_dataset_tags_is_limited(
    client: _Client, datasets: int, tags: int, said: str | None
) -> None:
    body = {"run_id": "RUN", "datasets": _used(datasets, tags)}
    status, answer = client.send("runs/log-inputs", body)
    assert status == (400 if said else 200), answer
    if said:
        assert said in answer["message"]


def test_list_of_experiments_in_a_logged_model_search_is_limited(
    client: _Client,
) -> None:
    for count, expected in ((10_001, 400), (10_000, 200)):
        body = {"experiment_ids": [str(number) for number in range(count)]}
        assert client.send("logged-models/search", body)[0] == expected
