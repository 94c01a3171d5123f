"""Spans of other libraries get the attributes that MLflow's server gives them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_metadata.spans import document
from tandem_metadata.spans.span import Event, Span
from tandem_metadata.spans.translation import translate, translate_all
from tandem_metadata.spans.translation.convention import Convention
from tandem_metadata.spans.translation.source import Source
from tandem_metadata.spans.translation.translator import CONVENTIONS
from tandem_metadata.spans.values import MAX_VALUES, Allowance
from tests.metadata.spans.foreign_spans import SPANS, Foreign
from tests.metadata.spans.reference import of_mlflow, of_tandem


@pytest.mark.parametrize("foreign", SPANS.values(), ids=SPANS)
def test_translation_as_mlflow(foreign: Foreign) -> None:
    assert of_tandem(foreign) == of_mlflow(foreign)


def test_translation_of_every_convention() -> None:
    """Each finds a span above that it can read."""
    assert len(CONVENTIONS) == 12
    for convention in CONVENTIONS:
        assert any(_is_read(foreign, convention) for foreign in SPANS.values())


def _is_read(foreign: Foreign, convention: Convention) -> bool:
    events = [Event(name, 1, attributes) for name, attributes in foreign.events]
    source = Source(foreign.attributes, events, Allowance())
    in_events = convention.event_inputs and convention.event_inputs(source)
    return bool(in_events or convention.read_inputs(source))


def test_translation_says_what_a_chat_was() -> None:
    """In words, lest the comparison compare nothing."""
    translated = of_tandem(SPANS["genai-chat"])
    del translated["mlflow.traceRequestId"]
    cost = translated.pop("mlflow.llm.cost")
    assert {key: value for key, value in translated.items() if key.startswith("mlflow.")} == {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanInputs": [{"role": "user", "content": "Wie heißt der Fluß?"}],
        "mlflow.spanOutputs": [{"role": "assistant", "content": "Rhein"}],
        "mlflow.chat.tokenUsage": {
            "input_tokens": 1200,
            "output_tokens": 20,
            "total_tokens": 1220,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 100,
        },
        "mlflow.chat.tools": [{"type": "function", "name": "weather"}],
        "mlflow.llm.model": "claude-sonnet-4-20250514",
        "mlflow.llm.provider": "anthropic",
    }
    assert cost["total_cost"] > 0


def test_translation_twice_changes_nothing() -> None:
    for foreign in SPANS.values():
        once = of_tandem(foreign)
        again = Span(b"t", b"s", None, "s", 1, 2, attributes=dict(once))
        translate(again)
        assert again.attributes == once


def test_translation_leaves_a_span_of_mlflow_alone() -> None:
    attributes = {
        "mlflow.traceRequestId": "tr-1",
        "mlflow.spanType": "UNKNOWN",
        "mlflow.spanInputs": {"q": "hello"},
        "mlflow.spanOutputs": "hi",
        "mlflow.spanFunctionName": "f",
        "my.own": 5,
    }
    span = Span(b"t", b"s", None, "s", 1, 2, attributes=dict(attributes))
    translate(span)
    assert span.attributes == attributes


def test_translation_keeps_a_format_that_was_given() -> None:
    """MLflow puts its own over it."""
    chat = SPANS["vercel-chat"].attributes | {"mlflow.message.format": "mine"}
    assert of_tandem(Foreign(chat))["mlflow.message.format"] == "mine"


KEYS = sorted(
    {key for foreign in SPANS.values() for key in foreign.attributes}
    | {"lk.room_name", "traceloop.span.kindly", "gen_ai.completion.x.content", "ai", "llm"}
)
NAMES = sorted({name for foreign in SPANS.values() for name, _ in foreign.events})
EVENT_KEYS = ["content", "role", "gen_ai.prompt", "gen_ai.completion", "output", "diff"]
WORDS = sorted(
    {
        value
        for foreign in SPANS.values()
        for value in foreign.attributes.values()
        if isinstance(value, str)
    }
)
TEXTS = st.sampled_from(
    [
        *WORDS,
        "",
        " ",
        "null",
        "true",
        "5",
        " 7 ",
        "1_0",
        "-3",
        "2.5",
        "{",
        "[1",
        '""',
        "[]",
        "x" * 50,
    ]
)
VALUES = TEXTS | st.integers(-5, 5) | st.sampled_from([0.0, 3.0, -2.5, 10**18])


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8),
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.dictionaries(st.sampled_from(EVENT_KEYS), st.sampled_from(WORDS), max_size=3),
        ),
        max_size=3,
    ),
)
def test_translation_of_mixed_conventions_as_mlflow(
    attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> None:
    foreign = Foreign(attributes, tuple(events))
    translated = of_tandem(foreign)
    try:
        expected = of_mlflow(foreign)
    except TypeError:  # of a list or an object where the name of a type should be
        return
    assert _numbers(translated) == _numbers(expected)


def _numbers(value: Any) -> Any:
    """With numbers for their texts: MLflow makes them so in events and in Vercel's contents."""
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return list(map(_numbers, value))
    try:
        said = json.loads(value)
    except (TypeError, ValueError):
        return value
    return value if isinstance(said, str | list | dict) else said


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | TEXTS
    | st.sampled_from([10**400, "9" * 5000, "[" * 10_000, '{"a":' * 10_000, "NaN", "\ud800"]),
    lambda children: (
        st.lists(children) | st.dictionaries(st.text() | st.sampled_from(KEYS), children)
    ),
    max_leaves=5,
)
MLFLOW_KEYS = [
    "mlflow.spanType", "mlflow.spanInputs", "mlflow.chat.tokenUsage", "mlflow.llm.model",
    "mlflow.llm.provider", "mlflow.llm.cost",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS + MLFLOW_KEYS) | st.text(), ANYTHING, max_size=6),
    st.lists(
        st.builds(
            Event,
            st.sampled_from(NAMES) | st.text(),
            st.integers(),
            st.dictionaries(st.sampled_from(EVENT_KEYS), ANYTHING, max_size=3),
        ),
        max_size=3,
    ),
)
def test_translation_of_anything_raises_nothing(
    attributes: dict[str, Any], events: list[Event]
) -> None:
    span = Span(b"t", b"s", None, "s", 1, 2, attributes=dict(attributes), events=events)
    translate(span)
    document.attribute_texts(span)
    kept = {key: span.attributes[key] for key in attributes if key != "mlflow.spanType"}
    assert repr(kept) == repr({key: attributes[key] for key in kept})


def test_translation_of_numbers_that_no_column_holds() -> None:
    """Python does not even write the sum of two numbers of 4,300 digits."""
    for key in ("llm.token_count", "usage"):
        counts = {f"{key}.{kind}": "9" * 4300 for kind in ("prompt", "completion", "total_tokens")}
        counts |= {f"{key}.prompt_tokens": str(2**63), f"{key}.completion_tokens": 5}
        assert of_tandem(Foreign(counts)).get("mlflow.chat.tokenUsage") in (
            None,
            {"output_tokens": 5},
        )
    claude = {"span.type": "llm_request", "input_tokens": 1e300, "output_tokens": 2**63 - 1}
    assert of_tandem(Foreign(claude))["mlflow.chat.tokenUsage"] == {"output_tokens": 2**63 - 1}


def test_translation_makes_no_more_values_than_a_request_may_have() -> None:
    """Each takes far more memory than its text: what is too much stays text."""
    content = f"[{'0,' * MAX_VALUES}0]"
    spans = [Span(b"t", bytes([i]), None, "s", 1, 2) for i in range(3)]
    for span in spans:
        span.events.append(Event("gen_ai.user.message", 1, {"content": content}))
    translate_all(spans)
    kinds = [type(span.attributes["mlflow.spanInputs"][0]["content"]) for span in spans]
    assert kinds == [list, str, str]


def test_translation_of_deep_text_can_be_written() -> None:
    """A value in an event is nested as deep as its writer can follow, or stays text."""
    for depth, is_value in ((60, True), (500, False), (200_000, False)):
        nested = "[" * depth + "]" * depth
        span = Span(b"t", b"s", None, "s", 1, 2)
        span.events.append(Event("gen_ai.choice", 1, {"content": nested}))
        translate(span)
        (message,) = span.attributes["mlflow.spanOutputs"]
        assert isinstance(message["content"], list) == is_value
        json.dumps(span.attributes)
