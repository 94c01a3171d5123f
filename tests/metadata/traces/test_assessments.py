"""Assessments over HTTP, and what they leave in databases of each generation of the schema."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import select, update

from tandem_metadata.database import trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.messages.assessments import GivenAssessment, GivenFeedback
from tandem_metadata.routes import trace_writes
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load
from tandem_metadata.store.traces.assessments import create
from tandem_shared.wire import codec
from tests.metadata.api import EXISTS, INVALID, MISSING, Api
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import generations, rows
from tests.metadata.traces.writes_api import info
from tests.metadata.traces.writing import make, name_of, new_id, started

HUMAN = {"source_type": "HUMAN", "source_id": "bob"}
TIME_MS = 1_795_885_063_697
RUN = "mlflow.assessment.sourceRunId"


class Assessing(Api):
    """Requests about assessments of one new trace."""

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(settings, database, trace_writes.routes)
        self.trace_id = name_of(new_id())
        with database.write() as conn:
            rows.trace(conn, self.trace_id, experiment_id=0)

    def request(
        self, method: str, path: str = "", trace_id: str | None = None, **body: Any
    ) -> tuple[int, Any]:
        url = f"/api/3.0/mlflow/traces/{trace_id or self.trace_id}/assessments{path}"
        headers = {"content-type": "application/json"} if body else {}
        content = json.dumps(body) if body else None
        answer = self.http.request(method, url, content=content, headers=headers)
        return answer.status_code, answer.json()

    def sent(self, method: str, path: str = "", **body: Any) -> Any:
        status, answer = self.request(method, path, **body)
        assert status == 200, answer
        return answer.get("assessment", answer)

    def assess(self, **fields: Any) -> Any:
        """An assessment as the answer has it; the name is `a` and the source is HUMAN."""
        return self.sent("POST", assessment={"assessment_name": "a", "source": HUMAN, **fields})

    def change(self, made: Any, mask: Any, **fields: Any) -> Any:
        path = f"/{made['assessment_id']}"
        return self.sent("PATCH", path, assessment=fields, update_mask=mask)

    def get(self, assessment_id: str) -> Any:
        return self.sent("GET", f"/{assessment_id}")

    def start(self, *assessments: Any, **fields: Any) -> tuple[int, Any]:
        """The answer to the trace that starts with assessments."""
        given = info(self.trace_id, assessments=assessments, **fields)
        answer = self.http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": given}})
        return answer.status_code, answer.json()

    def of_info(self) -> list[Any]:
        """What the trace says of its assessments."""
        with self.database.read() as conn:
            info = json.loads(codec.encode_json(load.info(conn, self.trace_id)))
        found: list[Any] = info.get("assessments", [])
        return found

    def row(self, assessment_id: str) -> dict[str, Any]:
        with self.database.read() as conn:
            table = trace_schema.of(conn).assessments
            chosen = select(table).where(table.c.assessment_id == assessment_id)
            return dict(conn.execute(chosen).mappings().one())


@pytest.fixture(scope="module", params=generations.NAMES)
def generation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        settings = Settings(
            backend_store_uri=uri, default_artifact_root=ARTIFACT_ROOT, pool_timeout=10.0
        )
        database = Database(settings)
        database.prepare(ARTIFACT_ROOT)
        database.close()
        yield settings


@pytest.fixture
def api(generation: Settings) -> Iterator[Assessing]:
    """A trace in a database of each generation."""
    database = Database(generation, point_lookups=1)
    yield Assessing(generation, database)
    database.close()


def _since(made: Any) -> dict[str, Any]:
    """The assessment without its id and times, which are checked."""
    shown = dict(made)
    assert re.fullmatch(r"a-[0-9a-f]{32}", shown.pop("assessment_id"))
    assert shown.pop("create_time") == shown.pop("last_update_time")
    return shown


def test_feedback_is_answered_and_stored_in_every_generation(api: Assessing) -> None:
    made = api.assess(
        feedback={"value": True},
        rationale="ok",
        span_id="23a2227a9de9e160",
        metadata={"a": "é", RUN: "r" * 32},
    )
    assert _since(made) == {
        "assessment_name": "a",
        "trace_id": api.trace_id,
        "source": HUMAN,
        "feedback": {"value": True},
        "rationale": "ok",
        "span_id": "23a2227a9de9e160",
        "metadata": {"a": "é", RUN: "r" * 32},
        "valid": True,
    }
    assert api.get(made["assessment_id"]) == made
    assert api.of_info() == [made]
    row = api.row(made["assessment_id"])
    assert row["run_id"] == "r" * 32
    # MLflow's server deletes the assessments of a run by this text.
    assert f'"{RUN}": "{"r" * 32}"' in row["assessment_metadata"]
    assert "\\u00e9" in row["assessment_metadata"]


@pytest.mark.parametrize(
    ("value", "text", "number", "numeric"),
    [
        (5, "5.0", 5.0, True),
        (-0.25, "-0.25", -0.25, True),
        (2**63, "9.223372036854775807e18", None, None),
        (True, "true", 1.0, False),
        (False, "false", 0.0, False),
        (" Yes\n", '" Yes\\n"', 1.0, False),
        ("NO", '"NO"', 0.0, False),
        ("maybe é", '"maybe \\u00e9"', None, False),
        ("5", '"5"', None, False),
        (None, "null", None, False),
        ([1, {"x": 2}], '[1.0, {"x": 2.0}]', None, False),
    ],
)
def test_a_value_is_stored_as_mlflow_has_it_with_its_number(
    api: Assessing, value: Any, text: str, number: float | None, numeric: bool | None
) -> None:
    made = api.assess(feedback={"value": value})
    assert made["feedback"] == {"value": value}
    row = api.row(made["assessment_id"])
    if numeric is None:  # a number of more digits than a double has
        text, number, numeric = json.dumps(float(value)), float(value), True
    assert row["value"] == text
    if "aggregate_value" in row:
        assert (row["aggregate_value"], row["is_numeric_value"]) == (number, numeric)
        assert (row["experiment_id"], row["trace_timestamp_ms"]) == (0, TIME_MS)


@pytest.mark.parametrize(
    ("given", "shown", "text"),
    [
        ({"value": "x"}, {"value": "x"}, '"x"'),
        ({"value": 5}, {"value": 5.0}, "5.0"),
        (
            {"value": [1]},
            {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1.0]"}},
            "[1.0]",
        ),
        (
            {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"a":["é",1]}'}},
            {
                "serialized_value": {
                    "serialization_format": "JSON_FORMAT",
                    "value": '{"a": ["\\u00e9", 1]}',
                }
            },
            '{"a": ["\\u00e9", 1]}',
        ),
        (
            {"serializedValue": {"serializationFormat": "JSON_FORMAT", "value": "5"}},
            {"value": 5.0},
            "5",
        ),
        (
            {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[NaN]"}},
            {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[NaN]"}},
            "[NaN]",
        ),
    ],
)
def test_an_expectation_is_a_value_or_a_text(
    api: Assessing, given: Any, shown: Any, text: str
) -> None:
    made = api.assess(expectation=given)
    assert made["expectation"] == shown
    assert api.row(made["assessment_id"])["value"] == text
    assert api.of_info() == [made]


def test_an_issue_names_itself(api: Assessing) -> None:
    made = api.assess(assessment_name="iss-1", issue={"issue_name": "slow"})
    assert made["issue"] == {"issue_name": "slow"}
    assert api.row(made["assessment_id"])["value"] == '{"issue_name": "slow"}'
    changed = api.change(made, "assessmentName,rationale", assessment_name="i", rationale="r")
    assert (changed["assessment_name"], changed["rationale"]) == ("i", "r")
    assert changed["issue"] == made["issue"]


def test_feedback_may_be_an_error_whose_long_stack_is_cut_in_answers(api: Assessing) -> None:
    error = {"error_code": "E", "error_message": "m", "stack_trace": "<" + "s" * 10_000 + ">"}
    made = api.assess(feedback={"error": error})
    assert made["feedback"]["value"] is None
    shown = made["feedback"]["error"]
    assert (shown["error_code"], shown["error_message"]) == ("E", "m")
    assert len(shown["stack_trace"]) == 10_000
    assert shown["stack_trace"].endswith("ss>")
    assert json.loads(api.row(made["assessment_id"])["error"]) == error
    short = api.assess(feedback={"value": 1, "error": {}})
    assert short["feedback"] == {"value": 1.0, "error": {"error_code": ""}}


def test_an_id_and_times_that_are_given_are_kept(api: Assessing) -> None:
    given = {
        "assessment_id": f"a-{api.trace_id[3:20]}",
        "create_time": "2026-11-28T16:57:43.6975Z",
        "last_update_time": "2020-01-01T00:00:00+01:00",
    }
    made = api.assess(feedback={"value": 1}, trace_id="another", **given)
    assert made["create_time"] == "2026-11-28T16:57:43.697Z"
    assert made["last_update_time"] == "2019-12-31T23:00:00Z"
    assert made["assessment_id"] == given["assessment_id"]
    assert made["trace_id"] == api.trace_id
    again = {"assessment": {"feedback": {"value": 2}, **given}}
    status, answer = api.request("POST", **again)
    assert (status, answer["error_code"]) == EXISTS
    assert api.get(made["assessment_id"]) == made


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ({"source_type": 2}, {"source_type": "LLM_JUDGE"}),
        ({"source_type": "CODE", "source_id": ""}, {"source_type": "CODE"}),
        ({"sourceType": "CODE", "sourceId": "s"}, {"source_type": "CODE", "source_id": "s"}),
        ({"source_type": "nobody"}, {"source_type": "SOURCE_TYPE_UNSPECIFIED"}),
        (None, {"source_type": "SOURCE_TYPE_UNSPECIFIED"}),
    ],
)
def test_who_assessed_may_be_unknown(api: Assessing, source: Any, shown: Any) -> None:
    made = api.sent("POST", assessment={"source": source, "feedback": {"value": 1}})
    assert made["source"] == shown
    assert made["assessment_name"] == ""


@pytest.mark.parametrize(
    "assessment",
    [
        None,
        5,
        {},
        {"assessment_name": "a"},
        {"feedback": {"value": 1}, "expectation": {"value": 1}},
        {"expectation": {}},
        {"expectation": {"value": None}},
        {"expectation": {"serialized_value": {"value": "1"}}},
        {"expectation": {"serialized_value": {"serialization_format": "X", "value": "1"}}},
        {"expectation": {"serialized_value": {"serialization_format": "JSON_FORMAT"}}},
        {
            "expectation": {
                "value": 1,
                "serialized_value": {"serialization_format": "JSON_FORMAT", "value": "1"},
            }
        },
        {"feedback": {"value": float("nan")}},
        {"feedback": {"value": [float("-inf")]}},
        {"feedback": {"value": 10**400}},
        {"feedback": {"value": 1}, "assessment_name": "n" * 251},
        {"feedback": {"value": 1}, "assessment_id": "a" * 51},
        {"feedback": {"value": 1}, "span_id": "a" * 51},
        {"feedback": {"value": 1}, "source": {"source_id": "a" * 251}},
        {"feedback": {"value": 1}, "metadata": {"n": 1}},
        {"feedback": {"value": 1}, "create_time": "yesterday"},
        {"feedback": 5},
    ],
)
def test_what_is_no_assessment_is_refused_alike_by_all_databases(
    api: Assessing, assessment: Any
) -> None:
    status, answer = api.request("POST", assessment=assessment)
    assert (status, answer["error_code"]) == INVALID, answer
    assert api.of_info() == []


def test_characters_that_no_database_stores_are_replaced(api: Assessing) -> None:
    made = api.assess(feedback={"value": "x\0y"}, rationale="\0")
    assert (made["feedback"], made["rationale"]) == ({"value": "x\ufffdy"}, "\ufffd")


def test_what_is_overridden_is_not_valid_until_the_other_is_deleted(api: Assessing) -> None:
    first = api.assess(feedback={"value": 1})
    second = api.assess(feedback={"value": 2}, overrides=first["assessment_id"])
    assert second["overrides"] == first["assessment_id"]
    assert api.get(first["assessment_id"]) == {**first, "valid": False}
    assert [each["valid"] for each in api.of_info()].count(True) == 1
    path = f"/{second['assessment_id']}"
    assert api.sent("DELETE", path) == {}
    assert api.of_info() == [first]
    assert api.sent("DELETE", path) == {}
    assert api.request("GET", path)[0] == 404


def test_expectations_have_reasons_and_override_too(api: Assessing) -> None:
    first = api.assess(expectation={"value": 1}, rationale="said so")
    assert first["rationale"] == "said so"
    api.assess(expectation={"value": 2}, overrides=first["assessment_id"])
    assert api.get(first["assessment_id"])["valid"] is False


def test_only_assessments_of_the_same_trace_are_overridden(api: Assessing) -> None:
    first = api.assess(feedback={"value": 1})
    mine, api.trace_id = api.trace_id, name_of(new_id())
    with api.database.write() as conn:
        rows.trace(conn, api.trace_id, experiment_id=0)
    given = {"feedback": {"value": 2}, "overrides": first["assessment_id"]}
    status, answer = api.request("POST", assessment=given)
    assert (status, answer["error_code"]) == MISSING
    assert api.of_info() == []
    assert api.request("GET", f"/{first['assessment_id']}")[0] == 404
    assert api.sent("DELETE", f"/{first['assessment_id']}") == {}
    api.trace_id = mine
    assert api.of_info() == [first]


def test_a_change_is_of_the_fields_in_the_mask(api: Assessing) -> None:
    made = api.assess(feedback={"value": 1, "error": {"error_code": "E"}}, metadata={"a": "1"})
    # MLflow's server moves the time on; so that this can be seen, it was another.
    with api.database.write() as conn:
        table = trace_schema.of(conn).assessments
        conn.execute(
            update(table)
            .where(table.c.assessment_id == made["assessment_id"])
            .values(created_timestamp=0, last_updated_timestamp=0)
        )
    changed = api.change(made, "feedback", feedback={"value": "yes"}, rationale="not in the mask")
    assert changed["create_time"] == "1970-01-01T00:00:00Z"
    assert changed["last_update_time"] >= made["last_update_time"]
    assert changed["feedback"] == {"value": "yes"}
    assert "rationale" not in changed
    row = api.row(made["assessment_id"])
    assert (row["value"], row["error"]) == ('"yes"', None)
    if "aggregate_value" in row:
        assert (row["aggregate_value"], row["is_numeric_value"]) == (1.0, False)
    changed = api.change(made, "assessmentName,rationale", assessment_name="new", rationale="why")
    assert (changed["assessment_name"], changed["rationale"]) == ("new", "why")
    changed = api.change(made, {"paths": ["assessment_name"]}, assessment_name="newer")
    assert changed["assessment_name"] == "newer"
    changed = api.change(made, "metadata", metadata={"b": "2", RUN: "s" * 32})
    assert changed["metadata"] == {"a": "1", "b": "2", RUN: "s" * 32}
    assert api.row(made["assessment_id"])["run_id"] == "s" * 32
    assert changed["feedback"] == {"value": "yes"}
    assert changed["source"] == HUMAN
    assert api.of_info() == [changed]


def test_an_expectation_changes_its_value(api: Assessing) -> None:
    made = api.assess(expectation={"value": 5})
    text = {"serialization_format": "JSON_FORMAT", "value": "[1]"}
    changed = api.change(made, "expectation", expectation={"serialized_value": text})
    assert changed["expectation"] == {"serialized_value": text}
    row = api.row(made["assessment_id"])
    if "aggregate_value" in row:
        assert (row["aggregate_value"], row["is_numeric_value"]) == (None, False)


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        (None, {"rationale": "x"}),
        ("", {"rationale": "x"}),
        (5, {"rationale": "x"}),
        ({"paths": []}, {"rationale": "x"}),
        ("assessment_name", {"assessment_name": "x"}),
        ("rationale,nope", {"rationale": "x"}),
        ("valid", {"valid": False}),
        ("source", {"source": {}}),
        ("feedback", {}),
        ("expectation", {"expectation": {"value": 1}}),
        ("feedback,expectation", {"feedback": {"value": 1}, "expectation": {"value": 1}}),
        ("assessmentName", {"assessment_name": "n" * 251}),
        ("feedback", None),
    ],
)
def test_changes_that_cannot_be_made_are_refused(api: Assessing, mask: Any, fields: Any) -> None:
    made = api.assess(feedback={"value": 1})
    body = {"assessment": fields, "update_mask": mask}
    status, answer = api.request("PATCH", f"/{made['assessment_id']}", **body)
    assert (status, answer["error_code"]) == INVALID, answer
    assert api.of_info() == [made]


def test_what_does_not_exist_is_named(api: Assessing) -> None:
    unknown = name_of(new_id())
    given = {"assessment": {"rationale": "x"}, "update_mask": "rationale"}
    new = {"assessment": {"feedback": {"value": 1}}}
    for method, path, trace_id, body, what in (
        ("POST", "", unknown, new, "Trace"),
        ("GET", "/a-1", unknown, {}, "Trace"),
        ("GET", "/a-1", api.trace_id, {}, "Assessment"),
        ("PATCH", "/a-1", unknown, given, "Trace"),
        ("PATCH", "/a-1", api.trace_id, given, "Assessment"),
    ):
        status, answer = api.request(method, path, trace_id, **body)
        assert (status, answer["error_code"]) == MISSING
        assert answer["message"].startswith(f"{what} with ID")
    assert api.request("DELETE", "/a-1", unknown) == (200, {})


def test_assessments_end_with_the_run_that_made_them(api: Assessing) -> None:
    run, other = (
        api.call("runs/create", experiment_id="0")["run"]["info"]["run_id"] for _ in range(2)
    )
    api.assess(feedback={"value": 1}, metadata={RUN: run})
    kept = [
        api.assess(feedback={"value": 2}, metadata={RUN: other}),
        api.assess(feedback={"value": 3}, metadata={"run": run}),
        api.assess(feedback={"value": 4}),
    ]
    api.call("runs/delete", run_id=run)
    assert sorted(api.of_info(), key=str) == sorted(kept, key=str)
    api.call("runs/restore", run_id=run)
    assert len(api.of_info()) == len(kept)


def test_assessments_end_with_the_experiment_of_their_run(api: Assessing) -> None:
    experiment = api.experiment(api.trace_id)
    run = api.call("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    api.assess(feedback={"value": 1}, metadata={RUN: run})
    kept = api.assess(feedback={"value": 2})
    api.call("experiments/delete", experiment_id=experiment)
    assert api.of_info() == [kept]


def test_assessments_end_with_their_trace(api: Assessing) -> None:
    api.assess(feedback={"value": 1})
    answer = api.call("traces/delete-traces", experiment_id="0", request_ids=[api.trace_id])
    assert answer == {"traces_deleted": 1}
    with api.database.read() as conn:
        table = trace_schema.of(conn).assessments
        chosen = select(table.c.assessment_id).where(table.c.trace_id == api.trace_id)
        assert conn.execute(chosen).all() == []


def test_a_trace_starts_with_assessments(api: Assessing) -> None:
    mine = f"a-{new_id().hex()}"
    first = {"assessment_name": "a", "source": HUMAN, "feedback": {"value": 1}}
    second = {"assessment_id": mine, "assessment_name": "b", "expectation": {"value": "x"}}
    status, answer = api.start(first, second)
    assert status == 200, answer
    made = answer["trace"]["trace_info"]["assessments"]
    assert made == api.of_info()
    found = {each["assessment_name"]: each for each in made}
    assert found.keys() == {"a", "b"}
    assert found["a"]["feedback"] == {"value": 1.0}
    assert (found["b"]["assessment_id"], found["b"]["valid"]) == (mine, True)
    row = api.row(mine)
    if "aggregate_value" in row:
        assert (row["experiment_id"], row["trace_timestamp_ms"]) == (0, 1_795_885_063_779)
    # The same id again replaces it, and other assessments stay.
    status, answer = api.start({**second, "expectation": {"value": "y"}})
    assert status == 200, answer
    found = {each["assessment_name"]: each for each in api.of_info()}
    assert found["b"]["expectation"] == {"value": "y"}
    assert found["a"] in made


def test_assessments_follow_their_trace_to_another_experiment_and_time(api: Assessing) -> None:
    made = api.assess(feedback={"value": 1})
    experiment = api.experiment(api.trace_id)
    location = {"mlflow_experiment": {"experiment_id": experiment}}
    moved = {"trace_location": location, "request_time": "2026-01-01T00:00:00Z"}
    new = {"assessment_id": f"a-{new_id().hex()}", "feedback": {"value": 2}}
    assert api.start(new, **moved)[0] == 200
    for each in (made, new):
        row = api.row(each["assessment_id"])
        if "aggregate_value" in row:
            at = (row["experiment_id"], row["trace_timestamp_ms"])
            assert at == (int(experiment), 1_767_225_600_000)


def test_an_assessment_with_an_id_of_another_trace_gets_one_of_its_own(api: Assessing) -> None:
    theirs = api.assess(feedback={"value": 1})
    other, api.trace_id = api.trace_id, name_of(new_id())
    given = {"assessment_id": theirs["assessment_id"], "feedback": {"value": 2}}
    for _ in range(2):
        assert api.start(given, given)[0] == 200
        [mine] = api.of_info()
        assert mine["feedback"] == {"value": 2.0}
        assert mine["assessment_id"] != theirs["assessment_id"]
    api.trace_id = other
    assert api.of_info() == [theirs]


def test_a_trace_with_what_is_no_assessment_is_refused(api: Assessing) -> None:
    api.trace_id = name_of(new_id())
    for wrong in ({}, {"feedback": {"value": 1}, "assessment_name": "n" * 251}):
        status, answer = api.start({"feedback": {"value": 1}}, wrong)
        assert (status, answer["error_code"]) == INVALID
        assert "assessments[1]" in answer["message"]
    assert api.request("GET", "/a-1")[1]["message"].startswith("Trace")


def test_those_that_assess_at_once_while_the_trace_moves_lose_nothing(api: Assessing) -> None:
    trace = bytes.fromhex(api.trace_id.removeprefix("tr-"))
    elsewhere = api.experiment(api.trace_id)
    given = GivenAssessment(feedback=GivenFeedback(1))

    def assess(_: int) -> str:
        made = api.database.run_in_transaction(lambda conn: create(conn, api.trace_id, given))
        other = api.database.run_in_transaction(
            lambda conn: create(
                conn, api.trace_id, structs.replace(given, overrides=made.assessment_id)
            )
        )
        return other.assessment_id

    def move(number: int) -> None:
        experiment = elsewhere if number % 2 else "0"
        make(api.database, started(trace, experiment_id=experiment, timestamp_ms=number))

    with ThreadPoolExecutor(4) as threads:
        moved = threads.map(move, range(20))
        made = {*threads.map(assess, range(20))}
        assert [*moved] == [None] * 20
    move(21)
    found = api.of_info()
    assert {each["assessment_id"] for each in found if each["valid"]} == made
    assert len(found) == 2 * len(made) == 40
    for each in found:
        row = api.row(each["assessment_id"])
        if "aggregate_value" in row:
            assert (row["experiment_id"], row["trace_timestamp_ms"]) == (int(elsewhere), 21)
