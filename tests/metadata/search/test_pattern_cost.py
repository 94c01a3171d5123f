"""How often PostgreSQL tries a LIKE pattern, which is slow on long values."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, text

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import logged_models as models
from tandem_metadata.database.tables import registry, tracking
from tandem_metadata.store.logged_models import search as logged_model_search
from tandem_metadata.store.registry import model_version_search, registered_model_search
from tandem_metadata.store.tracking import experiment_search, run_search
from tests.metadata.conftest import only_postgresql

_ROWS = 40
_VALUE = "a" * 3_000
_PATTERN = "%" + "a" * 400 + "b%"
_NAME = "a" * 480
_NAME_PATTERN = "%" + "a" * 240 + "b%"


def _runs(conn: Connection, comparison: str) -> Any:
    return run_search.find(conn, experiment_ids=["0"], filter=comparison)[0]


def _logged_models(conn: Connection, comparison: str) -> Any:
    return logged_model_search.search(
        conn,
        experiment_ids=["0"],
        filter=comparison,
        datasets=[],
        max_results=50,
        order_by=[],
        page_token=None,
    )[0]


def _experiments(conn: Connection, comparison: str) -> Any:
    return experiment_search.search(
        conn,
        view_type=None,
        max_results=100,
        order_by=[],
        filter=comparison,
        page_token=None,
    )[0]


def _registered_models(conn: Connection, comparison: str) -> Any:
    return registered_model_search.search(
        conn, filter=comparison, max_results=100, order_by=[], page_token=None
    )[0]


def _model_versions(conn: Connection, comparison: str) -> Any:
    return model_version_search.search(
        conn, filter=comparison, max_results=100, order_by=[], page_token=None
    )[0]


_SEARCHES: list[tuple[Callable[[Connection, str], Any], str]] = [
    (_runs, "tags.long"),
    (_runs, "params.long"),
    (_runs, "params.word LIKE 'w%' AND tags.long"),
    (_runs, "NOT params.word LIKE '%w%' OR tags.long"),
    (_runs, "dataset.name"),
    (_runs, "dataset.context"),
    (_experiments, "tags.long"),
    (_experiments, "name = 'x' OR tags.long"),
    (_registered_models, "tags.none IS NOT NULL OR tags.long"),
    (_logged_models, "params.none = 'x' OR tags.long"),
    (_registered_models, "tags.long"),
    (_model_versions, "tags.long"),
    (_logged_models, "tags.long"),
    (_logged_models, "params.long"),
]


@only_postgresql
@pytest.mark.parametrize("like", ["LIKE", "ILIKE"])
def test_like_pattern_is_tried_once_a_row_in_tables_without_statistics(
    database: Database, like: str
) -> None:
    with database.write() as conn:
        _fill(conn)
    often = {}
    with database.read() as conn:
        for search, field in _SEARCHES:
            dataset = field.startswith("dataset")
            pattern, value = (_NAME_PATTERN, _NAME) if dataset else (_PATTERN, _VALUE)
            once = min(_seconds(lambda v=value, p=pattern: _try(conn, like, v, p)) for _ in "123")
            assert search(conn, f"{field} {like} '%aa%'"), "what it looks for is there"
            missing = f"{field} {like} '{pattern}'"
            took = []
            for _ in "123":  # whatever else the machine does may hold one up
                took.append(_seconds(lambda s=search, m=missing: s(conn, m)))
                if took[-1] <= 5 * _ROWS * once + 0.5:
                    break
            else:
                often[search.__name__, field] = [each / once for each in took]
    assert often == {}, "searches that take so many times as long as one comparison"


def _try(conn: Connection, like: str, value: str, pattern: str) -> None:
    compared = text(f"SELECT CAST(:value AS VARCHAR) {like} :pattern")
    conn.execute(compared, {"value": value, "pattern": pattern}).scalar()


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _fill(conn: Connection) -> None:
    def add(table: Table, row: Callable[[int], dict[str, Any]], **same: Any) -> None:
        conn.execute(insert(table), [{**row(number), **same} for number in range(_ROWS)])

    known = {"experiment_id": 0, "lifecycle_stage": "active"}
    tag = {"key": "long", "value": _VALUE}
    add(tracking.runs, lambda n: {"run_uuid": f"r{n}", "start_time": n}, **known)
    add(tracking.tags, lambda n: {"run_uuid": f"r{n}"}, **tag)
    add(tracking.params, lambda n: {"run_uuid": f"r{n}"}, **tag)
    add(tracking.params, lambda n: {"run_uuid": f"r{n}"}, key="word", value="word")
    source = {"digest": "d", "dataset_source_type": "s", "dataset_source": "s"}
    add(
        tracking.datasets,
        lambda n: {"dataset_uuid": f"d{n}", "name": f"{_NAME}{n}"},
        experiment_id=0,
        **source,
    )
    add(
        tracking.inputs,
        lambda n: {"input_uuid": f"i{n}", "source_id": f"d{n}", "destination_id": f"r{n}"},
        source_type="DATASET",
        destination_type="RUN",
        step=0,
    )
    context = {"name": "mlflow.data.context", "value": _NAME}
    add(tracking.input_tags, lambda n: {"input_uuid": f"i{n}"}, **context)
    add(
        tracking.experiments,
        lambda n: {"experiment_id": n + 1, "name": f"e{n}"},
        lifecycle_stage="active",
    )
    add(tracking.experiment_tags, lambda n: {"experiment_id": n + 1}, **tag)
    add(registry.registered_models, lambda n: {"name": f"m{n}"}, creation_time=1)
    add(registry.registered_model_tags, lambda n: {"name": f"m{n}"}, **tag)
    add(registry.model_versions, lambda n: {"name": f"m{n}"}, version=1, current_stage="None")
    add(registry.model_version_tags, lambda n: {"name": f"m{n}"}, version=1, **tag)
    add(
        models.logged_models,
        lambda n: {"model_id": f"l{n}", "creation_timestamp_ms": n, "last_updated_timestamp_ms": n},
        name="m",
        artifact_location="a",
        status=1,
        **known,
    )
    add(
        models.logged_model_tags,
        lambda n: {"model_id": f"l{n}", "tag_key": "long", "tag_value": _VALUE},
        experiment_id=0,
    )
    add(
        models.logged_model_params,
        lambda n: {"model_id": f"l{n}", "param_key": "long", "param_value": _VALUE},
        experiment_id=0,
    )
