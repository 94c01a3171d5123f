"""experiments/search, by GET and by POST."""

from typing import Any

from tests.system.peer.ask import Ask, get, post

_PATH = "experiments/search"
_OURS = "name LIKE 'find-%'"


def _create(symbol: str, name: str, tags: dict[str, str] | None = None) -> Ask:
    body = {"name": name, "tags": [{"key": k, "value": v} for k, v in (tags or {}).items()]}
    return post(f"find: make {name}", "experiments/create", body, **{symbol: "experiment_id"})


def _find(filter: str) -> Ask:
    body = {"filter": filter, "max_results": 100, "order_by": ["experiment_id"]}
    return post(f"experiments where {filter}", _PATH, body)


def _search(name: str, **fields: Any) -> Ask:
    return post(name, _PATH, {"max_results": 100, "filter": _OURS, **fields})


_FILTERS = [
    "name = 'find-a'",
    "attribute.name = 'find-a'",
    "attributes.name = 'find-b'",
    "attr.name = 'find-b'",
    "name != 'find-a' AND name LIKE 'find-%'",
    "name ILIKE 'FIND-%'",
    "name LIKE 'FIND-%'",
    "name LIKE 'find-_' AND tags.team = 'x'",
    "tags.team = 'x'",
    "tag.team != 'x'",
    "tags.team LIKE 'X%'",
    "tags.team ILIKE 'X%'",
    "tags.`team.lead` = 'ann'",
    "tags.team.lead = 'ann'",
    "tags.team IS NULL AND name LIKE 'find-%'",
    "tags.team IS NOT NULL AND name LIKE 'find-%'",
    "creation_time > 0 AND name LIKE 'find-%'",
    "creation_time > 99999999999999",
    "attributes.last_update_time <= 99999999999999 AND name LIKE 'find-%'",
    "last_update_time = 5",
    "creation_time > 'abc'",
    "creation_time LIKE '1%'",
    "experiment_id = '1'",
    "lifecycle_stage = 'active'",
    "name > 'find'",
    "name IN ('find-a', 'find-b')",
    "name = find-a",
    "name = 5",
    "name",
    "name =",
    "nosuch = 'x'",
    "metrics.a = 1",
    "params.a = '1'",
    "name = 'find-a' OR name = 'find-b'",
    "(name = 'find-a' OR tags.t = 'X') AND NOT name = ''",
    "NOT name LIKE 'find-%'",
    "tags.team IN ('x', 'X')",
    "name LIKE 'find-%' AND last_update_time IS NULL",
    "tags.or = 'x'",
    "name = 'find-a",
]

_ORDERS = [
    ["name"],
    ["name DESC"],
    ["name ASC"],
    ["experiment_id DESC"],
    ["attribute.name desc"],
    ["lifecycle_stage", "name DESC"],
    ["creation_time", "name"],
    ["last_update_time DESC", "name DESC"],
    ["nosuch"],
    ["tags.team"],
    ["name SIDEWAYS"],
    ["name, experiment_id"],
    [""],
]

REQUESTS = [
    _create("f1", "find-a", {"team": "x", "team.lead": "ann"}),
    _create("f2", "find-b", {"team": "Xy"}),
    _create("f3", "find-c"),
    _create("f4", "find-d", {"team": "x"}),
    post("find: delete one", "experiments/delete", {"experiment_id": "${f4}"}),
    *(_find(text) for text in _FILTERS),
    *(_search(f"experiments ordered by {order}", order_by=order) for order in _ORDERS),
    _search("active experiments", view_type="ACTIVE_ONLY", order_by=["name"]),
    _search("deleted experiments", view_type="DELETED_ONLY", order_by=["name"]),
    _search("all experiments", view_type="ALL", order_by=["name"]),
    _search("a numeric view of experiments", view_type=3, order_by=["name"]),
    _search("an unknown view of experiments", view_type="SOME"),
    post(
        "a page of experiments",
        _PATH,
        {"filter": _OURS, "max_results": 1, "order_by": ["name"]},
        fpage="next_page_token",
    ),
    _search("the next of experiments", max_results=1, order_by=["name"], page_token="${fpage}"),
    _search("a token of experiments that is none", page_token="nonsense"),
    post("experiments without max_results by POST", _PATH, {"filter": _OURS, "order_by": ["name"]}),
    _search("max_results 0 of experiments", max_results=0),
    _search("max_results -1 of experiments", max_results=-1),
    _search("max_results 50000 of experiments", max_results=50000, order_by=["name"]),
    _search("max_results 50001 of experiments", max_results=50001),
    get("experiments by GET", _PATH, {"filter": _OURS, "max_results": 10, "order_by": ["name"]}),
    get(
        "experiments by GET, two orders",
        _PATH,
        {"filter": _OURS, "max_results": "10", "order_by": ["lifecycle_stage", "name DESC"]},
    ),
    get(
        "experiments by GET, a view",
        _PATH,
        {"filter": _OURS, "max_results": 10, "view_type": "DELETED_ONLY"},
    ),
    get("experiments by GET, no max_results", _PATH, {"filter": _OURS, "order_by": ["name"]}),
    get("experiments by GET, a bad number", _PATH, {"max_results": "ten"}),
    get("the retired list", "experiments/list"),
]
