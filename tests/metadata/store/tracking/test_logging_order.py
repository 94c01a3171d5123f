"""In which order what was logged comes back: as it was first logged, where the database knows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import load, log_many
from tandem_metadata.store.tracking.log_entry import LogEntry
from tandem_shared.errors import ApiError
from tests.metadata.api import Json
from tests.metadata.conftest import only_postgresql
from tests.metadata.graphql_api import GraphQL
from tests.metadata.logging_client import new_run

_DATA = """
query Q($data: MlflowGetRunInput!) {
  mlflowGetRun(input: $data) { run { data { metrics { key } params { key } tags { key } } } }
}
"""


@pytest.fixture
def api(settings: Settings, database: Database) -> GraphQL:
    return GraphQL(settings, database)


@pytest.fixture
def on_sqlite(settings: Settings) -> bool:
    """Else PostgreSQL, which moves rows that are updated."""
    return settings.backend_store_uri.startswith("sqlite")


def _keys(found: list[Json]) -> str:
    return "".join(each["key"] for each in found if not each["key"].startswith("mlflow."))


def _entries(keys: str, value: str = "v") -> list[Json]:
    return [{"key": key, "value": value} for key in keys]


def _metrics(keys: str, step: int = 0, **of: str) -> list[Json]:
    return [{"key": key, "value": 0.5, "timestamp": 1, "step": step, **of} for key in keys]


def _log(api: GraphQL, run_id: str) -> None:
    """To the run in several requests; what comes again is not the first of its key."""
    batch = {"params": _entries("zma"), "metrics": _metrics("zma"), "tags": _entries("zma")}
    api.call("runs/log-batch", run_id=run_id, **batch)
    again = {"metrics": _metrics("yz", 1), "tags": _entries("ya", "w")}
    api.call("runs/log-batch", run_id=run_id, params=_entries("yz"), **again)
    api.call("runs/log-parameter", run_id=run_id, key="b", value="v")
    api.call("runs/log-metric", run_id=run_id, **_metrics("b")[0])
    api.call("runs/set-tag", run_id=run_id, key="b", value="v")


def test_what_a_run_logged_comes_in_the_order_of_logging(api: GraphQL, on_sqlite: bool) -> None:
    made = api.call("runs/create", experiment_id="0", tags=_entries("xc"))["run"]
    assert _keys(made["data"]["tags"]) == "xc"
    run_id = made["info"]["run_id"]
    _log(api, run_id)
    expected = {
        "metrics": "zmayb" if on_sqlite else "abmyz",
        "params": "zmayb",
        "tags": "xczmayb" if on_sqlite else "abcmxyz",
    }
    (found,) = api.call("runs/search", experiment_ids=["0"])["runs"]
    read = (
        api.call("runs/get", run_id=run_id),
        api.data(_DATA, data={"runId": run_id})["mlflowGetRun"],
    )
    for run in (found, *(each["run"] for each in read)):
        data = run["data"]
        assert {kind: _keys(data[kind]) for kind in expected} == expected


def test_runs_of_a_page_have_their_params_in_the_order_of_logging(api: GraphQL) -> None:
    """Few runs and many are read by statements of their own."""
    created = [api.call("runs/create", experiment_id="0")["run"] for _ in range(20)]
    orders = {run["info"]["run_id"]: "zmayb"[number % 5 :] for number, run in enumerate(created)}
    for half in (slice(0, 2), slice(2, None)):
        for run_id, keys in orders.items():
            api.call("runs/log-batch", run_id=run_id, params=_entries(keys[half]))
    for count in (3, 20):
        found = api.call("runs/search", experiment_ids=["0"], max_results=count)["runs"]
        assert len(found) == count
        for run in found:
            assert _keys(run["data"]["params"]) == orders[run["info"]["run_id"]]


def test_metrics_of_logged_models_do_too(api: GraphQL, on_sqlite: bool) -> None:
    run_id = api.run()
    model_id = api.call("logged-models", experiment_id="0")["model"]["info"]["model_id"]
    for keys in ("zma", "b"):
        logged = _metrics(keys, model_id=model_id)
        api.call("runs/log-batch", run_id=run_id, metrics=logged, params=_entries(keys))
    model = api.call(f"logged-models/{model_id}", "GET")["model"]
    # PostgreSQL takes those of one request by their keys.
    assert _keys(model["data"]["metrics"]) == ("zmab" if on_sqlite else "amzb")
    run = api.call("runs/get", run_id=run_id)["run"]["data"]
    assert _keys(run["params"]) == "zmab"
    assert _keys(run["metrics"]) == ("zmab" if on_sqlite else "abmz")


def test_tags_of_experiments_models_and_versions_do_where_they_may_change(
    api: GraphQL, on_sqlite: bool
) -> None:
    expected = "zmab" if on_sqlite else "abmz"
    number = api.call("experiments/create", name="e", tags=_entries("zma"))["experiment_id"]
    api.call("registered-models/create", name="r", tags=_entries("zma"))
    api.call("model-versions/create", name="r", source="s3://b/c", tags=_entries("zma"))
    for key in "bz":
        tag = {"key": key, "value": "new"}
        api.call("experiments/set-experiment-tag", experiment_id=number, **tag)
        api.call("registered-models/set-tag", name="r", **tag)
        api.call("model-versions/set-tag", name="r", version="1", **tag)
    experiment = api.call("experiments/get", experiment_id=number)["experiment"]
    model = api.call("registered-models/get", name="r")["registered_model"]
    version = api.call("model-versions/get", name="r", version="1")["model_version"]
    assert [_keys(each["tags"]) for each in (experiment, model, version)] == [expected] * 3


@only_postgresql
def test_params_that_requests_log_at_once_in_other_orders_are_all_logged(
    database: Database, settings: Settings
) -> None:
    """Each may wait for the other, for they come as they are given: one is then tried again."""
    with database.write() as conn:
        conn.exec_driver_sql(
            f"ALTER DATABASE {database.url.database} SET deadlock_timeout = '20ms'"
        )
    patient = Database(settings)
    params = {f"k{number}": "v" for number in range(100)}
    orders = [params, dict(reversed(params.items()))]
    together = threading.Barrier(2)

    def log(run_id: str, order: dict[str, str]) -> list[ApiError | None]:
        together.wait(10)
        return patient.run_in_transaction(
            lambda conn: log_many.log(conn, [LogEntry(run_id, params=order)])
        )

    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            run_id = new_run(patient)
            assert list(threads.map(log, [run_id] * 2, orders)) == [[None], [None]]
            with patient.read() as conn:
                found = [param.key for param in load.get(conn, [run_id])[run_id].data.params]
            assert found in [list(order) for order in orders]
    patient.close()
