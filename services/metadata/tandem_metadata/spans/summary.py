"""What the store needs to know of a span, beside its document."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from tandem_metadata.rules.limits import TAG_VALUE, check_key
from tandem_metadata.spans import batch, document, keys, previews
from tandem_metadata.spans.span import Span
from tandem_metadata.spans.usage import amount, count
from tandem_metadata.spans.values import as_plain, cut
from tandem_shared.errors import InvalidParameter

N = TypeVar("N", int, float)

TYPE: Final = 500
MODEL: Final = 500
SESSION: Final = 250
USER: Final = 8000
TRACE_NAME: Final = 4096
"""The characters of the columns."""

_MODEL_BYTES: Final = 1200
"""PostgreSQL has model and provider in one entry of an index, which takes 2,704 bytes at most."""

_NO_TAGS: Final[Mapping[str, str]] = {}


class SpanSummary(Struct, frozen=True):
    """A span as the columns have it; all texts fit their columns."""

    trace_id: str
    """As MLflow writes it: `tr-` and 32 digits."""
    span_id: str
    parent_id: str | None
    name: str
    type: str | None
    status: str
    """UNSET, OK or ERROR."""
    start_ns: int
    end_ns: int | None
    content: str
    """The document (`document.encode`)."""
    usage: Mapping[str, int | None]
    """Tokens by their names in `keys.TOKENS`; empty if the span tells none.

    None is what the span tells without it being a count."""
    cost: Mapping[str, float | None]
    """USD by their names in `keys.COSTS`; empty if the span has none. None as in `usage`."""
    model: str | None
    provider: str | None
    session: str | None
    """The session that this span names; that of a trace is its first span's that names one."""
    user: str | None
    trace_name: str | None
    """The trace's name, if this is a root that brings it."""
    tags: Mapping[str, str]
    """Tags of the trace that this root brings. They win over `resource_tags`."""
    resource_tags: Mapping[str, str]
    """Tags of the trace by what sent the span; spans that came together share one object."""
    request_preview: str | None
    """None if this is no root or has no inputs."""
    response_preview: str | None
    """None if this is no root or has no outputs."""


def summarise(span: Span) -> SpanSummary:
    """The summary of a span that was translated."""
    return _summarise(span, _resource_tags(span.resource))


def summarise_all(spans: Iterable[Span]) -> list[SpanSummary]:
    """The summaries of spans that were translated; looks at each resource once."""
    summaries = []
    resource: dict[str, Any] | None = None
    tags = _NO_TAGS
    for span in spans:
        if span.resource is not resource:
            resource = span.resource
            tags = _resource_tags(resource)
        summaries.append(_summarise(span, tags))
    return summaries


def _summarise(span: Span, resource_tags: Mapping[str, str]) -> SpanSummary:
    attributes = span.attributes
    texts = document.attribute_texts(span)
    request = response = trace_name = None
    tags = _NO_TAGS
    if span.parent_id is None:
        tags, trace_name = _root_tags(attributes)
        if attributes.get(keys.INPUTS) is not None:
            request = previews.of_request(attributes[keys.INPUTS], texts[keys.INPUTS])
        if attributes.get(keys.OUTPUTS) is not None:
            response = previews.of_response(attributes[keys.OUTPUTS], texts[keys.OUTPUTS])
    return SpanSummary(
        trace_id=batch.trace_id(span.trace_id),
        span_id=span.span_id.hex(),
        parent_id=span.parent_id.hex() if span.parent_id else None,
        name=span.name,
        type=_column(attributes.get(keys.TYPE), TYPE),
        status=span.status,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        content=document.encode_with(span, texts),
        usage=span_usage(attributes),
        cost=span_cost(attributes),
        model=_dimension(attributes.get(keys.MODEL)),
        provider=_dimension(attributes.get(keys.PROVIDER)),
        session=_column(attributes.get(keys.SESSION), SESSION)
        or _column(attributes.get(keys.CONVERSATION), SESSION),
        user=_column(attributes.get(keys.USER), USER),
        trace_name=trace_name,
        tags=tags,
        resource_tags=resource_tags,
        request_preview=request,
        response_preview=response,
    )


def usage_of(attributes: Mapping[str, Any]) -> dict[str, int]:
    """The tokens that a span's attributes tell; counts that no column holds are left out."""
    return {key: count for key, count in span_usage(attributes).items() if count is not None}


def cost_of(attributes: Mapping[str, Any]) -> dict[str, float]:
    """The cost that a span's attributes tell, without parts that are no finite number."""
    return {key: part for key, part in span_cost(attributes).items() if part is not None}


def span_usage(attributes: Mapping[str, Any]) -> dict[str, int | None]:
    """As `SpanSummary.usage`."""
    return _numbers(attributes.get(keys.USAGE), keys.TOKENS, count)


def span_cost(attributes: Mapping[str, Any]) -> dict[str, float | None]:
    """As `SpanSummary.cost`."""
    return _numbers(attributes.get(keys.COST), keys.COSTS, amount)


def _numbers(
    told: Any, names: Iterable[str], number: Callable[[Any], N | None]
) -> dict[str, N | None]:
    if not isinstance(told, dict):
        return {}
    found = {key: number(told[key]) for key in names if told.get(key) is not None}
    return {} if all(each is None for each in found.values()) else found


def _resource_tags(resource: dict[str, Any]) -> Mapping[str, str]:
    tags = {
        key: cut(as_plain(value), TAG_VALUE)
        for key, value in resource.items()
        if not key.startswith(("telemetry.sdk.", "mlflow.")) and _is_key(key)
    }
    return tags or _NO_TAGS


def _root_tags(attributes: dict[str, Any]) -> tuple[Mapping[str, str], str | None]:
    """The tags that a root brings, and the name that it gives its trace."""
    tags = {}
    for name, value in attributes.items():
        if name.startswith(keys.TAG_PREFIX):
            key = name[len(keys.TAG_PREFIX) :]
            if key not in keys.WITHHELD_TAGS and _is_key(key):
                tags[key] = as_plain(value)
    trace_name = tags.pop(keys.TRACE_NAME, None)
    return (
        {key: cut(value, TAG_VALUE) for key, value in tags.items()} or _NO_TAGS,
        None if trace_name is None else cut(trace_name, TRACE_NAME),
    )


def _is_key(key: str) -> bool:
    try:
        check_key("key", key)
    except InvalidParameter:
        return False
    return bool(key)


def _column(value: Any, width: int) -> str | None:
    """The value as a text of at most `width` characters, None if there is none."""
    if value is None or value == "":
        return None
    return cut(as_plain(value), width)


def _dimension(value: Any) -> str | None:
    """A model's or a provider's name, as charts group by it."""
    if not isinstance(value, str):
        return None
    name = cut(value, MODEL)
    if name.isascii():
        return name
    return name.encode()[:_MODEL_BYTES].decode(errors="ignore")
