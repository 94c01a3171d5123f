"""What the store needs to know of a span."""

from typing import Any

import pytest
from mlflow.tracing.utils.truncation import _get_truncated_preview

from tandem_metadata.spans import decode, document, summary
from tandem_metadata.spans.span import Span
from tandem_metadata.spans.summary import SpanSummary
from tests.metadata.spans.exports import CHILD, END, ROOT, START, TRACE, export, span


def test_a_span_is_summarised() -> None:
    attributes = {
        "mlflow.spanType": "LLM",
        "mlflow.spanInputs": {"q": "é"},
        "mlflow.spanOutputs": "answer",
        "mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 5.0, "other": 1},
        "mlflow.llm.cost": {"input_cost": 0.5, "total_cost": 1},
        "mlflow.llm.model": "gpt-4o",
        "mlflow.llm.provider": "openai",
        "session.id": "s",
        "user.id": "u",
        "mlflow.traceTag.k": "v",
        "mlflow.traceTag.mlflow.traceName": "name",
    }
    read = _read(attributes, resource={"host": "h", "telemetry.sdk.name": "x", "mlflow.x": "y"})
    assert summary.summarise(read) == SpanSummary(
        trace_id=f"tr-{TRACE.hex()}",
        span_id=ROOT.hex(),
        parent_id=None,
        name="step",
        type="LLM",
        status="UNSET",
        start_ns=START,
        end_ns=END,
        content=document.encode(read),
        usage={"input_tokens": 10, "output_tokens": 5},
        cost={"input_cost": 0.5, "total_cost": 1.0},
        model="gpt-4o",
        provider="openai",
        session="s",
        user="u",
        trace_name="name",
        tags={"k": "v"},
        resource_tags={"host": "h"},
        request_preview='{"q": "é"}',
        response_preview='"answer"',
    )


def test_a_span_that_tells_nothing_has_nothing() -> None:
    told = summary.summarise(_read({}))
    assert (told.type, told.model, told.provider, told.session, told.user, told.trace_name) == (
        (None,) * 6
    )
    assert (told.usage, told.cost, told.tags, told.resource_tags) == ({},) * 4
    assert (told.request_preview, told.response_preview) == (None, None)


def test_a_child_brings_neither_tags_nor_previews() -> None:
    attributes = {"mlflow.traceTag.k": "v", "mlflow.spanInputs": "q", "mlflow.spanOutputs": "a"}
    told = summary.summarise(_read(attributes, CHILD, ROOT))
    assert (told.parent_id, told.tags) == (ROOT.hex(), {})
    assert (told.request_preview, told.response_preview) == (None, None)


def test_texts_fit_their_columns() -> None:
    long = "é" * 9000
    told = summary.summarise(
        _read(
            {
                "mlflow.spanType": long,
                "mlflow.spanInputs": long,
                "mlflow.llm.model": "m" * 9000,
                "session.id": long,
                "user.id": long,
                "mlflow.traceTag.k": long,
                "mlflow.traceTag.mlflow.traceName": long,
            },
            resource={"r": long},
        )
    )
    assert told.type == long[:500]
    assert told.model == "m" * 500
    assert told.session == long[:250]
    assert told.user == long[:8000]
    assert told.tags == {"k": long[:8000]}
    assert told.resource_tags == {"r": long[:8000]}
    assert told.trace_name == long[:4096]
    assert told.request_preview == f'"{long[:996]}...'


@pytest.mark.parametrize("character", ["é", "漢", "😀"])
def test_model_and_provider_fit_one_entry_of_an_index(character: str) -> None:
    read = _read({"mlflow.llm.model": character * 500, "mlflow.llm.provider": character * 500})
    told = summary.summarise(read)
    assert told.model is not None
    assert told.provider is not None
    assert character * 300 == told.model[:300]
    assert len((told.model + told.provider).encode()) <= 2400


@pytest.mark.parametrize(
    ("attributes", "session"),
    [
        ({"session.id": "s", "gen_ai.conversation.id": "c"}, "s"),
        ({"session.id": "", "gen_ai.conversation.id": "c"}, "c"),
        ({"session.id": 5}, "5"),
        ({"session.id": {"a": 1}}, '{"a": 1}'),
        ({"session.id": None}, None),
    ],
)
def test_a_session_is_named_by_one_of_two_attributes(
    attributes: dict[str, Any], session: str | None
) -> None:
    assert summary.summarise(_read(attributes)).session == session


@pytest.mark.parametrize("key", ["", "a//b", "../x", "a$", "k" * 251, "mlflow.artifactLocation"])
def test_a_tag_that_no_trace_can_have_is_left_out(key: str) -> None:
    told = summary.summarise(_read({f"mlflow.traceTag.{key}": "v"}, resource={key: "v", "a": "b"}))
    assert (told.tags, told.resource_tags) == ({}, {"a": "b"})


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (True, "true"), (["é"], '["é"]'), ('{"a":1}', '{"a":1}')]
)
def test_a_tag_is_a_string_or_a_json_text(value: Any, text: str) -> None:
    told = summary.summarise(_read({"mlflow.traceTag.k": value}, resource={"k": value}))
    assert (told.tags, told.resource_tags) == ({"k": text}, {"k": text})


@pytest.mark.parametrize("count", ["5", True, 0.5, None, 2**63, float("inf"), float("nan"), [1]])
def test_a_count_that_is_none_is_left_out(count: Any) -> None:
    usage = {"input_tokens": count, "output_tokens": 1}
    told = summary.summarise(_with("mlflow.chat.tokenUsage", usage))
    left_out: dict[str, Any] = {} if count is None else {"input_tokens": None}
    assert told.usage == left_out | {"output_tokens": 1}
    assert summary.usage_of({"mlflow.chat.tokenUsage": usage}) == {"output_tokens": 1}
    assert not summary.usage_of({"mlflow.chat.tokenUsage": {"input_tokens": count}})


@pytest.mark.parametrize("cost", ["5", True, None, 10**400, float("inf"), float("nan"), [1]])
def test_a_cost_that_is_no_number_is_left_out(cost: Any) -> None:
    told = summary.summarise(_with("mlflow.llm.cost", {"input_cost": cost, "output_cost": 1}))
    left_out: dict[str, Any] = {} if cost is None else {"input_cost": None}
    assert told.cost == left_out | {"output_cost": 1.0}
    assert not summary.summarise(_with("mlflow.llm.cost", {"input_cost": cost})).cost


@pytest.mark.parametrize("key", ["mlflow.chat.tokenUsage", "mlflow.llm.cost", "mlflow.llm.model"])
@pytest.mark.parametrize("value", [None, 5, "text", [1]])
def test_an_attribute_of_another_kind_is_left_out(key: str, value: Any) -> None:
    told = summary.summarise(_with(key, value))
    assert (told.usage, told.cost) == ({}, {})
    assert told.model == ("text" if key.endswith("model") and value == "text" else None)


def test_spans_that_came_together_share_the_tags_of_their_resource() -> None:
    body = export(span(), span(CHILD, ROOT), resource={"a": "b"})
    other = export(span(trace_id=b"\1" * 16), resource={"c": "d"})
    body.resource_spans.extend(other.resource_spans)
    told = summary.summarise_all(decode.from_protobuf(body.SerializeToString()).spans)
    assert [each.resource_tags for each in told] == [{"a": "b"}, {"a": "b"}, {"c": "d"}]
    assert told[0].resource_tags is told[1].resource_tags


USER = {"role": "user", "content": "question"}
ASSISTANT = {"role": "assistant", "content": "answer"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "part"}]}


@pytest.mark.parametrize(
    "value",
    [
        {"q": "hello", "n": 0.5},
        "plain",
        "x" * 5000,
        [USER],
        {"messages": [USER, ASSISTANT, {"role": "user", "content": "last"}, ASSISTANT]},
        {"messages": [ASSISTANT]},
        {"messages": [PARTS]},
        {"messages": [{"role": "user", "content": ["first", "second"]}]},
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": "x" * 1001}]},
        {"messages": [{"role": "user", "content": "x" * 1000}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"text": "no message"}]},
        {"messages": []},
        {"messages": "text"},
        {"choices": [{"message": ASSISTANT}, {"message": USER}]},
        {"choices": [{"text": "x"}], "output": [ASSISTANT]},
        {"choices": ["x"]},
        {"input": [USER, {"type": "call"}]},
        {"input": "text"},
        {"output": [{"role": "assistant", "content": [{"type": "output_text", "text": "o"}]}]},
        {"request": {"input": [USER]}},
        {"request": {"request": {"messages": [USER]}}},
        {"request": "text"},
    ],
)
def test_previews_are_those_of_the_reference(value: Any) -> None:
    read = _read({"mlflow.spanInputs": value, "mlflow.spanOutputs": value})
    text = document.attribute_texts(read)["mlflow.spanInputs"]
    told = summary.summarise(read)
    assert told.request_preview == _get_truncated_preview(text, role="user")
    assert told.response_preview == _get_truncated_preview(text, role="assistant")


def test_a_part_whose_text_is_none_leaves_the_whole() -> None:
    value = {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}
    read = _read({"mlflow.spanInputs": value})
    text = document.attribute_texts(read)["mlflow.spanInputs"]
    assert summary.summarise(read).request_preview == text


def _read(
    attributes: dict[str, Any],
    span_id: bytes = ROOT,
    parent_id: bytes = b"",
    resource: dict[str, Any] | None = None,
) -> Span:
    body = export(span(span_id, parent_id, attributes), resource=resource).SerializeToString()
    [read] = decode.from_protobuf(body).spans
    return read


def _with(key: str, value: Any) -> Span:
    read = _read({})
    read.attributes[key] = value
    return read
