"""An in-process client that sends the web UI's GraphQL queries, over data stored by REST."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.database.database import Database
from tandem_metadata.routes import graphql
from tandem_metadata.settings import Settings
from tests.metadata.api import Api

_QUERIES = Path(__file__).parents[1] / "queries"
GET_EXPERIMENT = (_QUERIES / "get_experiment.graphql").read_text()
GET_RUN = (_QUERIES / "get_run.graphql").read_text()
SEARCH_RUNS = (_QUERIES / "search_runs.graphql").read_text()
"""Queries of MLflow's web UI; the last one is in its scripts, but never sent."""


class GraphQL(Api):
    """Reads by GraphQL and writes by REST."""

    def __init__(self, settings: Settings, database: Database) -> None:
        client = ArtifactClient(settings)
        super().__init__(settings, database, lambda context: graphql.routes(context, client))

    def query(self, query: str, operation: str | None = None, **variables: Any) -> Any:
        """The whole answer, whose status must be 200."""
        body = {"operationName": operation, "variables": variables, "query": query}
        answer = self.http.post("/graphql", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {"data", "errors"}
        return answer.json()

    def data(self, query: str, **variables: Any) -> Any:
        answer = self.query(query, **variables)
        assert answer["errors"] is None
        return answer["data"]

    def error(self, query: str, **variables: Any) -> str:
        """The only error of an answer without data."""
        answer = self.query(query, **variables)
        assert answer["data"] is None
        (sentence,) = answer["errors"]
        return str(sentence)

    def fill(self, run_id: str) -> None:
        """Log one of each kind of data, and make a model version of it."""
        self.call("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=7, step=2**40)
        self.call("runs/log-parameter", run_id=run_id, key="lr", value="0.1")
        self.call("runs/set-tag", run_id=run_id, key="t", value="v")
        dataset = {"name": "d", "digest": "1", "source_type": "http", "source": "{}"}
        context = [{"key": "mlflow.data.context", "value": "train"}]
        self.call(
            "runs/log-inputs",
            run_id=run_id,
            datasets=[{"dataset": dataset, "tags": context}],
            models=[{"model_id": "m-in"}],
        )
        self.call("runs/outputs", run_id=run_id, models=[{"model_id": "m-out", "step": 3}])
        name = f"of-{run_id}"
        self.call("registered-models/create", name=name)
        self.call("model-versions/create", name=name, source="s3://b/c", run_id=run_id)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collects the SQL statements that are executed within."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)
