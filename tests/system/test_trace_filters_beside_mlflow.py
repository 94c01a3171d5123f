"""Searches of one database's traces by MLflow's own server and by Tandem: both find the same."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest
import requests

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.search import trace_data
from tests.system import beside_mlflow

_V3 = "/api/3.0/mlflow/traces/search"

FILTERS: Final = (
    "",
    "status = 'OK'",
    "attributes.status != 'OK'",
    "attribute.status IN ('ERROR', 'IN_PROGRESS')",
    "trace.status NOT IN ('ERROR')",
    "status = 'ok'",
    "status LIKE 'O%' AND name ILIKE 'AGENT'",
    "timestamp > 1000 AND timestamp_ms <= 2000",
    "attributes.timestamp_ms > 999 AND attributes.timestamp_ms < 2001",
    "execution_time = 100 and execution_time_ms >= 1.5",
    "end_time > 1004 AND attributes.end_time_ms < 1501",
    "name = 'agent'",
    "attributes.name = 'agent'",
    "name != 'agent'",
    "name LIKE 'a%'",
    "name RLIKE '[aA]g.nt$'",
    "name IS NULL",
    "name IS NOT NULL",
    "request_id = 'tr-c'",
    "request_id IN ('tr-c', 'tr-a', 'x')",
    "request_id NOT IN ('tr-c')",
    "client_request_id LIKE 'creq%'",
    "run_id = 'r1'",
    "attributes.run_id = 'r1'",
    "metadata.`mlflow.sourceRun` = 'r1'",
    "run_id != 'r1'",
    "run_id LIKE 'r%'",
    "run_id IS NULL",
    "tags.env = 'prod'",
    "tag.env != 'prod'",
    "tags.env ILIKE 'PROD'",
    "tags.`my key` = 'v'",
    'tags."my key" = "v"',
    'tags.env = "it\'s"',
    "tags.none IS NULL",
    "tags.env IS NOT NULL AND tags.x IS NULL",
    "tags.env RLIKE '^[Pp]'",
    "request_metadata.mlflow.trace.session = 's1'",
    "request_metadata.\"mlflow.trace.user\" = 'alice'",
    "metadata.`mlflow.trace.session` LIKE 's%'",
    "metadata.mlflow.trace.session IS NULL",
    "metadata.mlflow.trace.tokenUsage IS NOT NULL",
    """metadata.mlflow.trace.tokenUsage = '{"input_tokens": 10, "total_tokens": 15}'""",
    "metadata.mlflow.trace.tokenUsage != 'x'",
    "metadata.mlflow.trace.cost IS NULL",
    "span.name = 'root'",
    "span.name ILIKE 'ROOT'",
    "span.type = 'LLM' AND span.name = 'root'",
    "span.type = 'TOOL' AND span.name = 'root'",
    "span.status = 'ERROR' AND span.type IN ('TOOL')",
    "span.status NOT IN ('OK')",
    "span.type RLIKE '^(LLM|CHAIN)$'",
    "span.attributes.model LIKE '%gpt-4o%'",
    "span.attributes.q ILIKE '%HOW%'",
    "span.content LIKE '%gpt-4o%'",
    "trace.text ILIKE '%GPT-%'",
    "trace.text LIKE '%GPT-%'",
    "trace.text ILIKE '%gpt%' AND attributes.timestamp_ms > 900 AND timestamp_ms < 2000",
    "feedback.correct = 'true'",
    "feedback.correct = 'yes'",
    "feedback.correct != 'yes'",
    "feedback.correct IS NULL",
    "feedback.score > 0.5",
    "feedback.score <= 0.5",
    "feedback.score = '0.7'",
    "feedback.score IS NOT NULL",
    "feedback.`polite` = 'yes'",
    "feedback.polite IS NOT NULL",
    "feedback.polite IS NULL",
    "expectation.expected = 'Paris'",
    "expectation.`expected` ILIKE '%PARIS%'",
    "issue.id = 'i-1'",
    "prompt = 'greet/2'",
    "status = 'OK' AND ",
    # Refused by both.
    "STATUS = 'OK'",
    "trace_id = 'x'",
    "span.duration > 5",
    "span.content = 'x'",
    "tags.env < 'x'",
    "tags.env = 5",
    "prompt LIKE 'greet%'",
    "prompt = 'greet'",
    "feedback.score = 0.5",
    "feedback.score > '0.5'",
    "metadata.mlflow.trace.tokenUsage LIKE '%1%'",
    "params.x = 'y'",
    "status BETWEEN 'a' AND 'b'",
    "status = 'OK'; DROP TABLE spans",
)

OTHERWISE: Final[Mapping[str, str]] = {
    "name IN ('agent')": "lists are accepted for all texts",
    "status = 'ERROR' OR name = 'agent'": "OR is accepted",
    "NOT (status = 'OK')": "NOT and parentheses are accepted",
    "status NOT LIKE 'O%'": "NOT LIKE is accepted",
    "client_request_id IS NULL": "IS NULL is accepted for all attributes",
    "timestamp_ms = '1000'": "a quoted number is a number",
    "span.attributes.model = 'gpt-4o'": "an attribute's value is compared, not its document's text",
    "span.attributes.model LIKE 'gpt%'": "an attribute's value is compared",
    "span.attributes.model != 'gpt-4o'": "an attribute's value is compared",
    "span.attributes.q LIKE '%event%'": "other texts of the document are no attribute",
    "feedback.polite LIKE 'y%'": "what a text says is compared, not its quotes",
    "issue.name = 'a name'": "MLflow takes it for the trace's name",
    "tags.name IS NULL": "MLflow takes it for the trace's name",
    "text LIKE '%gpt%'": "the entity may be left out",
    "trace.text ILIKE '%GRÜßE%'": "ILIKE folds all letters; MLflow's, on SQLite, A to Z",
    "status = 'OK' tags.env = 'prod'": "comparisons are joined by AND",
}
"""Filters of which Tandem finds something else on purpose, and why."""

ORDERS: Final = (
    ["timestamp"],
    ["timestamp_ms DESC"],
    ["attributes.timestamp ASC", "request_id DESC"],
    ["execution_time"],
    ["execution_time_ms DESC"],
    ["status", "request_id"],
    ["name"],
    ["name DESC"],
    ["experiment_id DESC", "timestamp"],
    ["tags.x", "request_id"],
    ["metadata.`mlflow.trace.session` DESC"],
    ["run_id"],
    ["request_metadata.mlflow.trace.user"],
    ["request_time"],
    ["client_request_id"],
    ["span.name"],
    ["metadata.mlflow.trace.cost"],
)


class Both(NamedTuple):
    """Two servers over one database."""

    mlflow: str
    tandem: str
    dialect: str

    def find(self, **wanted: Any) -> list[Any]:
        """What each answers: the ids, or the status of a refusal."""
        return [self._ask(url, wanted) for url in (self.mlflow, self.tandem)]

    def _ask(self, url: str, wanted: dict[str, Any]) -> Any:
        locations = [
            {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": each}}
            for each in ("1", "2")
        ]
        given = {"locations": locations, **wanted}
        answer = requests.post(url + _V3, json=given, timeout=60)
        if answer.status_code != 200:
            return answer.status_code
        return [each["trace_id"] for each in answer.json().get("traces", [])]


@pytest.fixture(scope="module", params=beside_mlflow.DATABASES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """Servers of these tests alone: the traces lie in experiments whose ids they name."""
    with beside_mlflow.started(request, tmp_path_factory) as beside:
        database = Database(Settings(backend_store_uri=beside.address))
        with database.write() as conn:
            trace_data.fill(conn)
        database.close()
        yield Both(beside.mlflow, beside.tandem, beside.database)


@pytest.mark.parametrize("filter", FILTERS)
def test_a_filter_finds_what_it_does_in_mlflow(both: Both, filter: str) -> None:
    theirs, ours = both.find(filter=filter)
    assert ours == theirs


@pytest.mark.parametrize("filter", OTHERWISE)
def test_a_listed_filter_finds_something_else(both: Both, filter: str) -> None:
    theirs, ours = both.find(filter=filter)
    if "ILIKE" in filter and both.dialect == "postgresql":
        return  # there it depends on the locale
    if filter == "timestamp_ms = '1000'":
        assert ours == ["tr-a", "tr-b"]
        return
    assert ours != theirs, "it finds the same: take it off the list"


@pytest.mark.parametrize("order_by", ORDERS, ids=json.dumps)
def test_an_order_is_what_it_is_in_mlflow(both: Both, order_by: list[str]) -> None:
    theirs, ours = both.find(order_by=order_by)
    assert ours == theirs


def test_pages_are_continued_by_tokens_of_mlflow(both: Both) -> None:
    found = [both.find(max_results=each)[1] for each in (2, 5)]
    locations = [{"mlflow_experiment": {"experiment_id": each}} for each in ("1", "2")]
    wanted = {"locations": locations, "max_results": 2}
    page = requests.post(both.mlflow + _V3, json=wanted, timeout=60).json()
    given = {**wanted, "page_token": page["next_page_token"]}
    rest = requests.post(both.tandem + _V3, json=given, timeout=60).json()
    assert [each["trace_id"] for each in rest["traces"]] == found[1][2:4]
