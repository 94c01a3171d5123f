"""GraphQL queries within all limits of their own, whose answers would be large."""

from pathlib import Path

import requests
from sqlalchemy import insert

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import latest_metrics, runs
from tandem_metadata.settings import Settings
from tests.faults import memory
from tests.faults.scale import scaled
from tests.system.services import metadata_service

_ROOT = "mlflow-artifacts://127.0.0.1:1/"
_RUNS = scaled(300, 1000)
_METRICS = 100
_PAGE = """mlflowSearchRuns(input: {experimentIds: ["0"]}) {
  runs { info { runId } data { metrics { key value timestamp step } } } }"""


def test_aliases_of_a_large_page_are_refused_before_they_take_a_workers_memory_and_time(
    tmp_path: Path,
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    _seed(uri)
    with metadata_service(tmp_path, uri, _ROOT) as process:

        def ask(query: str) -> requests.Response:
            return requests.post(f"{process.url}/graphql", json={"query": query}, timeout=120)

        assert len(ask(f"{{ {_PAGE.replace('data', 'd: data @skip(if: true)')} }}").content) > 1000
        before = memory.resident(process)
        answer = ask("{" + " ".join(f"a{number}: {_PAGE}" for number in range(10)) + "}")
        assert answer.status_code == 200
        assert answer.json()["data"] is None
        (sentence,) = answer.json()["errors"]
        assert "ask for fewer runs" in sentence
        assert answer.elapsed.total_seconds() < 20
        assert memory.peak(process) - before < 120 * 2**20


def _seed(uri: str) -> None:
    database = Database(Settings(backend_store_uri=uri))
    database.prepare(_ROOT)
    ids = [f"{number:032x}" for number in range(_RUNS)]
    common = {"experiment_id": 0, "lifecycle_stage": "active", "status": "RUNNING"}
    value = {"value": 1.5, "timestamp": 1, "step": 1, "is_nan": False}
    with database.write() as conn:
        conn.execute(insert(runs), [{"run_uuid": each, **common} for each in ids])
        conn.execute(
            insert(latest_metrics),
            [
                {"run_uuid": each, "key": f"m{number}", **value}
                for each in ids
                for number in range(_METRICS)
            ],
        )
    database.close()
