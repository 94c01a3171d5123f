"""Searches of traces, in every generation of the schema."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.search.language.trace_fields import TRACES
from tandem_metadata.store.traces import search
from tandem_shared.errors import InvalidParameter


def find(database: Database, filter: str = "", **wanted: Any) -> str:
    """The last letters of the ids of the traces that are found, in their order."""
    wanted.setdefault("experiment_ids", ["1", "2"])
    with database.read() as conn:
        page = search.find(conn, filter=filter, **wanted)
    return "".join(each.removeprefix("tr-") for each in page.ids)


LATEST = "cdabe"

FOUND = [
    ("", LATEST),
    ("status = 'OK'", "dae"),
    ("attributes.status != 'OK'", "cb"),
    ("attribute.status IN ('ERROR', 'IN_PROGRESS')", "cb"),
    ("trace.status NOT IN ('ERROR')", "dabe"),
    ("status = 'ok'", ""),
    ("status ILIKE 'ok'", "dae"),
    ("status RLIKE '^E'", "c"),
    ("timestamp > 1000 AND timestamp_ms <= 2000", "cd"),
    ("timestamp_ms = '1000'", "ab"),
    ("execution_time = 100 and execution_time_ms >= 1.5", "ce"),
    ("execution_time_ms IS NULL", "b"),
    ("end_time > 1004 AND attributes.end_time_ms < 1501", "da"),
    ("end_time_ms = 1000", "be"),
    ("name = 'agent'", "a"),
    ("trace.name != 'agent'", "cbe"),
    ("name ILIKE 'AGENT'", "ab"),
    ("name ILIKE 'äPFEL%'", "ce"),
    ("name LIKE 'äpfel%'", "e"),
    ("name LIKE '%\\%%'", ""),
    ("name RLIKE '[aA]g.nt$'", "ab"),
    ("name RLIKE '(?i)^ä'", "ce"),
    ("name IS NULL", "d"),
    ("tags.`mlflow.traceName` = 'agent'", "a"),
    ("request_id = 'tr-c'", "c"),
    ("request_id IN ('tr-c', 'tr-a', 'x')", "ca"),
    ("client_request_id LIKE 'creq%'", "a"),
    ("client_request_id IS NULL", "cdbe"),
    ("run_id = 'r1'", "ca"),
    ("metadata.`mlflow.sourceRun` = 'r1'", "ca"),
    ("run_id IN ('r1', 'R1')", "cae"),
    ("run_id != 'r1'", "ce"),
    ("run_id ILIKE 'R1'", "ae"),
    ("run_id IS NULL", "db"),
    ("tags.env = 'prod'", "a"),
    ("tag.env != 'prod'", "cbe"),
    ("tags.env ILIKE 'PROD'", "ab"),
    ("tags.`my key` = 'v'", "a"),
    ('tags."my key" = "v"', "a"),
    ('tags.env = "it\'s"', "e"),
    ("tags.none IS NULL", LATEST),
    ("request_metadata.mlflow.trace.session = 's1'", "ab"),
    ("metadata.`mlflow.trace.session` LIKE 's%'", "dabe"),
    ("request_metadata.\"mlflow.trace.user\" = 'alice'", "a"),
    ("metadata.mlflow.trace.session IS NULL", "c"),
    ("metadata.mlflow.trace.tokenUsage IS NOT NULL", "c"),
    ("""metadata.mlflow.trace.tokenUsage = '{"input_tokens": 10, "total_tokens": 15}'""", "c"),
    ("metadata.mlflow.trace.tokenUsage = 'x'", ""),
    ("metadata.mlflow.trace.tokenUsage != 'x'", "c"),
    ("""metadata.mlflow.trace.cost = '{"input_cost": 0.5, "total_cost": 1.5}'""", "d"),
    ("span.name = 'root'", "cab"),
    ("span.type = 'LLM' AND span.name = 'root'", "c"),
    ("span.type = 'TOOL' AND span.name = 'root'", ""),
    ("span.status = 'ERROR' AND span.type IN ('TOOL')", "a"),
    ("span.status NOT IN ('OK')", "ae"),
    ("span.name ILIKE 'ROOT'", "cabe"),
    ("span.type RLIKE '^(LLM|CHAIN)$'", "cb"),
    ("span.attributes.model LIKE 'gpt%'", "ca"),
    ("span.attributes.model = 'gpt-4o' AND span.name = 'root'", "a"),
    ("span.attributes.model = 'gpt-4o' AND span.name = 'tool'", ""),
    ("span.attributes.`q` ILIKE 'how'", "ae"),
    ("span.attributes.q = 'in an event'", ""),
    ("span.attributes.n = '5'", "a"),
    ("span.attributes.flag = 'true'", "a"),
    ("""span.attributes.more = '{"k": [1, "x"]}'""", "b"),
    ("span.attributes.more IS NOT NULL", "b"),
    ("span.attributes.text LIKE 'a \"b\" \\%'", "a"),
    ("span.attributes.text RLIKE '\\nd$'", "a"),
    ("span.attributes.text ILIKE '%KÖLN'", "b"),
    ("span.content LIKE '%Köln%'", "b"),
    ("trace.text ILIKE '%GPT-%'", "ca"),
    ("trace.text ILIKE '%grüsse%'", ""),
    ("trace.text ILIKE '%GRÜßE%'", "b"),
    ("trace.text ILIKE '%gpt%' AND attributes.timestamp_ms > 900 AND timestamp_ms < 2000", "a"),
    ("feedback.correct = 'true'", "a"),
    ("feedback.correct = 'yes'", "c"),
    ("feedback.correct != 'yes'", "ca"),
    ("feedback.correct IS NULL", "dbe"),
    ("feedback.score > 0.5", "c"),
    ("feedback.score <= 0.5", "a"),
    ("feedback.score = '0.7'", "d"),
    ("feedback.score IS NOT NULL", "cda"),
    ("feedback.`polite` = 'yes'", "ab"),
    ("feedback.polite IS NOT NULL", "ab"),
    ("feedback.polite IS NULL", "cde"),
    ("feedback.polite LIKE 'n%'", ""),
    ("expectation.expected = 'Paris'", "b"),
    ("expectation.expected ILIKE 'PARIS'", "dbe"),
    ("""expectation.expected = '{"a": [1]}'""", "c"),
    ("issue.id = 'i-1'", "d"),
    ("issue.name = 'a name'", "d"),
    ("prompt = 'greet/2'", "d"),
    ("status = 'OK' AND ", "dae"),
    ("status = 'ERROR' OR name = 'agent' AND tags.env = 'prod'", "ca"),
    ("NOT status = 'OK'", "cb"),
    ("NOT feedback.correct = 'yes'", "a"),
    ("NOT prompt = 'greet/3'", "d"),
    ("NOT (span.name = 'Root' OR span.status = 'OK')", "a"),
    ("span.name = 'tool' AND (span.type = 'TOOL' OR span.attributes.q = 'why')", "ca"),
    ("(name = 'äpfel' OR span.type = 'LLM') AND span.status != 'ERROR'", "ce"),
]


@pytest.mark.parametrize(("filter", "expected"), FOUND)
def test_filter_finds(traced: Database, filter: str, expected: str) -> None:
    assert find(traced, filter) == expected


@pytest.mark.parametrize(
    ("filter", "reason"),
    [
        ("STATUS = 'OK'", "there is no attribute `STATUS`"),
        ("trace_id = 'x'", "there is no attribute `trace_id`"),
        ("trace.id = 'x'", "there is no attribute `id`"),
        ("span.duration > 5", "there is no span `duration`"),
        ("span.name IS NULL", "does not support IS NULL"),
        ("span.content = 'x'", "does not support ="),
        ("span.attributes.`` = 'x'", "it has no name"),
        ("span.attributes.`a\"b` = 'x'", "a double quote or a backslash"),
        ("tags.env < 'x'", "does not support <"),
        ("tags.env = 5", "is compared with a quoted string"),
        ("name RLIKE '(a'", "as a regular expression, a parenthesis is not closed"),
        ("timestamp = 'yesterday'", "is compared with a number"),
        ("feedback.score = 0.5", "is compared with a quoted string"),
        ("feedback.score > '0.5'", "is compared with a number"),
        ("prompt LIKE 'greet%'", "does not support LIKE"),
        ("prompt = 'greet'", "prompt = 'name/version'"),
        ("metadata.mlflow.trace.tokenUsage LIKE '%1%'", "supports !=, =, IS NOT NULL, IS NULL"),
        ("status = 'OK' tags.env = 'x'", "expected AND, OR"),
        ("params.x = 'y'", "there is no entity `params`"),
        ("status BETWEEN 'a' AND 'b'", "expected a comparison operator"),
        ("status = 'OK'; DROP TABLE spans", "';' is not understood"),
        ("status = 'OK' -- no", "is not understood"),
    ],
)
def test_filter_is_refused(traced: Database, filter: str, reason: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        find(traced, filter)
    assert reason in refused.value.message


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        (["timestamp"], "eabdc"),
        (["timestamp_ms DESC"], LATEST),
        (["attributes.timestamp ASC", "request_id DESC"], "ebadc"),
        (["execution_time"], "daceb"),
        (["trace.execution_time_ms DESC"], "ceadb"),
        (["end_time"], "beadc"),
        (["status"], "cbdae"),
        (["status DESC", "request_id"], "adebc"),
        (["request_id DESC"], "edcba"),
        (["experiment_id DESC", "timestamp"], "eabdc"),
        (["tags.x", "request_id"], "cabde"),
        (["tags.env DESC", "request_id"], "caebd"),
        (["metadata.`mlflow.trace.session` DESC"], "deabc"),
        (["run_id"], "eacdb"),
        (["request_metadata.mlflow.trace.user"], "acdbe"),
    ],
)
def test_order(traced: Database, order_by: list[str], expected: str) -> None:
    assert find(traced, order_by=order_by) == expected
    for size in (1, 2, 3):
        assert pages(traced, size, order_by=order_by) == expected


def test_order_by_name_puts_traces_without_one_last(traced: Database) -> None:
    assert find(traced, order_by=["name"])[-1] == "d"
    assert find(traced, order_by=["name DESC"])[-1] == "d"


@pytest.mark.parametrize(
    "clause",
    [
        "request_time",
        "client_request_id",
        "prompt",
        "span.name",
        "trace.text",
        "feedback.score",
        "metadata.mlflow.trace.tokenUsage",
        "metadata.mlflow.trace.cost DESC",
        "timestamp DOWN",
    ],
)
def test_order_is_refused(traced: Database, clause: str) -> None:
    with pytest.raises(InvalidParameter):
        find(traced, order_by=[clause])


def test_a_field_is_sorted_by_once(traced: Database) -> None:
    with pytest.raises(InvalidParameter, match="duplicate"):
        find(traced, order_by=["timestamp", "timestamp_ms DESC"])


def pages(database: Database, size: int, filter: str = "", **wanted: Any) -> str:
    """What all pages of this size have, each full but for the last."""
    found = ""
    token = None
    with database.read() as conn:
        while True:
            page = search.find(
                conn,
                experiment_ids=["1", "2"],
                filter=filter,
                max_results=size,
                page_token=token,
                **wanted,
            )
            found += "".join(each.removeprefix("tr-") for each in page.ids)
            assert (page.token is not None) == (len(page.ids) == size)
            token = page.token
            if token is None:
                return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 500])
def test_pages_have_each_trace_once(traced: Database, size: int) -> None:
    assert pages(traced, size) == LATEST
    assert pages(traced, size, "span.name ILIKE 'root'") == "cabe"


def test_tokens_of_mlflows_server_are_taken(traced: Database) -> None:
    token = base64.b64encode(json.dumps({"offset": 2}).encode()).decode()
    assert find(traced, page_token=token) == LATEST[2:]
    with traced.read() as conn:
        page = search.find(conn, experiment_ids=["1", "2"], page_token=token, max_results=2)
        rest = search.find(conn, experiment_ids=["1", "2"], page_token=page.token, max_results=2)
    assert rest.ids == ["tr-e"]


@pytest.mark.parametrize("token", ["x", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAwfQ==", "W10="])
def test_a_broken_token_is_refused(traced: Database, token: str) -> None:
    with pytest.raises(InvalidParameter, match="page token"):
        find(traced, page_token=token)


def test_a_token_of_another_search_is_refused(traced: Database) -> None:
    with traced.read() as conn:
        page = search.find(conn, experiment_ids=["1"], max_results=1)
        with pytest.raises(InvalidParameter, match="another search"):
            search.find(conn, experiment_ids=["2"], page_token=page.token)


@pytest.mark.parametrize("number", [0, -1, 501])
def test_page_size_is_1_to_500(traced: Database, number: int) -> None:
    with pytest.raises(InvalidParameter, match="max_results"):
        find(traced, max_results=number)


def test_only_named_experiments_are_searched(traced: Database) -> None:
    assert find(traced, experiment_ids=["3"]) == "f"
    assert find(traced, experiment_ids=["3"], filter="feedback.polite = 'no'") == "f"
    assert find(traced, experiment_ids=[]) == ""
    assert find(traced, experiment_ids=["99", str(10**12), str(10**30)]) == ""
    with pytest.raises(InvalidParameter):
        find(traced, experiment_ids=["x"])


def test_many_experiments_are_searched_at_once(traced: Database) -> None:
    assert find(traced, experiment_ids=[str(each) for each in range(100)]) == "f" + LATEST
    assert find(traced, experiment_ids=["1", "2", "3"], order_by=["timestamp"]) == "eabdcf"


PAGE = Path(__file__).resolve().parents[3] / "docs" / "traces.md"
DOCUMENTED = [
    tuple(map(str.strip, line.rsplit("--", 1)))
    for block in re.findall(r"```sql traces\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize(("filter", "expected"), DOCUMENTED)
def test_documented_filter_finds_what_the_page_says(
    traced: Database, filter: str, expected: str
) -> None:
    found = ", ".join(find(traced, filter, experiment_ids=["1"])) or "none"
    assert found == expected


def test_all_fields_are_documented() -> None:
    table = "".join(re.findall(r"^\| .* \|$", PAGE.read_text(), re.MULTILINE))
    for name in TRACES.entities:
        assert f"`{name}`" in table
    for entity, keys in TRACES.keys.items():
        for key in keys:
            assert f"`{key}`" in table, (entity, key)
