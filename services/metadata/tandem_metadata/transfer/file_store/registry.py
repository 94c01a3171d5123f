"""The model registry of a file store."""

import os
from collections.abc import Iterator
from typing import Any, Final

from tandem_metadata.transfer.file_store import documents, files
from tandem_metadata.transfer.file_store.documents import META, integer, text
from tandem_metadata.transfer.file_store.files import Problems, Unreadable
from tandem_metadata.transfer.file_store.records import RegisteredModel, Version
from tandem_metadata.transfer.file_store.store import REGISTRY, FileStore

MODELS: Final = "registered models"
VERSIONS: Final = "model versions"
ALIASES: Final = "aliases"
MODEL_TAGS: Final = "tags of registered models"
VERSION_TAGS: Final = "tags of model versions"

_VERSION: Final = "version-"


def models(store: FileStore, problems: Problems) -> Iterator[RegisteredModel]:
    """The registered models, by name."""
    folder = os.path.join(store.registry, REGISTRY)
    for name in files.folders(folder):
        if name.startswith("."):
            continue
        if made := _model(os.path.join(folder, name), name, problems):
            yield made


def _model(path: str, folder: str, problems: Problems) -> RegisteredModel | None:
    meta = os.path.join(path, META)
    name = documents.clean(folder)
    document: documents.Document = {}
    try:
        document = documents.load(meta)
    except Unreadable as error:
        if not any(each.startswith(_VERSION) for each in files.folders(path)):
            problems.skip(MODELS, meta, str(error))
            return None
        problems.mend(MODELS, meta, f"{error}; the model has its versions and nothing else")
    told = text(document, "name")
    if told not in (None, name):
        problems.mend(MODELS, meta, f"it names model {told!r}; the folder's name counts")
    versions = [*_versions(path, name, problems)]
    return RegisteredModel(
        name=name,
        path=path,
        creation_time=integer(document, "creation_timestamp"),
        last_update_time=integer(document, "last_updated_timestamp"),
        description=text(document, "description"),
        tags=files.values(os.path.join(path, "tags"), MODEL_TAGS, problems),
        aliases=_aliases(path, {each.number for each in versions}, problems),
        versions=versions,
    )


def _aliases(path: str, numbers: set[int], problems: Problems) -> dict[str, int]:
    folder = os.path.join(path, "aliases")
    found = {}
    for alias, value in files.values(folder, ALIASES, problems).items():
        number = int(value) if value.strip().isdecimal() else None
        if number in numbers:
            found[alias] = number
        else:
            reason = f"it leads to version {value[:20]!r}, which is not there"
            problems.skip(ALIASES, os.path.join(folder, alias), reason)
    return found


def _versions(path: str, model: str, problems: Problems) -> Iterator[Version]:
    numbered = []
    for name in files.folders(path):
        digits = name.removeprefix(_VERSION)
        if name.startswith(_VERSION) and digits.isdecimal() and str(int(digits)) == digits:
            numbered.append(int(digits))
        elif name not in ("tags", "aliases"):
            problems.skip(VERSIONS, os.path.join(path, name), "it is called as no version is")
    for number in sorted(numbered):
        folder = os.path.join(path, f"{_VERSION}{number}")
        meta = os.path.join(folder, META)
        try:
            document = documents.load(meta)
        except Unreadable as error:
            problems.skip(VERSIONS, meta, str(error))
            continue
        if integer(document, "version") not in (None, number):
            problems.mend(VERSIONS, meta, f"it has another number; version {number} is imported")
        if text(document, "name") not in (None, model):
            problems.mend(VERSIONS, meta, "it names another model; the folder's name counts")
        yield _version(document, number, folder, problems)


def _version(document: dict[str, Any], number: int, folder: str, problems: Problems) -> Version:
    return Version(
        number=number,
        path=folder,
        creation_time=integer(document, "creation_timestamp"),
        last_update_time=integer(document, "last_updated_timestamp"),
        description=text(document, "description"),
        user_id=text(document, "user_id"),
        stage=text(document, "current_stage") or "None",
        source=text(document, "source"),
        run_id=text(document, "run_id") or None,
        run_link=text(document, "run_link"),
        status=text(document, "status") or "READY",
        status_message=text(document, "status_message"),
        storage_location=text(document, "storage_location"),
        model_id=text(document, "model_id") or None,
        tags=files.values(os.path.join(folder, "tags"), VERSION_TAGS, problems),
    )
