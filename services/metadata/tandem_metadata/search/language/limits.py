"""The page size and the view types of searches."""

from typing import Final

from tandem_shared.errors import invalid_value

MAX_RESULTS: Final = 50_000
"""The largest page, in results."""

STAGES: Final = {
    "ACTIVE_ONLY": ["active"],
    "DELETED_ONLY": ["deleted"],
    "ALL": ["active", "deleted"],
}
"""The lifecycle stages of each view type."""


def check_max_results(number: int, largest: int = MAX_RESULTS) -> int:
    """Return the page size unchanged; raises InvalidParameter unless it is 1 to `largest`."""
    if not 1 <= number <= largest:
        raise invalid_value(
            "max_results", number, f"it must be a positive integer and must be at most {largest}"
        )
    return number
