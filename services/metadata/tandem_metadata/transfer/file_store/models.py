"""Logged models of a file store."""

import os
from typing import Final

from tandem_metadata.transfer.file_store import documents, files, metrics
from tandem_metadata.transfer.file_store.documents import META, integer, text
from tandem_metadata.transfer.file_store.files import Problems, Unreadable
from tandem_metadata.transfer.file_store.records import Experiment, LoggedModel

MODELS: Final = "logged models"
PARAMS: Final = "params of logged models"
TAGS: Final = "tags of logged models"

_FOLDER: Final = "models"
_STATUSES: Final = {
    "LOGGED_MODEL_STATUS_UNSPECIFIED": 0,
    "LOGGED_MODEL_PENDING": 1,
    "LOGGED_MODEL_READY": 2,
    "LOGGED_MODEL_UPLOAD_FAILED": 3,
}


def folders(experiment: Experiment) -> list[str]:
    """The names of the folders of an experiment's logged models, sorted."""
    return files.folders(os.path.join(experiment.path, _FOLDER))


def model(experiment: Experiment, folder: str, problems: Problems) -> LoggedModel | None:
    """A logged model; None if the folder gives none, which is told."""
    path = os.path.join(experiment.path, _FOLDER, folder)
    meta = os.path.join(path, META)
    try:
        document = documents.load(meta)
    except Unreadable as error:
        problems.skip(MODELS, meta, str(error))
        return None
    if text(document, "model_id") != folder:
        problems.skip(MODELS, meta, "it is of another model than the folder that it is in")
        return None
    status = document.get("status", 0)
    if isinstance(status, str):
        status = _STATUSES.get(status, status)
    if status not in _STATUSES.values():
        problems.skip(MODELS, meta, f"its status {str(status)[:20]!r} is none of MLflow's")
        return None
    created = integer(document, "creation_timestamp") or 0
    deleted = text(document, "lifecycle_stage") == "deleted"
    return LoggedModel(
        model_id=folder,
        path=path,
        name=text(document, "name") or folder,
        artifact_location=text(document, "artifact_location") or None,
        creation_time=created,
        last_update_time=integer(document, "last_updated_timestamp") or created,
        status=int(status),
        status_message=text(document, "status_message"),
        lifecycle_stage="deleted" if deleted else "active",
        model_type=text(document, "model_type"),
        source_run_id=text(document, "source_run_id") or None,
        params=files.values(os.path.join(path, "params"), PARAMS, problems),
        tags=files.values(os.path.join(path, "tags"), TAGS, problems),
        points=metrics.of_model(path, problems),
    )
