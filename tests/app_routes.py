"""The routes of both services, as their applications have them."""

import contextlib
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import tandem_artifacts.app
import tandem_metadata.app
from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_metadata.settings import Settings as MetadataSettings
from tandem_shared.http.router import API_PREFIXES, Route, Router


def of_metadata(settings: MetadataSettings) -> list[Route]:
    """Every route of the metadata service; its database must be prepared."""
    with _noted(tandem_metadata.app) as routes:
        tandem_metadata.app.create_app(settings)
    return routes


def of_artifacts(settings: ArtifactsSettings) -> list[Route]:
    """Every route of the artifacts service."""
    with _noted(tandem_artifacts.app) as routes:
        tandem_artifacts.app.create_app(settings)
    return routes


@contextlib.contextmanager
def _noted(app: ModuleType) -> Iterator[list[Route]]:
    """The routes that an application gives its router."""
    noted: list[Route] = []

    def router(routes: Iterable[Route], **given: Any) -> Router:
        noted.extend(routes)
        return Router(noted, **given)

    with mock.patch.object(app, "Router", router):
        yield noted


def bare(path: str) -> str:
    """A path without `/api` and `/ajax-api`; another path is left as it is."""
    for prefix in API_PREFIXES:
        if path.startswith(f"{prefix}/"):
            return path.removeprefix(f"{prefix}/")
    return path
