"""Plans of searches of traces: none reads for each trace what belongs to others."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, text

from tandem_metadata.database import trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import search
from tests.metadata.traces import generations

_TRACES, _SPANS = 2_000, 3
_LATEST = 1_000_000 + _TRACES

FILTERS = [
    "",
    f"attributes.timestamp_ms > 1000 AND attributes.timestamp_ms < {_LATEST}",
    "span.name = 'none'",
    "span.type = 'LLM' AND span.status = 'ERROR'",
    "trace.text ILIKE '%none%'",
    f"trace.text ILIKE '%none%' AND timestamp > {_LATEST - 500}",
    "span.attributes.model = 'none'",
    "span.attributes.model RLIKE 'none'",
    "tags.env = 'none'",
    "tags.env IS NULL",
    "name = 'none'",
    "metadata.mlflow.trace.user LIKE 'none%'",
    "metadata.mlflow.trace.session IS NULL",
    "run_id = 'none'",
    "run_id IN ('none', 'nobody')",
    "prompt = 'none/1'",
    "NOT prompt = 'none/1'",
    "feedback.score > 8",
    "feedback.score IS NULL",
    "NOT expectation.answer = 'none'",
    "issue.id = 'none'",
    "tags.env = 'none' OR span.name = 'none' OR NOT feedback.score > 8",
]


@pytest.fixture(
    scope="module",
    params=[
        (name, analyzed)
        for name in ("A-sqlite", "C-sqlite", "A-postgresql", "C-postgresql")
        for analyzed in (False, True)
    ],
    ids=lambda param: f"{param[0]}{'-analyzed' if param[1] else ''}",
)
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Some thousand traces in one experiment, with spans, tags, assessments and links each."""
    name, analyzed = request.param
    with generations.uri(name, request, tmp_path_factory) as uri:
        database = Database(Settings(backend_store_uri=uri, pool_size=2))
        with database.write() as conn:
            _fill(conn)
            if analyzed:
                conn.execute(text("ANALYZE"))
        yield database
        database.close()


def _fill(conn: Connection) -> None:
    schema = trace_schema.of(conn, fresh=True)
    for number in (1, 2):
        row = {"experiment_id": number, "name": f"e{number}", "lifecycle_stage": "active"}
        conn.execute(insert(experiments).values(row))
    ids = [(f"tr-{number:032x}", number) for number in range(_TRACES)]

    def of_each(table: Any, **same: Any) -> None:
        conn.execute(insert(table), [{**same, "request_id": trace_id} for trace_id, _ in ids])

    conn.execute(
        insert(schema.trace_info),
        [
            {
                "request_id": trace_id,
                "experiment_id": 1,
                "timestamp_ms": 1_000_000 + number,
                "execution_time_ms": 1,
                "status": "OK",
            }
            for trace_id, number in ids
        ],
    )
    of_each(schema.trace_tags, key="env", value="prod")
    of_each(schema.trace_tags, key="mlflow.artifactLocation", value="a")
    of_each(schema.trace_request_metadata, key="mlflow.trace.user", value="alice")
    of_each(schema.trace_request_metadata, key="mlflow.sourceRun", value="r1")
    conn.execute(
        insert(schema.spans),
        [
            {
                "trace_id": trace_id,
                "experiment_id": 1,
                "span_id": f"{span:016x}",
                "name": f"step {span}",
                "type": "LLM",
                "status": "OK",
                "start_time_unix_nano": number,
                "content": '{"attributes": {"model": "\\"gpt\\""}}' + " " * 500,
            }
            for trace_id, number in ids
            for span in range(_SPANS)
        ],
    )
    conn.execute(
        insert(schema.assessments),
        [
            {
                "assessment_id": f"a-{number}-{kind}",
                "trace_id": trace_id,
                "name": name,
                "assessment_type": kind,
                "value": "0.5",
                "created_timestamp": 1,
                "last_updated_timestamp": 1,
                "source_type": "CODE",
                "valid": True,
            }
            for trace_id, number in ids
            for name, kind in (("score", "feedback"), ("answer", "expectation"), ("i", "issue"))
        ],
    )


def _plans(database: Database, **wanted: Any) -> list[str]:
    """The plans of all statements of a search, as texts; JSON on PostgreSQL."""
    sqlite = database.dialect == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN (ANALYZE, FORMAT JSON)"
    plans = []

    def note(conn: Any, cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if not statement.startswith("SELECT trace_info.") and "UNION ALL" not in statement:
            return  # what tells the sessions is read once
        other = conn.connection.driver_connection.cursor()
        other.execute(f"{explain} {statement}", given)
        rows = other.fetchall()
        plans.append("\n".join(row[3] for row in rows) if sqlite else json.dumps(rows[0][0]))
        other.close()

    with database.read() as conn:
        trace_schema.of(conn)
        event.listen(conn, "before_cursor_execute", note)
        search.find(conn, **{"experiment_ids": ["1"], **wanted})
    return plans


_OF_TRACE = {
    "spans": ("trace_id",),
    "trace_tags": ("request_id",),
    "trace_tags_1": ("request_id",),
    "trace_request_metadata": ("request_id",),
    "trace_request_metadata_1": ("request_id",),
    "assessments": ("trace_id",),
    "entity_associations": ("source_id",),
}
"""The column by which each table's rows are found for a trace."""


def _check_sqlite(plan: str) -> None:
    for line in plan.splitlines():
        if found := re.match(r"(SCAN|SEARCH) (\w+)(.*)", line):
            how, table, rest = found.groups()
            if table in _OF_TRACE:
                assert how == "SEARCH", plan
                assert f"{_OF_TRACE[table][0]}=?" in rest, plan
            elif table == "trace_info" and "FOR ORDER BY" not in plan:
                assert re.search(r"\((experiment_id|request_id|timestamp_ms)=\?", rest), plan


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for each in plan.get("Plans", []):
        yield from _nodes(each)


def _check_postgresql(plan: str) -> None:
    (root,) = json.loads(plan)
    for node in _nodes(root["Plan"]):
        table = node.get("Relation Name")
        if table is None or node["Actual Loops"] <= 1:
            continue
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        assert read <= 10 * _SPANS, f"{read} rows of {table} are read for each trace: {plan}"


@pytest.mark.parametrize("filter", FILTERS)
def test_a_search_reads_for_each_trace_what_is_its_own(many: Database, filter: str) -> None:
    plans = _plans(many, filter=filter)
    assert plans
    for plan in plans:
        (_check_sqlite if many.dialect == "sqlite" else _check_postgresql)(plan)


@pytest.mark.parametrize("order_by", [["tags.env"], ["name DESC"], ["run_id", "metadata.x"]])
def test_an_order_reads_for_each_trace_what_is_its_own(many: Database, order_by: list[str]) -> None:
    for plan in _plans(many, order_by=order_by):
        (_check_sqlite if many.dialect == "sqlite" else _check_postgresql)(plan)


@pytest.mark.parametrize("ids", [["1"], ["1", "2"]])
@pytest.mark.parametrize("order_by", [[], ["timestamp DESC"], ["timestamp ASC"]])
@pytest.mark.parametrize(
    ("filter", "looked_at"),
    [
        # The next trace is looked at, to see whether its time is another.
        ("", 26),
        (FILTERS[1], 26),
        ("timestamp_ms > 5 AND status = 'OK' AND span.status = 'OK'", 25),
        ("NOT timestamp_ms > 9999999999999", 25),
        ("(timestamp_ms > 5 OR timestamp_ms < 3)", 25),
    ],
)
def test_a_page_by_time_reads_no_more_than_the_page(
    many: Database, ids: list[str], order_by: list[str], filter: str, looked_at: int
) -> None:
    plans = _plans(many, experiment_ids=ids, order_by=order_by, filter=filter, max_results=25)
    for plan in plans[:1]:
        if many.dialect == "sqlite":
            by_time = "index_trace_info_experiment_id_timestamp_ms (experiment_id=?"
            assert by_time in plan, plan
            if len(ids) == 1:
                assert "TEMP B-TREE" not in plan, plan
        else:
            _check_page(json.loads(plan)[0]["Plan"], looked_at)


def _check_page(root: Any, most: int) -> None:
    for node in _nodes(root):
        # Without statistics an experiment that has no traces is looked for among all of them.
        if node.get("Relation Name") == "trace_info" and node["Actual Rows"]:
            assert node["Actual Rows"] <= most, root
            assert node.get("Rows Removed by Filter", 0) <= most, root
