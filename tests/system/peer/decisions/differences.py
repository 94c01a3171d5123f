"""Where Tandem decides otherwise than MLflow on purpose, each with the reason."""

from collections.abc import Mapping, Sequence

DIFFERENCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "Whoever administers the workspace may know that something is missing (404); MLflow refuses "
    "him where he has a DENY on any experiment.": (
        ("of-workspace", "get a missing run"),
        ("of-workspace", "log a metric of a missing run"),
        ("of-workspace", "get a missing logged model"),
    ),
}
"""Users and requests, by reason."""
