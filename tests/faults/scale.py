"""How long tests of faults last: `make test` has the short form, `make test-faults` the long."""

import os
from typing import Final

LONG: Final = os.environ.get("TANDEM_FAULTS") == "long"
"""Whether the long form was asked for."""


def scaled(short: int, long: int) -> int:
    """How many requests, rounds or seconds an attack has."""
    return long if LONG else short
