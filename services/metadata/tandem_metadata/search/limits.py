"""What every search checks beside its filter: the page's size and the view type."""

from typing import Final

from tandem_metadata.search.lexer import shown
from tandem_shared.errors import InvalidParameter

MAX_RESULTS: Final = 50_000
"""The largest page."""

_STAGES: Final = {
    "ACTIVE_ONLY": ["active"],
    "DELETED_ONLY": ["deleted"],
    "ALL": ["active", "deleted"],
}

_NUMBERED: Final = {"1": "ACTIVE_ONLY", "2": "DELETED_ONLY", "3": "ALL"}


def check_max_results(number: int) -> int:
    """The number, if a page can have so many results; else raises InvalidParameter."""
    if not 1 <= number <= MAX_RESULTS:
        raise InvalidParameter(
            f"Invalid value {number} for parameter 'max_results': "
            f"it must be a whole number from 1 to {MAX_RESULTS}."
        )
    return number


def lifecycle_stages(view_type: str | int | None) -> list[str]:
    """The stages that a view type shows, given by name or number; ACTIVE_ONLY if none is given."""
    name = _NUMBERED.get(str(view_type), view_type or "ACTIVE_ONLY")
    stages = _STAGES.get(str(name))
    if stages is None:
        accepted = ", ".join(_STAGES)
        raise InvalidParameter(f"Invalid view type {shown(str(view_type))}: use one of {accepted}.")
    return stages
