"""Webhooks: create, list, read, change, delete, and what each of them refuses.

No request reaches a receiver: both servers refuse addresses that are not public, and tests have no
business with those that are.
"""

from typing import Any

from tests.system.peer.ask import API, Ask, get, post

_URL = "https://8.8.8.8/hook"
_EVENT = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
_TAG_EVENT = {"entity": "MODEL_VERSION_TAG", "action": "SET"}
_ONE = "webhooks/${hook}"


def _create(title: str, keep: str = "", /, **fields: Any) -> Ask:
    body = {"name": "hook", "url": _URL, "events": [_EVENT], **fields}
    kept = {keep: "webhook.webhook_id"} if keep else {}
    return post(title, "webhooks", {k: v for k, v in body.items() if v is not ...}, **kept)


def _patch(name: str, body: Any, path: str = _ONE) -> Ask:
    return Ask(name, "PATCH", API + path, body)


def _delete(name: str, path: str = _ONE) -> Ask:
    return Ask(name, "DELETE", API + path)


_NAMES = ("", " ", "a b", "-a", "a-", "a" * 64, "é", 3)
_GOOD_NAMES = ("A.b_c-d", "a", "9", "a" * 63)
_URLS = (
    "", " ", "http://8.8.8.8/", "ftp://8.8.8.8", "8.8.8.8/x", "https://", "https://[/",
    "https://127.0.0.1/", "https://10.0.0.1/", "https://192.168.0.1/", "https://169.254.169.254/",
    "https://100.64.0.1/", "https://0.0.0.0/", "https://2130706433/", "https://[::1]/",
    "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/", "https://localhost/",
)  # fmt: skip
_TAKEN_BY_MLFLOW = (
    "https://224.0.0.1/", "https://8.8.8.8:99999/", "https://u:p@8.8.8.8/", "https://8.8.8.8/a b",
)  # fmt: skip
_GOOD_URLS = (
    "HTTPS://8.8.8.8/", "https://8.8.8.8/#part", "https://8.8.8.8/a%20b?c=%20",
    "https://8.8.8.8:8443", "https://[2606:4700:4700::1111]/",
)  # fmt: skip
_EVENTS: tuple[Any, ...] = (
    ..., [], "x", {"entity": 1}, [1], [{}], [{"entity": "REGISTERED_MODEL"}],
    [{"action": "CREATED"}], [{"entity": "x", "action": "CREATED"}],
    [{"entity": "registered_model", "action": "created"}],
    [{"entity": "REGISTERED_MODEL", "action": "DELETED"}],
    [{"entity": "REGISTERED_MODEL", "action": "SET"}],
    [{"entity": "PROMPT", "action": "UPDATED"}],
    [{"entity": "ENTITY_UNSPECIFIED", "action": "CREATED"}],
    [{"entity": "PROMPT", "action": "ACTION_UNSPECIFIED"}], [{"entity": 99, "action": 1}],
)  # fmt: skip
_KINDS = {
    "REGISTERED_MODEL": ("CREATED",),
    "MODEL_VERSION": ("CREATED",),
    "MODEL_VERSION_TAG": ("SET", "DELETED"),
    "MODEL_VERSION_ALIAS": ("CREATED", "DELETED"),
    "PROMPT": ("CREATED",),
    "PROMPT_VERSION": ("CREATED",),
    "PROMPT_TAG": ("SET", "DELETED"),
    "PROMPT_VERSION_TAG": ("SET", "DELETED"),
    "PROMPT_ALIAS": ("CREATED", "DELETED"),
    "BUDGET_POLICY": ("EXCEEDED",),
}
_EVERY = [
    {"entity": entity, "action": action} for entity, actions in _KINDS.items() for action in actions
]
_CHANGES: tuple[dict[str, Any], ...] = (
    {}, {"name": "other"}, {"name": ""}, {"name": "bad name"}, {"name": 4}, {"url": "http://x"},
    {"url": ""}, {"url": "https://8.8.4.4/"}, {"description": "new"}, {"description": ""},
    {"description": 5}, {"events": []}, {"events": [_TAG_EVENT, _EVENT]},
    {"events": [{"entity": "PROMPT", "action": "SET"}]}, {"status": "DISABLED"},
    {"status": "ACTIVE"}, {"status": "paused"}, {"status": 2}, {"status": None, "name": None},
    {"secret": "s"}, {"secret": ""}, {"secret": 5}, {"webhook_id": "other"},
)  # fmt: skip

REQUESTS: list[Ask] = [
    get("list none", "webhooks"),
    _create("create", "hook"),
    _create("create with everything", "full", description="d", secret="s", status="DISABLED"),
    _create("create with an empty description", description="", secret=""),
    _create("create for every event", events=_EVERY),
    _create("create with enums by number", events=[{"entity": 5, "action": 1}]),
    _create("create with the status by name", status="ACTIVE"),
    _create("create with the status as null", status=None),
    _create("create with the status 0", status=0),
    _create("create with a description of 1000", description="d" * 1000),
    _create("create with a description that is a number", description=5),
    _create("create with a secret that is a number", secret=5),
    _create("create without a name", name=...),
    _create("create without a URL", url=...),
    *(_create(f"create with the name {name!r:.20}", name=name) for name in _NAMES),
    *(_create(f"create with the good name {name!r:.20}", name=name) for name in _GOOD_NAMES),
    *(_create(f"create with the URL {url!r}", url=url) for url in _URLS),
    *(_create(f"create with the good URL {url!r}", url=url) for url in _GOOD_URLS),
    *(_create(f"create with the events {events!r}", events=events) for events in _EVENTS),
    get("get", _ONE),
    get("get a disabled one", "webhooks/${full}"),
    get("get an unknown one", "webhooks/none"),
    get("list", "webhooks"),
    get("list two", "webhooks", {"max_results": 2}),
    *(
        get(f"list {number}", "webhooks", {"max_results": number})
        for number in (0, -1, 1000, 1001, "x")
    ),
    get("list with a bad token", "webhooks", {"page_token": "x"}),
    get("the ajax twin of a list", "/ajax-api/2.0/mlflow/webhooks", {"max_results": 1}),
    *(_patch(f"change to {change!r}", change) for change in _CHANGES),
    get("get after the changes", _ONE),
    _patch("change an unknown one", {"name": "x"}, "webhooks/none"),
    post("test an unknown one", "webhooks/none/test", {}),
    post("test an event that never is", f"{_ONE}/test", {"event": {"entity": 5, "action": 4}}),
    post("test an unknown event", f"{_ONE}/test", {"event": {"entity": "x", "action": "SET"}}),
    post("test an empty event", f"{_ONE}/test", {"event": {}}),
    post("test an event that is text", f"{_ONE}/test", {"event": "x"}),
    _delete("delete an unknown one", "webhooks/none"),
    _delete("delete"),
    _delete("delete again"),
    get("get a deleted one", _ONE),
    _patch("change a deleted one", {"name": "x"}),
    post("test a deleted one", f"{_ONE}/test", {}),
    get("list without the deleted one", "webhooks"),
    Ask("put one", "PUT", API + _ONE, {}),
    get("get a test", f"{_ONE}/test"),
    # Last, as lists would differ behind them.
    _create("create with an unknown status", status="paused"),
    *(_create(f"create with the URL {url!r}", url=url) for url in _TAKEN_BY_MLFLOW),
]
