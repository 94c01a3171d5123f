"""Where Tandem answers otherwise than MLflow on purpose, each with the reason.

The peer test fails on a difference that is not listed here, and on a listed one that is none.
"""

from collections.abc import Mapping, Sequence

DIFFERENCES: Mapping[str, Sequence[str]] = {}
"""The names of requests by the reason why their answers differ."""

REASONS = {name: reason for reason, names in DIFFERENCES.items() for name in names}
