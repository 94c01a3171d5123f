"""What answers about traces hold for their reader: assessments and links that he may read."""

from collections.abc import Iterable
from typing import Final

from tandem_metadata.access import account
from tandem_metadata.messages.traces import OldTraceInfo, TraceInfo
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key

_LINKS: Final = {
    "mlflow.sourceRun": permissions.RUN,
    "mlflow.modelId": permissions.LOGGED_MODEL,
}
"""Metadata that name a resource of a type."""


def withhold(found: Iterable[TraceInfo | OldTraceInfo]) -> None:
    """Take out what the sender of the request under way may not read.

    Links go where all that they could lead to is denied to him, assessments where those of the
    experiment are not readable.
    """
    sender = account.current()
    if sender is None or sender.admin:
        return
    hidden = {name for name, kind in _LINKS.items() if kind in sender.withheld}
    readable: dict[str, bool] = {}
    for info in found:
        if isinstance(info, OldTraceInfo):
            if hidden:
                info.request_metadata = [
                    each for each in info.request_metadata if each.key not in hidden
                ]
            continue
        for name in hidden & info.trace_metadata.keys():
            del info.trace_metadata[name]
        if info.assessments:
            experiment = info.experiment_id
            if experiment not in readable:
                own = Key(permissions.EXPERIMENT, experiment)
                readable[experiment] = sender.permits(Action.READ, Key(permissions.ASSESSMENT), own)
            if not readable[experiment]:
                info.assessments = []
