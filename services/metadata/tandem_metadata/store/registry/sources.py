"""Resolves and checks the sources of new model versions.

Every reader of the registry may read a version's artifacts, which this service relays. A local path
or a place on an artifacts service must therefore belong to the request's run or logged model. The
rules are MLflow's, except that local paths are compared as written: they are not paths of this
machine.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, unquote_plus, urlsplit

from sqlalchemy import Connection, Row, select

from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.rules import limits
from tandem_metadata.rules.artifact_locations import fully_decoded
from tandem_metadata.rules.source_rules import Rules
from tandem_metadata.store.logged_models.logged_models import not_found as no_logged_model
from tandem_metadata.store.registry import aliases, model_versions, prompts, rows
from tandem_shared.errors import InvalidParameter, NotFound

_PROXY: Final = ("2.0", "mlflow-artifacts", "artifacts")
"""Segments that every artifacts-service URL's path contains."""

_LOCAL_HOSTS: Final = ("", ".", "localhost", "127.0.0.1")
_SEPARATOR: Final = re.compile(r"[/\\]")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Given:
    """The source fields of a request; an id that is not given is None."""

    source: str
    run_id: str | None
    model_id: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """A checked source."""

    uri: str
    location: str
    """The artifacts' location; a `models:/` URI is resolved."""
    run_id: str | None
    named_run_id: str | None
    """The run that the request or the copied version names, not the logged model's own."""
    model_id: str | None = None
    """The logged model of the new version."""


def resolve(conn: Connection, given: Given, rules: Rules, *, of_prompt: bool) -> Source:
    """The checked source of a new version of a model or prompt.

    Raises InvalidParameter for a source that is not allowed, and NotFound for an unknown version or
    logged model in it.
    """
    limits.check_uri("source", given.source, limits.VERSION_SOURCE)
    limits.check_text("run_id", given.run_id or "", limits.VERSION_RUN_ID)
    if rules.pattern and not rules.pattern.search(given.source):
        raise _refused(given, "It does not match what this server accepts as a source")
    if of_prompt:
        prompts.check_source(given.source)
        run_id = given.run_id or ""
        return Source(given.source, given.source, run_id, run_id or None)
    parts = _split(given)
    if not rules.allows_host(given.source) and not _is_within_root(conn, given):
        raise InvalidParameter(
            f"'source' cannot use the '{parts.scheme}' scheme: reading connects to the host that "
            f"is named, and that of {limits.quoted(given.source, _SHOWN)} is neither one of this "
            "server's artifact hosts nor where the given run or model has its artifacts; the "
            "server's settings allow further schemes."
        )
    if parts.scheme == "models":
        return _of_models_uri(conn, given, parts)
    _check_place(conn, given, parts)
    run_id = given.run_id or ""
    tracked = _logged_model(conn, given.model_id) if given.model_id else None
    return Source(
        uri=given.source,
        location=given.source,
        run_id=run_id or (tracked.source_run_id if tracked else run_id),
        named_run_id=run_id or None,
        model_id=given.model_id or None,
    )


def _of_models_uri(conn: Connection, given: Given, parts: SplitResult) -> Source:
    """Resolve a `models:/` URI: a logged model's id, or a version by number, stage or alias."""
    if parts.netloc:
        raise _refused(given, "A models:/ URI has no host; models are those of this server")
    # No fragments, as in MLflow's parser of these URIs: a name may hold '#'.
    path = urlsplit(given.source, allow_fragments=False).path
    names = path.lstrip("/").split("/")
    if not path.startswith("/") or len(names) > 2 or not all(name.strip() for name in names):
        raise _malformed(given)
    if len(names) == 2:
        return _copied(conn, given, names[0], lambda: _of_suffix(conn, names[0], names[1]))
    if "@" in path:
        name, _, alias = names[0].rpartition("@")
        if not alias.strip():
            raise _malformed(given)
        return _copied(conn, given, name, lambda: aliases.row(conn, name, alias))
    if names[0] != given.model_id:
        raise _refused(given, "Parameter 'model_id' must name the logged model of the source")
    model = _logged_model(conn, names[0])
    run_id = given.run_id or ""
    return Source(
        uri=given.source,
        location=model.artifact_location,
        run_id=run_id or model.source_run_id,
        named_run_id=run_id or None,
        model_id=names[0],
    )


def names_in(source: str) -> tuple[str, ...]:
    """The names in a `models:/` URI: one of a logged model or with an alias, or a model's and more.

    Empty for any other source, and for what is no URI. Schemes are read as a creation reads them.
    """
    try:
        # No fragments, as in MLflow's parser of these URIs: a name may hold '#'.
        parts = urlsplit(source, allow_fragments=False)
    except ValueError:
        return ()
    return tuple(parts.path.lstrip("/").split("/")) if parts.scheme == "models" else ()


def named_version(conn: Connection, source: str) -> Row[Any] | None:
    """The row of the version that a `models:/` URI means; None for another source.

    Raises NotFound for an unknown version, and InvalidParameter for an invalid one.
    """
    names = names_in(source)
    if len(names) == 2:
        return _of_suffix(conn, names[0], names[1])
    if len(names) == 1 and "@" in names[0]:
        name, _, alias = names[0].rpartition("@")
        return aliases.row(conn, name, alias)
    return None


def _copied(conn: Connection, given: Given, name: str, find: Callable[[], Row[Any]]) -> Source:
    """A source with the artifacts and the run of another version."""
    rows.model(conn, name)
    if prompts.is_prompt(conn, name):
        raise _refused(
            given,
            f"Prompt versions cannot be used as model version sources: {name!r} is a prompt, which "
            "has no artifacts",
        )
    version = find()
    other_run = given.run_id is not None and given.run_id != (version.run_id or "")
    if other_run or given.model_id:
        raise _refused(
            given,
            "Parameters 'run_id' and 'model_id' must be left out, or be those of the version "
            "that the source names",
        )
    return Source(
        uri=f"models:/{name}/{version.version}",
        location=model_versions.location(version),
        run_id=version.run_id if given.run_id is None else given.run_id,
        named_run_id=version.run_id or None,
    )


def _of_suffix(conn: Connection, name: str, suffix: str) -> Row[Any]:
    """The row of the version that `models:/name/suffix` means."""
    if suffix.isdigit():
        return rows.version(conn, name, suffix)
    if suffix.lower() == aliases.LATEST:
        return model_versions.highest(conn, name)
    stage = rows.stage("source", suffix)
    for row in model_versions.latest(conn, [name]):
        if row.current_stage == stage:
            return row
    raise NotFound(f"No versions of model with name {name!r} and stage '{stage}' found.")


def _check_place(conn: Connection, given: Given, parts: SplitResult) -> None:
    if parts.scheme in ("", "file"):
        if not _is_within_root(conn, given):
            raise _refused(
                given,
                "A local path must lie within the artifacts of the run in parameter 'run_id', or "
                "of the logged model in 'model_id'",
            )
        return
    _check_absolute(given)
    if parts.scheme == "runs":
        run_id, *_ = parts.path.removeprefix("/").split("/")
        if parts.netloc or not parts.path.startswith("/") or not run_id:
            raise _refused(given, "Write runs:/<run id>/path")
        if given.model_id or run_id != given.run_id:
            raise _refused(
                given,
                "Parameter 'run_id' must name the run of the source, and 'model_id' be left out",
            )
    elif _is_proxied(parts) and not _is_within_root(conn, given):
        raise _refused(
            given,
            "It must lie within the artifacts of the run in parameter 'run_id', or of the logged "
            "model in 'model_id'",
        )


def _check_absolute(given: Given) -> None:
    """Refuse a path that decoding, however often, could turn into another one."""
    decoded = fully_decoded(given.source, unquote_plus)
    try:
        path = re.sub("/+", "/", urlsplit(decoded).path.rstrip("/"))
    except ValueError:
        raise _refused(given, "It is not a URI") from None
    if (
        "\0" in decoded
        or ".." in _SEPARATOR.split(decoded)
        or not path.startswith("/")
        or posixpath.normpath(path) != path
    ):
        raise _refused(given, "Its path must be absolute, without '.' and '..' segments")


def _is_proxied(parts: SplitResult) -> bool:
    """Whether a URI's artifacts are on an artifacts service."""
    if parts.scheme == "mlflow-artifacts":
        return True
    names = _names(parts.path)
    return parts.scheme in ("http", "https") and any(
        names[i : i + len(_PROXY)] == _PROXY for i in range(len(names))
    )


def _is_within_root(conn: Connection, given: Given) -> bool:
    """Whether a source lies within the artifacts of the request's logged model or run."""
    root = _root(conn, given)
    if root is None or ".." in _SEPARATOR.split(fully_decoded(given.source)):
        return False
    (place, names), (root_place, root_names) = _place(given.source), _place(root)
    # An empty root would contain every path.
    return place == root_place and bool(root_names) and names[: len(root_names)] == root_names


def _place(uri: str) -> tuple[object, tuple[str, ...]]:
    """Scheme and authority, to compare for equality, and path segments, to compare as a prefix."""
    parts = urlsplit(uri)
    if parts.scheme == "":
        return ("local", uri.startswith("/")), _names(uri)
    if parts.scheme == "file":
        local = (parts.hostname or "") in _LOCAL_HOSTS
        return ("local", True) if local else ("file", parts.netloc), _names(parts.path)
    return (parts.scheme, parts.netloc.lower()), _names(parts.path)


def _names(path: str) -> tuple[str, ...]:
    return tuple(fully_decoded(name) for name in path.split("/") if name)


def _root(conn: Connection, given: Given) -> str | None:
    """The artifact location of the request's logged model, or else of its run."""
    if given.model_id:
        statement = select(logged_models.c.artifact_location).where(
            logged_models.c.model_id == given.model_id,
            logged_models.c.lifecycle_stage == "active",
        )
    else:
        statement = select(runs.c.artifact_uri).where(runs.c.run_uuid == (given.run_id or ""))
    root: str | None = conn.execute(statement).scalar()
    return root


def _logged_model(conn: Connection, model_id: str) -> Row[Any]:
    row = conn.execute(
        select(logged_models).where(
            logged_models.c.model_id == model_id, logged_models.c.lifecycle_stage == "active"
        )
    ).first()
    if row is None:
        raise no_logged_model(model_id)
    return row


def _split(given: Given) -> SplitResult:
    try:
        parts = urlsplit(given.source)
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        raise _refused(given, "It is not a URI") from None
    return parts


def _malformed(given: Given) -> InvalidParameter:
    return _refused(
        given,
        "Write models:/<logged model's id>, models:/<name>/<version> or models:/<name>@<alias>",
    )


def _refused(given: Given, reason: str) -> InvalidParameter:
    cut = f"{given.source[:_SHOWN]}..." if len(given.source) > _SHOWN else given.source
    return InvalidParameter(f"Invalid model version source: '{cut}'. {reason}.")
