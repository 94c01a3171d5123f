"""Requests that are wrong below the level of any one resource, and the service's own pages."""

from tests.system.peer.ask import API, Ask, get, post

_JSON = {"Content-Type": "application/json"}
_CREATE = f"{API}experiments/create"


def _raw(name: str, body: bytes, path: str = _CREATE, **headers: str) -> Ask:
    return Ask(name, "POST", path, body, headers={**_JSON, **headers})


def _typed(name: str, kind: str, body: bytes) -> Ask:
    return Ask(name, "POST", _CREATE, body, headers={"Content-Type": kind})


REQUESTS = [
    _raw("no body", b""),
    _raw("a brace too few", b'{"name": "x"'),
    _raw("a brace too many", b'{"name": "x"}}'),
    _raw("no JSON at all", b"name=x"),
    _raw("single quotes", b"{'name': 'x'}"),
    _raw("a trailing comma", b'{"name": "x",}'),
    _raw("a list for a body", b"[]"),
    _raw("a string for a body", b'"x"'),
    _raw("a number for a body", b"5"),
    _raw("null for a body", b"null"),
    _raw("true for a body", b"true"),
    _raw("JSON in a JSON string", b'"{\\"name\\": \\"in-a-string\\"}"'),
    _raw("bytes that are no UTF-8", b'{"name": "\xff\xfe"}'),
    _raw("UTF-16", '{"name": "x"}'.encode("utf-16")),
    _raw("a byte order mark", b'\xef\xbb\xbf{"name": "bom"}'),
    _raw("half a surrogate pair", b'{"name": "\\ud800"}'),
    _raw("a NUL in a name", b'{"name": "a\\u0000b"}'),
    _raw("control characters in a name", b'{"name": "a\\u0007\\nb"}'),
    _raw("a key twice", b'{"name": "twice-1", "name": "twice-2"}'),
    _raw("nested deeply", b'{"name": ' + b"[" * 3000 + b"]" * 3000 + b"}"),
    _raw("nested in an unknown field", b'{"name": "deep", "x": ' + b"[" * 50 + b"]" * 50 + b"}"),
    _typed("a form", "application/x-www-form-urlencoded", b"name=form"),
    _typed("a text that is JSON", "text/plain", b'{"name": "text-plain"}'),
    _typed("JSON with a charset", "application/json; charset=utf-8", b'{"name": "charset"}'),
    _typed("no content type", "", b'{"name": "untyped"}'),
    Ask("an unknown path", "POST", f"{API}nosuch", {}),
    Ask("an unknown path by GET", "GET", f"{API}nosuch"),
    Ask("an unknown version", "GET", "/api/1.0/mlflow/experiments/get"),
    Ask("a trailing slash", "GET", f"{API}experiments/get/"),
    Ask("a double slash", "GET", "/api/2.0//mlflow/experiments/get"),
    Ask("a wrong method", "PUT", _CREATE, {"name": "put"}),
    Ask("DELETE on experiments", "DELETE", f"{API}experiments/delete", {"experiment_id": "0"}),
    Ask("PATCH on runs", "PATCH", f"{API}runs/update", {}),
    Ask("HEAD of an experiment", "HEAD", f"{API}experiments/get", query=(("experiment_id", "0"),)),
    Ask("the version", "GET", "/version"),
    Ask("the health", "GET", "/health"),
    get("a parameter twice", "experiments/get", {"experiment_id": ["0", "1"]}),
    get("a parameter with a NUL", "experiments/get-by-name", {"experiment_name": "a\0b"}),
    get("a parameter that is no UTF-8", "experiments/get-by-name?experiment_name=%ff"),
    post("SQL in a name", "experiments/create", {"name": "'; DROP TABLE experiments; --"}),
    post("SQL in an id", "experiments/delete", {"experiment_id": "1 OR 1=1"}),
    get("SQL in a run id", "runs/get", {"run_id": "x' OR '1'='1"}),
    post("HTML in a name", "experiments/create", {"name": "<script>alert(1)</script>"}),
    post("a template in a name", "experiments/create", {"name": "{{7*7}} %s {0} $x"}),
    get(
        "the template as it was",
        "experiments/get-by-name",
        {"experiment_name": "{{7*7}} %s {0} $x"},
    ),
    post("a field in camel case", "experiments/get-by-name", {"experimentName": "Default"}),
    get("a field in camel case by GET", "experiments/get", {"experimentId": "0"}),
    post(
        "a body field in camel case",
        "runs/create",
        {"experimentId": "0", "runName": "camel", "startTime": 1650000000000},
    ),
]
