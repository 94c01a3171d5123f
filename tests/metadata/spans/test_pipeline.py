"""The way of an export to what the store takes, with whatever clients may send."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tandem_metadata.spans import decode, document, wire
from tandem_metadata.spans.summary import summarise_all
from tandem_metadata.spans.translation import translate_all
from tests.metadata.spans.exports import CHILD, ROOT, attribute, export, span

KEYS = st.sampled_from(
    (
        *("mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tokenUsage"),
        *("mlflow.llm.model", "mlflow.llm.provider", "mlflow.llm.cost", "mlflow.traceTag.k"),
        *("mlflow.traceTag.mlflow.traceName", "session.id", "user.id", "gen_ai.conversation.id"),
        *("openinference.span.kind", "input.value", "output.value", "llm.token_count.prompt"),
        *("gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.usage.input_tokens"),
        *("gen_ai.request.model", "traceloop.span.kind", "traceloop.entity.input"),
        *("gen_ai.prompt.0.content", "gen_ai.completion.0.tool_calls.0.arguments"),
        *("ai.operationId", "ai.prompt", "lk.chat_ctx", "lmnr.span.input", "span.type", "input"),
    )
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
    ("LLM", "chat", "gpt-4o", "openai", "claude-code", "x" * 10_000, "é" * 600)
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats()
MEMBERS = st.sampled_from(
    (
        *("messages", "role", "content", "choices", "message", "request", "input", "output"),
        *("input_tokens", "total_tokens", "input_cost", "model", "type", "text", "parts"),
    )
)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS | TEXTS, inner, max_size=3),
    max_leaves=8,
)
VALUES = PLAIN | PLAIN.map(json.dumps) | st.binary(max_size=9)
ATTRIBUTES = st.dictionaries(KEYS | TEXTS, VALUES, max_size=6)


@given(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES)
@example({"input.value": '{"a\\u0000": "\\ud800"}'}, {}, {"k": "\0"})
@example({"gen_ai.prompt.99999999.content": "x", "gen_ai.prompt.0.content": "y"}, {}, {})
def test_any_export_becomes_rows_that_every_database_takes(
    attributes: dict[str, Any], of_event: dict[str, Any], resource: dict[str, Any]
) -> None:
    sent = span(CHILD, ROOT, attributes)
    for name in ("gen_ai.user.message", "gen_ai.choice"):
        happened = sent.events.add(name=name)
        for key, value in of_event.items():
            attribute(happened, key, value)
    body = export(span(attributes=attributes), sent, resource=resource).SerializeToString()
    spans = decode.from_protobuf(body).spans
    translate_all(spans)
    for read, told in zip(spans, summarise_all(spans), strict=True):
        texts = (
            *(told.type, told.model, told.provider, told.session, told.user, told.trace_name),
            *(told.request_preview, told.response_preview, told.name, told.content),
            *(*told.tags, *told.tags.values(), *told.resource_tags, *told.resource_tags.values()),
        )
        for text in texts:
            assert text is None or b"\0" not in text.encode()
        _fit(told.type, 500)
        _fit(told.model, 500)
        _fit(told.session, 250)
        _fit(told.trace_name, 4096)
        _fit(told.request_preview, 1000)
        back = document.decode(told.content)
        assert back.attributes.keys() == read.attributes.keys()
        json.loads(bytes(wire.encode(told.content)), parse_constant=_no_json)


def _fit(text: str | None, width: int) -> None:
    assert text is None or len(text) <= width


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
