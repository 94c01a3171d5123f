"""The tables of docs/security.md: every route of both services, and who may call it.

`python -m tests.route_rules` writes them there; a test compares them with the routes.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_metadata.database.database import Database
from tandem_metadata.graphql.resolvers import OPERATIONS
from tandem_metadata.graphql.schema import build
from tandem_metadata.settings import Settings as MetadataSettings
from tandem_shared.http.router import API_PREFIXES, Route
from tests import app_routes

PAGE = Path(__file__).resolve().parents[1] / "docs" / "security.md"
_ROOT = "mlflow-artifacts://127.0.0.1:1/"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def tables() -> dict[str, str]:
    """The table of each name that the page marks."""
    with tempfile.TemporaryDirectory() as folder:
        of_metadata = app_routes.of_metadata(_metadata(Path(folder)))
        of_artifacts = app_routes.of_artifacts(
            ArtifactsSettings(artifacts_destination=f"{folder}/artifacts")
        )
    fields = [(name, each.permission) for name, each in sorted(OPERATIONS.items())]
    kinds = _kinds_of_fields()
    return {
        "metadata": _of_routes(of_metadata),
        "graphql": _table(
            "field", ((f"{kinds[name]} `{name}`", rule.text) for name, rule in fields)
        ),
        "artifacts": _of_routes(of_artifacts),
    }


def _kinds_of_fields() -> dict[str, str]:
    """Whether each field of GraphQL's schema is a query, a mutation or both."""
    schema = build()
    kinds: dict[str, str] = {}
    for word, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for name in root.fields if root else ():
            kinds[name] = f"{kinds[name]}, {word}" if name in kinds else word
    return kinds


def written(page: str, tables: Mapping[str, str]) -> str:
    """A page with these tables between their marks; raises ValueError where marks are missing."""
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        head, _, rest = page.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            raise ValueError(f"the page has no marks of {name}")
        page = head + begin + table + end + tail
    return page


def _metadata(folder: Path) -> MetadataSettings:
    """Settings of a service with all routes, over a database of its own."""
    build = folder / "build"
    build.mkdir()
    (build / "index.html").write_text('<script src="static-files/main.js"></script>')
    settings = MetadataSettings(
        backend_store_uri=f"sqlite:///{folder / 'mlflow.db'}",
        default_artifact_root=_ROOT,
        ui_dir=str(build),
        auth="oidc",
        oidc_issuer="https://login.example.com",
        oidc_client_id="tandem",
        auth_admin_password="correct horse battery",
    )
    database = Database(settings)
    database.prepare(_ROOT)
    database.close()
    return settings


def _of_routes(routes: Iterable[Route]) -> str:
    """One line for each path and rule, with the methods and the prefixes that have both."""
    methods: dict[tuple[str, str], set[str]] = defaultdict(set)
    prefixes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for route in routes:
        path, text = app_routes.bare(route.path), route.permission.text
        prefix = route.path.removesuffix(f"/{path}") if path != route.path else ""
        methods[path, text].add(route.method)
        prefixes[path, text, route.method].add(prefix)
    lines = []
    for (path, text), own in methods.items():
        under = {frozenset(prefixes[path, text, method]) for method in own}
        for each in sorted(under, key=sorted):
            named = [m for m in _METHODS if m in own and prefixes[path, text, m] == each]
            lines.append((_written(path, each), ", ".join(named), text))
    return _table("path", (((f"{verbs} `{path}`"), text) for path, verbs, text in sorted(lines)))


def _written(path: str, prefixes: frozenset[str]) -> str:
    if prefixes == frozenset(API_PREFIXES):
        return path
    [prefix] = prefixes
    return f"{prefix}/{path}" if prefix else path


def _table(head: str, lines: Iterable[tuple[str, str]]) -> str:
    return "".join(_lines(head, lines))


def _lines(head: str, lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"| {head} | who |\n|---|---|\n"
    for name, text in lines:
        yield f"| {name} | {text} |\n"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), tables()))
