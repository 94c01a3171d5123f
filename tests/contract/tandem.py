"""What Tandem does with the requests of a contract: both services are asked, in this process."""

import enum
import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
)
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

import tandem_artifacts.settings
import tandem_metadata.graphql
import tandem_metadata.settings
from tandem_artifacts.app import create_app as artifacts_app
from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_metadata.app import create_app as metadata_app
from tandem_metadata.database.tables import METADATA
from tandem_metadata.routes import ui_stubs
from tandem_metadata.settings import Settings as MetadataSettings
from tandem_shared.http.router import ROUTE
from tandem_shared.settings import CommonSettings, flag
from tests.contract.entries import Contract
from tests.contract.server_routes import split

OTHER_METHODS = {("GET", "/graphql"): "A GET could be cached, and sent by a link."}
"""Methods that Tandem refuses on paths that it has, and why."""

_PARAMETER = re.compile(r"\{\w*(?::path)?\}")
SCHEMA = Path(str(tandem_metadata.graphql.__file__)).with_name("schema.graphql")
_NO_METHOD, _NOT_HERE, _ABSENT = 405, 503, 501


class Standing(enum.StrEnum):
    """What Tandem does with a request of MLflow's."""

    IMPLEMENTED = "implemented"
    EMPTY = "answered emptily"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """Tandem's answer to a request, and the sentence of a refusal."""

    standing: Standing
    reason: str = ""


class Tandem:
    """Both services, on an empty database and an empty directory."""

    def __init__(self, metadata: "_Asked", artifacts: "_Asked") -> None:
        self._metadata = metadata
        self._artifacts = artifacts
        self._stubs = {(route.method, route.path) for route in ui_stubs.routes()}

    def answer(self, method: str, path: str) -> Answer:
        """What the services do with a request that has an empty message."""
        filled = _PARAMETER.sub("0", path)
        route, status, _ = self._artifacts.ask(method, filled)
        if route and status not in (_NO_METHOD, _NOT_HERE):
            return Answer(Standing.IMPLEMENTED)
        route, status, told = self._metadata.ask(method, filled)
        if reason := OTHER_METHODS.get((method, path)):
            return Answer(Standing.ABSENT, reason)
        unknown = not route and told.get("error_code") == "ENDPOINT_NOT_FOUND"
        if unknown or status == _NO_METHOD:
            return Answer(Standing.UNKNOWN)
        if status == _ABSENT or not route:
            return Answer(Standing.ABSENT, str(told.get("message", "")))
        if (method, route) in self._stubs:
            return Answer(Standing.EMPTY)
        return Answer(Standing.IMPLEMENTED)

    def of_endpoints(self, contract: Contract) -> dict[str, Answer]:
        """The answers to a contract's endpoints, by their names.

        Those below `/api` are served to browsers below `/ajax-api` too: the worse answer counts.
        """
        return {key: self._of_endpoint(*split(key)) for key in contract.of("endpoint")}

    def _of_endpoint(self, method: str, path: str) -> Answer:
        answers = [self.answer(method, path)]
        if path.startswith("/api/"):
            answers.append(self.answer(method, f"/ajax-api{path.removeprefix('/api')}"))
        return max(answers, key=_rank)

    def info(self) -> dict[str, set[str]]:
        """Fields of each service's server-info, by the service's name."""
        path = "/api/3.0/mlflow/server-info"
        return {
            tandem_metadata.settings.NAME: set(self._metadata.ask("GET", path)[2]),
            tandem_artifacts.settings.NAME: set(self._artifacts.ask("GET", path)[2]),
        }

    def of_page(self, path: str, methods: Collection[str]) -> Answer:
        """The best answer to a request of the web UI, whose method its scripts do not tell."""
        answers = [self.answer(method, path) for method in methods]
        return min(answers, key=_rank)


def _rank(answer: Answer) -> int:
    return list(Standing).index(answer.standing)


class _Asked:
    """A service, and the route that took the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._route: str | None = None
        self.client = TestClient(self, raise_server_exceptions=False, follow_redirects=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                self._route = scope.get(ROUTE)

    def ask(self, method: str, path: str) -> tuple[str | None, int, Mapping[str, object]]:
        """The route, the status, and the JSON object of the answer, if it is one."""
        body: dict[str, object] | None = None if method == "GET" else {}
        answer = self.client.request(method, path, json=body)
        try:
            told = json.loads(answer.content)
        except ValueError:
            told = None
        return self._route, answer.status_code, told if isinstance(told, dict) else {}


@contextmanager
def running(folder: Path) -> Iterator[Tandem]:
    """Both services, while they may be asked; the folder is for their data."""
    ui = folder / "ui"
    ui.mkdir()
    (ui / "index.html").write_text('<script src="main.js"></script>')
    metadata = metadata_app(
        MetadataSettings(
            backend_store_uri=f"sqlite:///{folder / 'mlflow.db'}",
            default_artifact_root="mlflow-artifacts://127.0.0.1:5500/",
            ui_dir=str(ui),
            disable_security_middleware=True,
        )
    )
    artifacts = artifacts_app(
        ArtifactsSettings(
            artifacts_destination=str(folder / "artifacts"), disable_security_middleware=True
        )
    )
    with ExitStack() as opened:
        asked = [_Asked(app) for app in (metadata, artifacts)]
        for each in asked:
            opened.enter_context(each.client)
        yield Tandem(*asked)


SERVICES: Mapping[str, tuple[type[CommonSettings], Collection[str]]] = {
    module.NAME: (settings, {*module.REFUSED_FLAGS, *module.ACCEPTED_SWITCHES})
    for module, settings in (
        (tandem_metadata.settings, MetadataSettings),
        (tandem_artifacts.settings, ArtifactsSettings),
    )
}


def flags_of(service: str) -> set[str]:
    """Flags that `serve` takes, or refuses in words of its own."""
    settings, others = SERVICES[service]
    known = set(others)
    for item in fields(settings):
        known |= {flag(item), f"--no-{flag(item)[2:]}", item.metadata["short"] or ""}
    return known


def variables() -> set[str]:
    """Environment variables that one of the services reads."""
    return {item.metadata["env"] for kind, _ in SERVICES.values() for item in fields(kind)}


def tables() -> set[str]:
    """Tables of MLflow's that Tandem reads or writes."""
    return set(METADATA.tables)


def graphql_types() -> dict[str, set[str]]:
    """Types of Tandem's GraphQL schema with the names of their members."""
    schema = build_schema(SCHEMA.read_text())
    found: dict[str, set[str]] = {}
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLEnumType):
            found[name] = set(kind.values)
        elif isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            found[name] = set(kind.fields)
    return found
