"""Where Tandem decides otherwise than MLflow on purpose, each with the reason."""

from collections.abc import Mapping, Sequence

DIFFERENCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "Whoever administers the workspace may know that something is missing (404); MLflow refuses "
    "him where he has a DENY on any experiment.": (
        ("of-workspace", "get a missing run"),
        ("of-workspace", "log a metric of a missing run"),
        ("of-workspace", "get a missing logged model"),
    ),
    "The role that holds what one user is granted is listed to him and to who administers; MLflow "
    "lists it to every member of the workspace.": (
        ("plain", "list roles"),
        ("reader", "list roles"),
        ("manager", "list roles"),
        ("in-workspace", "list roles"),
    ),
}
"""Users and requests, by reason."""
