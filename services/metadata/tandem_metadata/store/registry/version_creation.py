"""Creating versions of registered models and prompts."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from tandem_metadata.database.tables import registry
from tandem_metadata.database.tables.logged_models import logged_model_tags, logged_models
from tandem_metadata.messages.model_versions import CreateModelVersion, ModelVersion
from tandem_metadata.rules import limits
from tandem_metadata.rules.source_rules import Rules
from tandem_metadata.store.logged_models.logged_models import not_found as no_logged_model
from tandem_metadata.store.registry import model_versions, prompts, rows, sources
from tandem_metadata.store.registry import tags as registry_tags
from tandem_metadata.store.registry.sources import Given, Source
from tandem_metadata.store.webhooks import events
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter

VERSIONS_TAG: Final = "mlflow.modelVersions"
"""The tag of a logged model that lists the versions made from it."""

_MARKS: Final = (prompts.TAG, prompts.TEXT_TAG, prompts.TYPE_TAG)


def create(conn: Connection, request: CreateModelVersion, rules: Rules) -> ModelVersion:
    """Create the next version of a model or prompt.

    Its number is one above the highest that the model ever had. A tag of the source's logged model
    lists the new version. Raises NotFound for an unknown registered model, and for an unknown
    logged model or version in the source. Raises InvalidParameter for invalid fields, a source that
    is not allowed, and a prompt's version in a model or the reverse.
    """
    tags = registry_tags.check(request.tags, limits.VERSION_TAG_VALUE)
    as_prompt = prompts.marked(tags)
    field = "description (commit_message)" if as_prompt else "description"
    limits.check_length(field, request.description, limits.MODEL_DESCRIPTION)
    limits.check_text("run_link", request.run_link, limits.VERSION_RUN_LINK)
    given = Given(request.source, request.run_id, request.model_id)
    source = sources.resolve(conn, given, rules, of_prompt=as_prompt)
    model = rows.model(conn, request.name, lock=True)
    prompts.check_kind(conn, model, as_prompt=as_prompt)
    versions = registry.model_versions.c
    now = now_ms()
    rows.touch(conn, model.name, now)
    # A statement after the lock: READ COMMITTED shows versions that others committed meanwhile.
    last = conn.execute(select(func.max(versions.version)).where(versions.name == model.name))
    row = conn.execute(
        insert(registry.model_versions)
        .values(
            name=model.name,
            version=(last.scalar() or 0) + 1,
            creation_time=now,
            last_updated_time=now,
            description=request.description,
            current_stage="None",
            source=source.uri,
            run_id=source.run_id,
            status="READY",
            run_link=request.run_link,
            storage_location=source.location,
        )
        .returning(registry.model_versions)
    ).one()
    of = {"name": model.name, "version": row.version}
    registry_tags.add(conn, registry.model_version_tags, of, tags)
    if source.model_id:
        _tell_logged_model(conn, source.model_id, model.name, row.version)
    if as_prompt:
        _record_prompt(conn, request, row.version, tags)
    else:
        _record_model(conn, request, row.version, tags, source)
    return model_versions.from_rows(conn, [row])[0]


def _tell_logged_model(conn: Connection, model_id: str, name: str, version: int) -> None:
    """Add the version to the logged model's tag. The model's row lock orders the writers."""
    models, tags = logged_models.c, logged_model_tags.c
    experiment_id = conn.execute(
        select(models.experiment_id)
        .where(models.model_id == model_id, models.lifecycle_stage == "active")
        .with_for_update()
    ).scalar()
    if experiment_id is None:
        raise no_logged_model(model_id)
    of_tag = (tags.model_id == model_id, tags.tag_key == VERSIONS_TAG)
    value = conn.execute(select(tags.tag_value).where(*of_tag)).scalar()
    known = [*_known(value), {"name": name, "version": version}]
    if value is not None:
        conn.execute(update(logged_model_tags).where(*of_tag).values(tag_value=json.dumps(known)))
        return
    conn.execute(
        insert(logged_model_tags).values(
            model_id=model_id,
            experiment_id=experiment_id,
            tag_key=VERSIONS_TAG,
            tag_value=json.dumps(known),
        )
    )


def _known(value: str | None) -> list[Any]:
    try:
        known = json.loads(value or "[]")
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, list):
        raise InvalidParameter(
            f"The logged model's tag '{VERSIONS_TAG}' is not a list in JSON; delete the tag to "
            "begin anew."
        )
    return known


def _record_model(
    conn: Connection,
    request: CreateModelVersion,
    version: int,
    tags: Mapping[str, str],
    source: Source,
) -> None:
    data = {
        "name": request.name,
        "version": str(version),
        "source": source.uri,
        "run_id": source.named_run_id,
        "tags": tags,
        "description": request.description or None,
    }
    events.record(conn, "model_version", "created", data)


def _record_prompt(
    conn: Connection, request: CreateModelVersion, version: int, tags: Mapping[str, str]
) -> None:
    data = {
        "name": request.name,
        "version": str(version),
        "template": tags.get(prompts.TEXT_TAG),
        "tags": {key: value for key, value in tags.items() if key not in _MARKS},
        "description": request.description or None,
    }
    events.record(conn, "prompt_version", "created", data)
