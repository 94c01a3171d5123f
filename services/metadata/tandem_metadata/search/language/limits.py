"""What every search checks beside its filter: the page's size and the lifecycle stages."""

from typing import Final

from tandem_shared.errors import InvalidParameter

MAX_RESULTS: Final = 50_000
"""The largest page."""

STAGES: Final = {
    "ACTIVE_ONLY": ["active"],
    "DELETED_ONLY": ["deleted"],
    "ALL": ["active", "deleted"],
}
"""The lifecycle stages that each view type shows."""


def check_max_results(number: int, largest: int = MAX_RESULTS) -> int:
    """The number, if a page can have so many results; else raises InvalidParameter."""
    if not 1 <= number <= largest:
        raise InvalidParameter(
            f"Invalid value {number} for parameter 'max_results': "
            f"it must be a whole number from 1 to {largest}."
        )
    return number
