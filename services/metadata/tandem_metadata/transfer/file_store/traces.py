"""Traces of a file store, in the layout of MLflow 2 and in that of MLflow 3."""

import os
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tandem_metadata.transfer.file_store import documents, files
from tandem_metadata.transfer.file_store.documents import integer, text
from tandem_metadata.transfer.file_store.files import Problems, Unreadable
from tandem_metadata.transfer.file_store.records import Assessment, Experiment, Trace

TRACES: Final = "traces"
TAGS: Final = "tags of traces"
METADATA: Final = "metadata of traces"
ASSESSMENTS: Final = "assessments"

_FOLDER: Final = "traces"
_INFO: Final = "trace_info.yaml"
_SPANS: Final = ("artifacts", "traces.json")
_STATES: Final = ("OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED")
_OLD_UNSPECIFIED: Final = "TRACE_STATUS_UNSPECIFIED"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _SpansFile(msgspec.Struct):
    spans: list[msgspec.Raw] = []


def folders(experiment: Experiment) -> list[str]:
    """The names of the folders of an experiment's traces, sorted."""
    return files.folders(os.path.join(experiment.path, _FOLDER))


def trace(experiment: Experiment, folder: str, problems: Problems) -> Trace | None:
    """A trace; None if the folder gives none, which is told."""
    path = os.path.join(experiment.path, _FOLDER, folder)
    info = os.path.join(path, _INFO)
    try:
        document = documents.load(info)
    except Unreadable as error:
        problems.skip(TRACES, info, str(error))
        return None
    if text(document, "trace_id", "request_id") != folder:
        problems.skip(TRACES, info, "it is of another trace than the folder that it is in")
        return None
    timestamp = integer(document, "timestamp_ms")
    if timestamp is None:
        timestamp = milliseconds(document.get("request_time"))
    if timestamp is None:
        problems.skip(TRACES, info, "it tells no time")
        return None
    state = text(document, "state", "status") or "STATE_UNSPECIFIED"
    if state == _OLD_UNSPECIFIED:
        state = "STATE_UNSPECIFIED"
    if state not in _STATES:
        problems.skip(TRACES, info, f"its state {state[:20]!r} is none of MLflow's")
        return None
    return Trace(
        trace_id=folder,
        path=path,
        timestamp_ms=timestamp,
        execution_time_ms=integer(document, "execution_duration_ms", "execution_time_ms"),
        state=state,
        client_request_id=text(document, "client_request_id"),
        request_preview=text(document, "request_preview"),
        response_preview=text(document, "response_preview"),
        tags=files.values(os.path.join(path, "tags"), TAGS, problems),
        metadata=files.values(os.path.join(path, "request_metadata"), METADATA, problems),
        assessments=_assessments(path, document, problems),
        spans=_spans(path),
    )


def _spans(path: str) -> list[str]:
    try:
        held = msgspec.json.decode(files.read(os.path.join(path, *_SPANS)), type=_SpansFile)
    except (Unreadable, msgspec.MsgspecError, RecursionError):
        return []
    return [bytes(each).decode() for each in held.spans]


def milliseconds(value: Any) -> int | None:
    """Milliseconds since 1970 of a time as documents have it; None for what is none."""
    if isinstance(value, datetime):  # YAML knows times that are not quoted
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    else:
        return None
    passed = at - _EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000


def _assessments(path: str, document: dict[str, Any], problems: Problems) -> list[Assessment]:
    """Those that have files of their own; the list in a trace's document repeats them."""
    folder = os.path.join(path, "assessments")
    found = []
    for entry in files.entries(folder, ASSESSMENTS, problems):
        if not entry.key.endswith(".yaml"):
            problems.skip(ASSESSMENTS, entry.path, "it is called as no assessment is")
            continue
        try:
            found.append(Assessment(entry.path, documents.load(entry.path)))
        except Unreadable as error:
            problems.skip(ASSESSMENTS, entry.path, str(error))
    told = document.get("assessments")
    if not found and isinstance(told, list):
        info = os.path.join(path, _INFO)
        found = [Assessment(info, each) for each in told if isinstance(each, dict)]
    return found
