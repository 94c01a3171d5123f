"""What helm asks an API server while it renders: kinds, and the objects that are there.

Nothing can be written to it.
"""

import contextlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.kubernetes.tools import NAMESPACE, Object

_VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}

_NO_DEPLOYMENTS = {
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments": {
        "apiVersion": "apps/v1",
        "kind": "DeploymentList",
        "items": [],
    }
}
"""An empty list is an answer, too."""


@contextlib.contextmanager
def serve(kinds: Iterable[Object], live: Iterable[Object]) -> Iterator[str]:
    """The address of a server that knows the kinds of some objects, and holds the live ones."""
    answers = _discovery(kinds) | _NO_DEPLOYMENTS | _lists(live)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or {"kind": "Status", "status": "Failure", "code": 404})
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def plural(kind: str) -> str:
    """The name of a kind's resource, as Kubernetes makes it."""
    name = kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}{'es' if name[-1] == 's' else 's'}"


def _discovery(kinds: Iterable[Object]) -> dict[str, Any]:
    resources: dict[str, dict[str, Any]] = defaultdict(dict)
    for each in kinds:
        kind = each["kind"]
        resources[each["apiVersion"]][kind] = {
            "name": plural(kind),
            "kind": kind,
            "namespaced": True,
            "verbs": ["get", "list"],
        }
    answers: dict[str, Any] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    groups: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for version, found in resources.items():
        listed = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": list(found.values()),
        }
        answers[_root(version)] = listed
        group, slash, name = version.partition("/")
        if slash:
            groups[group].append({"groupVersion": version, "version": name})
    answers["/apis"] = {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {"name": name, "versions": versions, "preferredVersion": versions[0]}
            for name, versions in groups.items()
        ],
    }
    return answers


def _lists(live: Iterable[Object]) -> dict[str, Any]:
    """Every namespace's Deployments, and single objects."""
    answers: dict[str, Any] = {}
    for each in live:
        version, name = each["apiVersion"], each["metadata"]["name"]
        namespace = each["metadata"]["namespace"]
        place = f"{_root(version)}/namespaces/{namespace}/{plural(each['kind'])}"
        kind = f"{each['kind']}List"
        answers.setdefault(place, {"apiVersion": version, "kind": kind, "items": []})
        answers[place]["items"].append(each)
        answers[f"{place}/{name}"] = each
    return answers


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
