"""Checks what clients tell of a trace, and makes it fit to be stored."""

from collections.abc import Mapping
from typing import Final

from tandem_metadata.messages.traces import COST, NAME, SESSION, TOKEN_USAGE
from tandem_metadata.rules.limits import KEY, TAG_VALUE, check_id, check_length
from tandem_metadata.spans import keys
from tandem_metadata.spans.document import value_of
from tandem_metadata.spans.previews import shortened
from tandem_metadata.spans.summary import SESSION as SESSION_LENGTH
from tandem_metadata.spans.summary import TRACE_NAME as NAME_LENGTH
from tandem_metadata.spans.summary import cost_of, usage_of
from tandem_metadata.spans.values import cut
from tandem_metadata.store.traces.changes import Told
from tandem_metadata.store.traces.state import FINALIZED
from tandem_shared.errors import InvalidParameter, invalid_value, missing_value

TRACE_ID: Final = 50
CLIENT_REQUEST_ID: Final = 50
"""The characters of the columns."""

_OTHERWISE: Final = frozenset({SESSION, TOKEN_USAGE, COST, FINALIZED})
"""Metadata that are not stored as they are told."""


def told(metadata: Mapping[str, str], tags: Mapping[str, str]) -> Told:
    """What metadata and tags say; long values are cut.

    Tags that the server sets are left out. Raises InvalidParameter for a session that is too long:
    cut, it could be another one's, whose traces would be mixed with these.
    """
    session, name = metadata.get(SESSION), tags.get(NAME)
    check_length(f"trace_metadata.{SESSION}", session or "", SESSION_LENGTH)
    return Told(
        name=None if name is None else cut(name, NAME_LENGTH),
        session=session,
        tokens=usage_of({keys.USAGE: value_of(metadata.get(TOKEN_USAGE))}),
        costs=cost_of({keys.COST: value_of(metadata.get(COST))}),
        metadata={
            cut(key, KEY): cut(value, TAG_VALUE)
            for key, value in metadata.items()
            if key not in _OTHERWISE
        },
        tags={
            cut(key, KEY): cut(value, TAG_VALUE)
            for key, value in tags.items()
            if key != NAME and key not in keys.WITHHELD_TAGS
        },
    )


def check_name(name: str) -> None:
    """Raise InvalidParameter for a trace's name that is too long."""
    check_length(f"tags.{NAME}", name, NAME_LENGTH)


def check_trace_id(trace_id: str) -> None:
    """Raise InvalidParameter for a trace id that cannot be stored.

    It is part of the location of the trace's artifacts.
    """
    if not trace_id:
        raise missing_value("trace.trace_info.trace_id")
    check_id("trace.trace_info.trace_id", trace_id, TRACE_ID)
    if not trace_id.isprintable() or any(each in trace_id for each in "/\\?#%") or trace_id in "..":
        raise invalid_value(
            "trace.trace_info.trace_id",
            trace_id,
            "use printable characters but / \\ ? # %; '.' and '..' are no ids",
        )


def client_request_id(given: str | None) -> str | None:
    """The id that a client has for a trace, as it is stored; None for none."""
    return cut(given, CLIENT_REQUEST_ID) if given else None


def preview(given: str | None) -> str | None:
    """A preview as it is stored."""
    return None if given is None else shortened(given)


def check_immutable(key: str, *, deletes: bool = False) -> None:
    """Raise InvalidParameter for a tag that only the server sets."""
    withheld = {key for key in keys.WITHHELD_TAGS if key.startswith("mlflow.trace.")}
    if key in withheld and not (deletes and key == "mlflow.trace.archivalFailure"):
        raise InvalidParameter(f"The tag '{key}' is set by the server, and cannot be changed.")
