"""Where in a message msgspec has found an error."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

ANY_KEY: Final = "[...]"
"""What msgspec's path has for a key of a dict."""

_STEP: Final = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<index>[0-9]+)\]|\[\.\.\.\]")
_GOT: Final = re.compile(r"got `(\w+)`$")
_KINDS: Final[dict[str, type]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
_SHOWN: Final = 100
"""Characters of a key that errors show."""


def value_at(path: str, reason: str, message: Any) -> tuple[str, Any] | None:
    """The path, such as `metrics[0].key`, with the keys of dicts that msgspec leaves out, and what
    is there in the message.

    Of the values of a dict it is the first that is of the kind that msgspec's `reason` says it got;
    None if it says none.
    """
    places = _places([*_STEP.finditer(path)], "", message)
    if ANY_KEY not in path:
        return next(places)
    got = _GOT.search(reason)
    kind = _KINDS.get(got[1]) if got else None
    return next((each for each in places if type(each[1]) is kind), None)


def _places(steps: Sequence[re.Match[str]], place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield place, value
        return
    step, rest = steps[0], steps[1:]
    if name := step["name"]:
        yield from _places(rest, f"{place}.{name}" if place else name, value[name])
    elif index := step["index"]:
        yield from _places(rest, f"{place}[{index}]", value[int(index)])
    else:
        for key, each in value.items():
            shown = key if len(key) <= _SHOWN else f"{key[:_SHOWN]}..."
            yield from _places(rest, f"{place}.{shown}", each)
