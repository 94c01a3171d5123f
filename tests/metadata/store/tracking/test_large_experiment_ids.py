"""Experiments whose ids take more than 32 bits, as `mlflow migrate-filestore` keeps them."""

import pytest
from sqlalchemy import insert

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tests.metadata.api import MISSING
from tests.metadata.conftest import only_postgresql, only_sqlite
from tests.metadata.graphql_api import GET_EXPERIMENT, GET_RUN, SEARCH_RUNS, GraphQL

OLD = 547_980_698_133_079_693
LARGEST = 2**63 - 1


@pytest.fixture
def api(settings: Settings, database: Database) -> GraphQL:
    return GraphQL(settings, database)


def _put(database: Database, number: int) -> str:
    """An experiment of that id, as another program stored it."""
    with database.write() as conn:
        row = {
            "experiment_id": number,
            "name": f"old {number}",
            "artifact_location": f"mlflow-artifacts:/{number}",
            "lifecycle_stage": "active",
            "creation_time": 1,
            "last_update_time": 1,
        }
        conn.execute(insert(experiments).values(row))
    return str(number)


def _use(api: GraphQL, experiment_id: str) -> None:
    """Every request that names an experiment."""
    found = api.call("experiments/get", experiment_id=experiment_id)["experiment"]
    name = found["name"]
    assert found["artifact_location"].endswith(f"/{experiment_id}")
    api.call("experiments/set-experiment-tag", experiment_id=experiment_id, key="k", value="v")
    api.call("experiments/update", experiment_id=experiment_id, new_name=f"{name} renamed")
    run_id = api.run(experiment_id, run_name="r")
    assert api.run(experiment_id) != run_id  # by the batch's cache of experiments
    api.fill(run_id)
    model = api.call("logged-models", experiment_id=experiment_id, name="m", source_run_id=run_id)
    model_id = model["model"]["info"]["model_id"]
    api.call(f"logged-models/{model_id}", "PATCH", model_id=model_id, status="LOGGED_MODEL_READY")
    metric = {"key": "acc", "value": 1, "timestamp": 1, "step": 0, "model_id": model_id}
    api.call("runs/log-batch", run_id=run_id, metrics=[metric])

    by_id = api.call(
        "experiments/search", max_results=9, filter=f"experiment_id = '{experiment_id}'"
    )
    assert [each["name"] for each in by_id["experiments"]] == [f"{name} renamed"]
    among = api.call(
        "experiments/search", max_results=9, filter=f"experiment_id IN ('0', '{experiment_id}')"
    )
    assert {each["experiment_id"] for each in among["experiments"]} == {"0", experiment_id}
    for ids in ([experiment_id], ["0", experiment_id]):
        first = api.call("runs/search", experiment_ids=ids, max_results=1)
        token = first["next_page_token"]
        second = api.call("runs/search", experiment_ids=ids, max_results=1, page_token=token)
        (one,), (other,) = first["runs"], second["runs"]
        assert {one["info"]["experiment_id"], other["info"]["experiment_id"]} == {experiment_id}
    filtered = api.call(
        "runs/search", experiment_ids=[experiment_id], filter="metrics.loss > 0 AND tags.t = 'v'"
    )
    (run,) = filtered["runs"]
    assert run["info"]["run_id"] == run_id
    assert run["info"]["artifact_uri"].endswith(f"/{experiment_id}/{run_id}/artifacts")
    models = api.call("logged-models/search", experiment_ids=["0", experiment_id])["models"]
    assert [each["info"]["experiment_id"] for each in models] == [experiment_id]
    named = f"experiment_id = '{experiment_id}' AND metrics.acc = 1"
    assert api.call("logged-models/search", experiment_ids=[experiment_id], filter=named)["models"]
    (used,) = api.call("experiments/search-datasets", experiment_ids=[experiment_id])[
        "dataset_summaries"
    ]
    assert used["experiment_id"] == experiment_id

    read = api.data(GET_EXPERIMENT, input={"experimentId": experiment_id})
    assert read["mlflowGetExperiment"]["experiment"]["experimentId"] == experiment_id
    shown = api.data(GET_RUN, data={"runId": run_id})["mlflowGetRun"]["run"]
    assert shown["experiment"]["experimentId"] == experiment_id
    runs = api.data(SEARCH_RUNS, data={"experimentIds": [experiment_id]})["mlflowSearchRuns"][
        "runs"
    ]
    assert len(runs) == 2

    api.call("experiments/delete-experiment-tag", experiment_id=experiment_id, key="k")
    for change, stage in (("delete", "deleted"), ("restore", "active")):
        api.call(f"experiments/{change}", experiment_id=experiment_id)
        assert api.call("runs/get", run_id=run_id)["run"]["info"]["lifecycle_stage"] == stage


@only_sqlite
def test_an_experiment_with_an_id_of_18_digits_and_those_created_after_it_are_used_as_any(
    api: GraphQL, database: Database
) -> None:
    _use(api, _put(database, OLD))
    after = api.experiment("after")
    assert after == str(OLD + 1)
    _use(api, after)


@only_sqlite
def test_an_experiment_with_the_largest_id_leaves_room_for_others(
    api: GraphQL, database: Database
) -> None:
    _use(api, _put(database, LARGEST))
    after = api.experiment("after")
    assert 0 < int(after) < LARGEST
    _use(api, after)


def _refusals(api: GraphQL, experiment_id: str) -> dict[str, tuple[int, str, str]]:
    """What every request gets that works on one experiment."""
    given: dict[str, dict[str, str]] = {
        "experiments/get": {},
        "experiments/update": {"new_name": "n"},
        "experiments/delete": {},
        "experiments/restore": {},
        "experiments/set-experiment-tag": {"key": "k", "value": "v"},
        "experiments/delete-experiment-tag": {"key": "k"},
        "runs/create": {},
        "logged-models": {"name": "m"},
    }
    return {
        path: api.refusal(path, experiment_id=experiment_id, **fields)
        for path, fields in given.items()
    }


def _check_refused(api: GraphQL, experiment_id: str, largest: int) -> None:
    for path, (*found, message) in _refusals(api, experiment_id).items():
        assert tuple(found) == MISSING, path
        assert experiment_id in message
        assert f"ids go from 0 to {largest} in this database" in message
    answer = api.query(GET_EXPERIMENT, input={"experimentId": experiment_id})
    assert f"from 0 to {largest}" in answer["errors"][0]


@only_postgresql
@pytest.mark.parametrize("number", [2**31, OLD, LARGEST, 2**63, 10**30])
def test_an_id_beyond_32_bits_is_refused_on_postgresql_with_the_largest_that_it_holds(
    api: GraphQL, number: int
) -> None:
    _check_refused(api, str(number), 2**31 - 1)


@only_sqlite
@pytest.mark.parametrize("number", [2**63, 10**18 * 10, 10**30])
def test_an_id_beyond_64_bits_is_refused_on_sqlite_with_the_largest_that_it_holds(
    api: GraphQL, number: int
) -> None:
    _check_refused(api, str(number), LARGEST)


@pytest.mark.parametrize("number", [2**31, OLD, LARGEST])
def test_an_unknown_large_id_is_among_searched_ones_as_any_unknown_id(
    api: GraphQL, number: int
) -> None:
    run_id = api.run("0")
    ids = ["0", str(number)]
    (found,) = api.call("runs/search", experiment_ids=ids)["runs"]
    assert found["info"]["run_id"] == run_id
    assert api.call("runs/search", experiment_ids=[str(number)]) == {}
    assert api.call("logged-models/search", experiment_ids=ids) == {}
    among = f"experiment_id IN ('0', '{number}')"
    (default,) = api.call("experiments/search", max_results=9, filter=among)["experiments"]
    assert default["experiment_id"] == "0"
