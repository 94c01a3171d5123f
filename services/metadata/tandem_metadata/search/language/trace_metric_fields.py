"""The fields of filters of traces' metrics."""

from collections.abc import Sequence
from typing import Final

from tandem_metadata.search.language.fields import Condition, Entity, FieldType, Resource, Type
from tandem_metadata.search.language.groups import Group
from tandem_metadata.search.language.lexer import shown
from tandem_metadata.search.language.parser import parse_filter
from tandem_metadata.search.language.trace_fields import NAME, RUN
from tandem_shared.errors import InvalidParameter

MAX_FILTERS: Final = 30

_TEXT = FieldType(Type.TEXT, frozenset({"="}))

_FIELDS: Final = Resource(
    entities={
        "trace": Entity.ATTRIBUTE,
        "span": Entity.SPAN,
        "assessment": Entity.ASSESSMENT,
    },
    open_keys={Entity.TAG: _TEXT, Entity.METADATA: _TEXT},
    keys={
        # A tag and metadata are these, and have no other name here.
        Entity.ATTRIBUTE: {"status": _TEXT, "name": _TEXT, "run_id": _TEXT},
        Entity.SPAN: {"name": _TEXT, "type": _TEXT, "status": _TEXT},
        Entity.ASSESSMENT: {"name": _TEXT, "type": _TEXT},
    },
    aliases={},
    order_entities=frozenset(),
    order_aliases=frozenset(),
    within={Entity.ATTRIBUTE: {"tag.": Entity.TAG, "metadata.": Entity.METADATA}},
    same={
        (Entity.TAG, NAME): (Entity.ATTRIBUTE, "name"),
        (Entity.METADATA, RUN): (Entity.ATTRIBUTE, "run_id"),
    },
)


def conditions(filters: Sequence[str]) -> list[Condition]:
    """The conditions of some filters, all of which must hold; each filter is one comparison by =.

    Raises InvalidParameter for other filters, and for too many.
    """
    if len(filters) > MAX_FILTERS:
        raise InvalidParameter(
            f"Invalid filters: {len(filters)} are given, at most {MAX_FILTERS} are accepted."
        )
    return [_condition(each) for each in filters]


def _condition(text: str) -> Condition:
    found = _FIELDS.criteria(parse_filter(text))
    if len(found) == 1 and not isinstance(found[0], Group) and found[0].operator == "=":
        return found[0]
    raise InvalidParameter(
        f"Invalid filter {shown(text)}: expected one comparison by =, such as "
        "trace.status = 'OK'; give several as several filters."
    )
