"""Assessments that are changed, overridden and deleted, in every generation of the schema."""

from typing import Any

import pytest
from sqlalchemy import update

from tandem_metadata.database import trace_schema
from tests.metadata.api import INVALID, MISSING
from tests.metadata.traces import rows
from tests.metadata.traces.assessing import HUMAN, RUN, Assessing
from tests.metadata.traces.writing import name_of, new_id


def test_what_is_overridden_is_not_valid_until_the_other_is_deleted(assessing: Assessing) -> None:
    first = assessing.assess(feedback={"value": 1})
    second = assessing.assess(feedback={"value": 2}, overrides=first["assessment_id"])
    assert second["overrides"] == first["assessment_id"]
    assert assessing.get(first["assessment_id"]) == {**first, "valid": False}
    assert [each["valid"] for each in assessing.of_info()].count(True) == 1
    path = f"/{second['assessment_id']}"
    assert assessing.sent("DELETE", path) == {}
    assert assessing.of_info() == [first]
    assert assessing.sent("DELETE", path) == {}
    assert assessing.request("GET", path)[0] == 404


def test_expectations_have_reasons_and_override_too(assessing: Assessing) -> None:
    first = assessing.assess(expectation={"value": 1}, rationale="said so")
    assert first["rationale"] == "said so"
    assessing.assess(expectation={"value": 2}, overrides=first["assessment_id"])
    assert assessing.get(first["assessment_id"])["valid"] is False


def test_only_assessments_of_the_same_trace_are_overridden(assessing: Assessing) -> None:
    first = assessing.assess(feedback={"value": 1})
    mine, assessing.trace_id = assessing.trace_id, name_of(new_id())
    with assessing.database.write() as conn:
        rows.trace(conn, assessing.trace_id, experiment_id=0)
    given = {"feedback": {"value": 2}, "overrides": first["assessment_id"]}
    status, answer = assessing.request("POST", assessment=given)
    assert (status, answer["error_code"]) == MISSING
    assert assessing.of_info() == []
    assert assessing.request("GET", f"/{first['assessment_id']}")[0] == 404
    assert assessing.sent("DELETE", f"/{first['assessment_id']}") == {}
    assessing.trace_id = mine
    assert assessing.of_info() == [first]


def test_a_change_is_of_the_fields_in_the_mask(assessing: Assessing) -> None:
    made = assessing.assess(
        feedback={"value": 1, "error": {"error_code": "E"}}, metadata={"a": "1"}
    )
    # MLflow's server moves the time on; so that this can be seen, it was another.
    with assessing.database.write() as conn:
        table = trace_schema.of(conn).assessments
        conn.execute(
            update(table)
            .where(table.c.assessment_id == made["assessment_id"])
            .values(created_timestamp=0, last_updated_timestamp=0)
        )
    changed = assessing.change(
        made, "feedback", feedback={"value": "yes"}, rationale="not in the mask"
    )
    assert changed["create_time"] == "1970-01-01T00:00:00Z"
    assert changed["last_update_time"] >= made["last_update_time"]
    assert changed["feedback"] == {"value": "yes"}
    assert "rationale" not in changed
    row = assessing.row(made["assessment_id"])
    assert (row["value"], row["error"]) == ('"yes"', None)
    if "aggregate_value" in row:
        assert (row["aggregate_value"], row["is_numeric_value"]) == (1.0, False)
    changed = assessing.change(
        made, "assessmentName,rationale", assessment_name="new", rationale="why"
    )
    assert (changed["assessment_name"], changed["rationale"]) == ("new", "why")
    changed = assessing.change(made, {"paths": ["assessment_name"]}, assessment_name="newer")
    assert changed["assessment_name"] == "newer"
    changed = assessing.change(made, "metadata", metadata={"b": "2", RUN: "s" * 32})
    assert changed["metadata"] == {"a": "1", "b": "2", RUN: "s" * 32}
    assert assessing.row(made["assessment_id"])["run_id"] == "s" * 32
    assert changed["feedback"] == {"value": "yes"}
    assert changed["source"] == HUMAN
    assert assessing.of_info() == [changed]


def test_an_expectation_changes_its_value(assessing: Assessing) -> None:
    made = assessing.assess(expectation={"value": 5})
    text = {"serialization_format": "JSON_FORMAT", "value": "[1]"}
    changed = assessing.change(made, "expectation", expectation={"serialized_value": text})
    assert changed["expectation"] == {"serialized_value": text}
    row = assessing.row(made["assessment_id"])
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
def test_changes_that_cannot_be_made_are_refused(
    assessing: Assessing, mask: Any, fields: Any
) -> None:
    made = assessing.assess(feedback={"value": 1})
    body = {"assessment": fields, "update_mask": mask}
    status, answer = assessing.request("PATCH", f"/{made['assessment_id']}", **body)
    assert (status, answer["error_code"]) == INVALID, answer
    assert assessing.of_info() == [made]


def test_what_does_not_exist_is_named(assessing: Assessing) -> None:
    unknown = name_of(new_id())
    given = {"assessment": {"rationale": "x"}, "update_mask": "rationale"}
    new = {"assessment": {"feedback": {"value": 1}}}
    for method, path, trace_id, body, what in (
        ("POST", "", unknown, new, "Trace"),
        ("GET", "/a-1", unknown, {}, "Trace"),
        ("GET", "/a-1", assessing.trace_id, {}, "Assessment"),
        ("PATCH", "/a-1", unknown, given, "Trace"),
        ("PATCH", "/a-1", assessing.trace_id, given, "Assessment"),
    ):
        status, answer = assessing.request(method, path, trace_id, **body)
        assert (status, answer["error_code"]) == MISSING
        assert answer["message"].startswith(f"{what} with ID")
    assert assessing.request("DELETE", "/a-1", unknown) == (200, {})
