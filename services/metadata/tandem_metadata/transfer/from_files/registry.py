"""Registered models on their way into the database."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from tandem_metadata.database.tables import logged_models
from tandem_metadata.database.tables import registry as tables
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.integer_columns import largest
from tandem_metadata.store.registry.version_creation import VERSIONS_TAG
from tandem_metadata.transfer.file_store import registry
from tandem_metadata.transfer.file_store.records import RegisteredModel, Version
from tandem_metadata.transfer.from_files.locations import Locations
from tandem_metadata.transfer.from_files.texts import Texts
from tandem_metadata.transfer.report import Report

_MODEL: Final = ("name", "creation_time", "last_updated_time", "description")
_VERSION: Final = (
    "name",
    "version",
    "creation_time",
    "last_updated_time",
    "description",
    "user_id",
    "current_stage",
    "source",
    "run_id",
    "status",
    "status_message",
    "run_link",
    "storage_location",
)


def is_complete(conn: Connection, given: RegisteredModel, report: Report) -> bool:
    """Whether the database has the model with all these versions; the report is told then."""
    there = _find(conn, given.name)
    if there is None or not _is_same(given.creation_time, there.creation_time):
        return False
    times = _versions(conn, given.name)
    if not all(
        each.number in times and _is_same(each.creation_time, times[each.number])
        for each in given.versions
    ):
        return False
    report.found(registry.MODELS)
    report.already_there(registry.MODELS)
    report.found(registry.VERSIONS, len(given.versions))
    report.already_there(registry.VERSIONS, len(given.versions))
    return True


def put(
    conn: Connection | None,
    look: Connection | None,
    given: RegisteredModel,
    locations: Locations,
    texts: Texts,
    report: Report,
) -> None:
    """Add a model, or the versions that it lacks; without `conn`, only tell the report.

    `look` reads what is there, unless the database has no tables. Of a model that is there nothing
    else changes: its tags and aliases are the database's. An alias that is new and leads to a
    version that is new is added. Another model of the same name, as another folder or a server has
    made it, stays as it is, and all of this one is skipped; so is a version that another has the
    number of. They are told apart by the times of their creation, which nothing changes.
    """
    name = texts.fit("registered_models", "name", given.name, registry.MODELS, given.path)
    model = _find(look, name) if look is not None else None
    is_new = model is None
    report.found(registry.MODELS)
    report.found(registry.VERSIONS, len(given.versions))
    if model is not None and not _is_same(given.creation_time, model.creation_time):
        reason = f"the database has another registered model that is called {name!r}"
        report.skip(registry.MODELS, given.path, reason)
        for each in given.versions:
            report.skip(registry.VERSIONS, each.path, reason)
        return
    if is_new:
        report.imported(registry.MODELS)
        _insert(conn, tables.registered_models, _MODEL, [_model_row(name, given, texts)])
        tags = texts.fit_all(
            "registered_model_tags", given.tags, registry.MODEL_TAGS, given.path, "key", "value"
        )
        rows = [(key, value, name) for key, value in tags.items()]
        _insert(conn, tables.registered_model_tags, ("key", "value", "name"), rows)
        report.found(registry.MODEL_TAGS, len(rows))
        report.imported(registry.MODEL_TAGS, len(rows))
    else:
        report.already_there(registry.MODELS)
    there = _versions(look, name) if look is not None and not is_new else {}
    new = []
    for each in given.versions:
        if each.number not in there:
            new.append(each)
        elif _is_same(each.creation_time, there[each.number]):
            report.already_there(registry.VERSIONS)
        else:
            reason = f"the database has another version {each.number} of {name!r}"
            report.skip(registry.VERSIONS, each.path, reason)
    if look is not None:
        new = [each for each in new if _fits(look, each, report)]
    _put_versions(conn, name, new, locations, texts, report)
    aliases = given.aliases
    if not is_new:
        numbers = {each.number for each in new}
        aliases = {alias: number for alias, number in aliases.items() if number in numbers}
    _put_aliases(conn, name, aliases, given, texts, report)


def _put_versions(
    conn: Connection | None,
    name: str,
    new: Sequence[Version],
    locations: Locations,
    texts: Texts,
    report: Report,
) -> None:
    _insert(
        conn,
        tables.model_versions,
        _VERSION,
        [_version_row(name, each, locations, texts) for each in new],
    )
    report.imported(registry.VERSIONS, len(new))
    rows = []
    for each in new:
        tags = texts.fit_all(
            "model_version_tags", each.tags, registry.VERSION_TAGS, each.path, "key", "value"
        )
        rows += [(key, value, name, each.number) for key, value in tags.items()]
    _insert(conn, tables.model_version_tags, ("key", "value", "name", "version"), rows)
    report.found(registry.VERSION_TAGS, len(rows))
    report.imported(registry.VERSION_TAGS, len(rows))
    if conn is not None:
        for each in new:
            if each.model_id:
                _tell_logged_model(conn, each.model_id, name, each.number)


def _put_aliases(
    conn: Connection | None,
    name: str,
    given: Mapping[str, int],
    model: RegisteredModel,
    texts: Texts,
    report: Report,
) -> None:
    rows = []
    for alias, number in given.items():
        fitting = texts.fit(
            "registered_model_aliases", "alias", alias, registry.ALIASES, model.path
        )
        rows.append((fitting, number, name))
    written = _insert(conn, tables.registered_model_aliases, ("alias", "version", "name"), rows)
    report.found(registry.ALIASES, len(rows))
    report.imported(registry.ALIASES, written)
    report.already_there(registry.ALIASES, len(rows) - written)


def _tell_logged_model(conn: Connection, model_id: str, name: str, number: int) -> None:
    """Have the logged model name its version, as registering it does: versions have no column."""
    models, tags = logged_models.logged_models.c, logged_models.logged_model_tags.c
    experiment = conn.execute(
        select(models.experiment_id).where(models.model_id == model_id).with_for_update()
    ).scalar()
    if experiment is None:
        return
    of_tag = (tags.model_id == model_id, tags.tag_key == VERSIONS_TAG)
    value = conn.execute(select(tags.tag_value).where(*of_tag)).scalar()
    try:
        told = json.loads(value or "[]")
    except (ValueError, RecursionError):
        return
    if not isinstance(told, list):
        return
    for each in told:
        if isinstance(each, dict) and each.get("name") == name:
            if str(each.get("version")) == str(number):
                return
    text = json.dumps([*told, {"name": name, "version": number}])
    table = logged_models.logged_model_tags
    if value is not None:
        conn.execute(update(table).where(*of_tag).values(tag_value=text))
        return
    conn.execute(
        insert(table).values(
            model_id=model_id, experiment_id=experiment, tag_key=VERSIONS_TAG, tag_value=text
        )
    )


def _model_row(name: str, given: RegisteredModel, texts: Texts) -> tuple[Any, ...]:
    description = texts.fit_or_none(
        "registered_models", "description", given.description, registry.MODELS, given.path
    )
    return name, given.creation_time, given.last_update_time, description


def _version_row(name: str, given: Version, locations: Locations, texts: Texts) -> tuple[Any, ...]:
    def fit(column: str, text: str | None) -> str | None:
        return texts.fit_or_none("model_versions", column, text, registry.VERSIONS, given.path)

    def place(column: str, location: str | None) -> str | None:
        return fit(column, locations.of(location) if location else location)

    return (
        name,
        given.number,
        given.creation_time,
        given.last_update_time,
        fit("description", given.description),
        fit("user_id", given.user_id),
        fit("current_stage", given.stage),
        place("source", given.source),
        fit("run_id", given.run_id),
        fit("status", given.status),
        fit("status_message", given.status_message),
        fit("run_link", given.run_link),
        place("storage_location", given.storage_location),
    )


def _fits(conn: Connection, given: Version, report: Report) -> bool:
    highest = largest(conn)
    if given.number <= highest:
        return True
    reason = f"numbers of versions go up to {highest} in this database"
    report.skip(registry.VERSIONS, given.path, reason)
    return False


def _find(conn: Connection, name: str) -> Any | None:
    columns = tables.registered_models.c
    found = select(columns.name, columns.creation_time).where(columns.name == name)
    return conn.execute(found).first()


def _versions(conn: Connection, name: str) -> dict[int, int | None]:
    """The times of their creation, by their numbers."""
    columns = tables.model_versions.c
    found = select(columns.version, columns.creation_time).where(columns.name == name)
    return {row.version: row.creation_time for row in conn.execute(found)}


def _is_same(given: int | None, there: int | None) -> bool:
    return given is None or there is None or given == there


def _insert(
    conn: Connection | None, table: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> int:
    if conn is None:
        return len(rows)
    return bulk.insert_rows(conn, table, columns, rows, bulk.UNLESS_THERE)
