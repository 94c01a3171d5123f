"""Requests for a file, in every way and every spelling, that another team may try."""

import json

from tests.system.services import Stack
from tests.system.teams import ARTIFACTS, Team, ask

_STEPS = ("create", "complete", "abort")


def secret(stack: Stack, team: Team) -> bytes:
    answer = ask(
        stack.artifacts, "GET", f"/api/{ARTIFACTS}/{team.root}/secret.txt", team.user.bearer
    )
    assert answer.status == 200
    return answer.body


def spellings(own: Team, other: Team) -> list[str]:
    """Ways to write the path of another team's file in a URL."""
    path = f"{other.root}/secret.txt"
    first, rest = path[0], path[1:]
    return [
        path,
        f"%{ord(first):02x}{rest}",
        f"%25{ord(first):02x}{rest}",
        f"%2525{ord(first):02x}{rest}",
        path.replace("/", "%2f"),
        path.replace("/", "%252F"),
        path.replace("/", "//"),
        path.replace("/", "/%2f"),
        path.replace("/", "/%2e/"),
        path.replace("/", "\\"),
        path.replace("/", "%5c"),
        f"{path}%3f",
        f"{path}%3b",
        f"{path};",
        f"{path}/",
        f"{path}%2f",
        f"{first}%09{rest}",
        f"%09{path}",
        f"./{path}",
        f"/{path}",
        f"%2f{path}",
        f"{own.root}/../../../{path}",
        f"{own.root}/%2e%2e/%2e%2e/%2e%2e/{path}",
        f"{own.root}/%252e%252e/%252e%252e/%252e%252e/{path}",
        f"{own.root}/..%2f..%2f..%2f{path}",
        f"{own.root}/..%5c..%5c..%5c{path}",
        f"{own.experiment}/../{path}",
        f"x/%2e%2e/{path}",
        f"http://localhost/{path}",
        f"file:///{path}",
    ]


def attempts(path: str) -> list[tuple[str, str, bytes | None]]:
    """Requests that would read, write or delete the file: method, target below /api, and body."""
    directory, _, name = path.rpartition("/")
    upload = {"path": f"/tmp/{name}", "num_parts": 1, "upload_id": "x", "parts": []}
    body = json.dumps(upload).encode()
    api = "2.0/mlflow-artifacts"
    return [
        *((method, f"{ARTIFACTS}/{path}", None) for method in ("GET", "HEAD", "DELETE")),
        ("PUT", f"{ARTIFACTS}/{path}", b"taken"),
        ("GET", f"{api}/presigned/{path}", None),
        *(("POST", f"{api}/mpu/{step}/{directory}", body) for step in _STEPS),
        ("GET", f"{ARTIFACTS}?path={path}", None),
        ("GET", f"{ARTIFACTS}?path={directory}", None),
        ("DELETE", f"{ARTIFACTS}/{directory}/", None),
    ]
