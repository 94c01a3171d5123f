"""What a span says, as conventions read it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.spans.span import Event
from tandem_metadata.spans.values import Allowance


class Source(Struct):
    """The attributes and events of a span."""

    attributes: Mapping[str, Any]
    """JSON texts of objects and lists were made values when the span was read."""
    events: Sequence[Event]
    """Their attributes are as they were sent."""
    allowance: Allowance

    def get(self, key: str) -> Any:
        """The value of an attribute; None if there is none."""
        return self.attributes.get(key)

    def text(self, key: str) -> str | None:
        """The value of an attribute if it is text."""
        value = self.attributes.get(key)
        return value if isinstance(value, str) else None

    def first(self, keys: Iterable[str]) -> Any:
        """The value of the first key that has more than null, zero or an empty value; or None."""
        return next((value for key in keys if (value := self.attributes.get(key))), None)

    def count(self, keys: Iterable[str]) -> int | None:
        """The number of tokens at the first key that is there, if it is a whole number."""
        key = next((key for key in keys if key in self.attributes), None)
        return None if key is None else whole(self.attributes[key])

    def unwrap(self, value: Any) -> Any:
        """The value of a JSON text in an event or in another value; else the value itself."""
        return self.allowance.unwrap(value) if isinstance(value, str) else value


def whole(value: Any, *, cut: bool = False) -> int | None:
    """A whole number of 64 bits, or the text of one; `cut` takes fractions off others."""
    if isinstance(value, bool) or not isinstance(value, int | str | float if cut else int | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):  # no number, NaN or infinite
        return None
    return number if -INT64_MAX <= number <= INT64_MAX else None
