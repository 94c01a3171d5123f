"""Assessments over HTTP, and what they leave in databases of each generation of the schema."""

import json
import re
from typing import Any

import pytest

from tests.metadata.api import EXISTS, INVALID
from tests.metadata.traces.assessing import HUMAN, RUN, TIME_MS, Assessing


def _since(made: Any) -> dict[str, Any]:
    """The assessment without its id and times, which are checked."""
    shown = dict(made)
    assert re.fullmatch(r"a-[0-9a-f]{32}", shown.pop("assessment_id"))
    assert shown.pop("create_time") == shown.pop("last_update_time")
    return shown


def test_feedback_is_answered_and_stored_in_every_generation(assessing: Assessing) -> None:
    made = assessing.assess(
        feedback={"value": True},
        rationale="ok",
        span_id="23a2227a9de9e160",
        metadata={"a": "é", RUN: "r" * 32},
    )
    assert _since(made) == {
        "assessment_name": "a",
        "trace_id": assessing.trace_id,
        "source": HUMAN,
        "feedback": {"value": True},
        "rationale": "ok",
        "span_id": "23a2227a9de9e160",
        "metadata": {"a": "é", RUN: "r" * 32},
        "valid": True,
    }
    assert assessing.get(made["assessment_id"]) == made
    assert assessing.of_info() == [made]
    row = assessing.row(made["assessment_id"])
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
    assessing: Assessing, value: Any, text: str, number: float | None, numeric: bool | None
) -> None:
    made = assessing.assess(feedback={"value": value})
    assert made["feedback"] == {"value": value}
    row = assessing.row(made["assessment_id"])
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
    assessing: Assessing, given: Any, shown: Any, text: str
) -> None:
    made = assessing.assess(expectation=given)
    assert made["expectation"] == shown
    assert assessing.row(made["assessment_id"])["value"] == text
    assert assessing.of_info() == [made]


def test_an_issue_names_itself(assessing: Assessing) -> None:
    made = assessing.assess(assessment_name="iss-1", issue={"issue_name": "slow"})
    assert made["issue"] == {"issue_name": "slow"}
    assert assessing.row(made["assessment_id"])["value"] == '{"issue_name": "slow"}'
    changed = assessing.change(made, "assessmentName,rationale", assessment_name="i", rationale="r")
    assert (changed["assessment_name"], changed["rationale"]) == ("i", "r")
    assert changed["issue"] == made["issue"]


def test_feedback_may_be_an_error_whose_long_stack_is_cut_in_answers(assessing: Assessing) -> None:
    error = {"error_code": "E", "error_message": "m", "stack_trace": "<" + "s" * 10_000 + ">"}
    made = assessing.assess(feedback={"error": error})
    assert made["feedback"]["value"] is None
    shown = made["feedback"]["error"]
    assert (shown["error_code"], shown["error_message"]) == ("E", "m")
    assert len(shown["stack_trace"]) == 10_000
    assert shown["stack_trace"].endswith("ss>")
    assert json.loads(assessing.row(made["assessment_id"])["error"]) == error
    short = assessing.assess(feedback={"value": 1, "error": {}})
    assert short["feedback"] == {"value": 1.0, "error": {"error_code": ""}}


def test_an_id_and_times_that_are_given_are_kept(assessing: Assessing) -> None:
    given = {
        "assessment_id": f"a-{assessing.trace_id[3:20]}",
        "create_time": "2026-11-28T16:57:43.6975Z",
        "last_update_time": "2020-01-01T00:00:00+01:00",
    }
    made = assessing.assess(feedback={"value": 1}, trace_id="another", **given)
    assert made["create_time"] == "2026-11-28T16:57:43.697Z"
    assert made["last_update_time"] == "2019-12-31T23:00:00Z"
    assert made["assessment_id"] == given["assessment_id"]
    assert made["trace_id"] == assessing.trace_id
    again = {"assessment": {"feedback": {"value": 2}, **given}}
    status, answer = assessing.request("POST", **again)
    assert (status, answer["error_code"]) == EXISTS
    assert assessing.get(made["assessment_id"]) == made


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
def test_who_assessed_may_be_unknown(assessing: Assessing, source: Any, shown: Any) -> None:
    made = assessing.sent("POST", assessment={"source": source, "feedback": {"value": 1}})
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
    assessing: Assessing, assessment: Any
) -> None:
    status, answer = assessing.request("POST", assessment=assessment)
    assert (status, answer["error_code"]) == INVALID, answer
    assert assessing.of_info() == []


def test_characters_that_no_database_stores_are_replaced(assessing: Assessing) -> None:
    made = assessing.assess(feedback={"value": "x\0y"}, rationale="\0")
    assert (made["feedback"], made["rationale"]) == ({"value": "x\ufffdy"}, "\ufffd")
