"""Searches and listings hold what their user may read: full pages, right counts, stable tokens."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tandem_metadata.access import authentication
from tandem_metadata.store.accounts import load
from tests.metadata.guarded import ADMIN, Guarded

COUNT = 23
PAGE = 4

ODD_PATTERNS = (
    "", "x", "007", "+3", " 3", "3 ", "3.0", "-1", "9" * 30, "9" * 255, "\u0663", "\uff13", "*x",
    "1e3", "null",
)  # fmt: skip
"""Patterns of grants that name no experiment, though a parser may take them for one."""

Page = tuple[list[str], str | None]
Fetch = Callable[..., Page]


def pages(fetch: Fetch) -> Iterator[list[str]]:
    """What each page holds; all but the last must be full."""
    found, token = fetch(None)
    while token:
        assert len(found) == PAGE
        yield found
        found, token = fetch(token)
    assert 0 < len(found) <= PAGE
    yield found


def all_of(fetch: Fetch) -> list[str]:
    return [each for page in pages(fetch) for each in page]


def grants(kind: str, ids: list[str], readable: list[str], *, all_but: bool) -> list[Any]:
    """Grants that let a user read these of all, named one by one or as exceptions."""
    if all_but:
        denied = [(kind, each, "DENY") for each in ids if each not in readable]
        return [(kind, "*", "READ"), *denied]
    return [(kind, each, "READ") for each in readable]


@pytest.fixture(params=[False, True], ids=["granted", "all-but-denied"])
def all_but(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _listing(service: Guarded, path: str, field: str, id: str, **fields: Any) -> Fetch:
    method = "GET" if path.startswith(("registered", "model-versions")) else "POST"

    def fetch(token: str | None, of: str = "ann") -> Page:
        given = {**fields, "max_results": PAGE, **({"page_token": token} if token else {})}
        answer = service.call(of, method, path, **given)
        found = [each.get("info", each)[id] for each in answer.get(field, [])]
        return found, answer.get("next_page_token")

    return fetch


def test_experiments_that_are_listed_may_be_read(service: Guarded, all_but: bool) -> None:
    ids = [service.experiment(f"e{number}") for number in range(COUNT)]
    readable = [*ids[::3], ids[-1]]
    service.user("ann", *grants("experiment", ["0", *ids], readable, all_but=all_but))
    fetch = _listing(
        service, "experiments/search", "experiments", "experiment_id", order_by=["name ASC"]
    )
    names = {each: f"e{number}" for number, each in enumerate(ids)}
    assert all_of(fetch) == sorted(readable, key=names.__getitem__)
    for each in ids:
        status, _ = service.ask("ann", "GET", "experiments/get", experiment_id=each)
        assert status == (200 if each in readable else 403)


def test_runs_and_logged_models_that_are_found_may_be_read(service: Guarded, all_but: bool) -> None:
    ids = [service.experiment(f"e{number}") for number in range(4)]
    runs = {service.run(each): each for each in ids for _ in range(5)}
    models = {service.logged_model(each): each for each in ids for _ in range(5)}
    readable = [ids[0], ids[2]]
    service.user("ann", *grants("experiment", ["0", *ids], readable, all_but=all_but))
    given = {"experiment_ids": [*ids, f"0{ids[1]}"]}
    found = all_of(_listing(service, "runs/search", "runs", "run_id", **given))
    assert sorted(found) == sorted(run for run, own in runs.items() if own in readable)
    found = all_of(_listing(service, "logged-models/search", "models", "model_id", **given))
    assert sorted(found) == sorted(model for model, own in models.items() if own in readable)
    service.grant("ann", ("run", "*", "DENY"), ("logged_model", "*", "DENY"))
    service.sign_in_anew("ann")
    assert service.runs_found("ann", ids) == []
    answer = service.call("ann", "POST", "logged-models/search", experiment_ids=ids)
    assert not answer.get("models")


def test_registered_models_and_prompts_that_are_found_may_be_read(
    service: Guarded, all_but: bool
) -> None:
    models = [service.registered(f"m{number:02}") for number in range(COUNT)]
    prompts = [service.registered(f"p{number:02}", prompt=True) for number in range(COUNT)]
    for each in (*models, *prompts):
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if each in prompts else []
        source = "dummy-source" if tags else "s3://bucket/model"
        service.version(each, source=source, tags=tags)
    service.user(
        "ann",
        *grants("registered_model", models, models[::2], all_but=all_but),
        *grants("prompt", prompts, prompts[::3], all_but=all_but),
    )
    of_prompts = "tag.`mlflow.prompt.is_prompt` = 'true'"
    for path, field in (
        ("registered-models/search", "registered_models"),
        ("model-versions/search", "model_versions"),
    ):
        order = {"order_by": "name ASC"}
        fetch = _listing(service, path, field, "name", **order)
        assert all_of(fetch) == models[::2]
        fetch = _listing(service, path, field, "name", filter=of_prompts, **order)
        assert all_of(fetch) == prompts[::3]
    service.grant("ann", ("registered_model_version", "*", "DENY"))
    service.sign_in_anew("ann")
    fetch = _listing(service, "model-versions/search", "model_versions", "name")
    assert fetch(None) == ([], None)
    fetch = _listing(service, "model-versions/search", "model_versions", "name", filter=of_prompts)
    assert sorted(all_of(fetch)) == prompts[::3]


def test_token_of_a_page_stays_good_while_grants_change(service: Guarded) -> None:
    ids = [service.experiment(f"e{number:02}") for number in range(COUNT)]
    service.user("ann", *(("experiment", each, "READ") for each in ids[:10]))
    fetch = _listing(
        service, "experiments/search", "experiments", "experiment_id", order_by=["name ASC"]
    )
    first, token = fetch(None)
    assert first == ids[:PAGE]
    service.grant("ann", ("experiment", ids[20], "READ"))
    service.take("ann", ("experiment", ids[1]), ("experiment", ids[5]))
    service.sign_in_anew("ann")
    second, token = fetch(token)
    assert second == [ids[4], *ids[6:9]]
    third, token = fetch(token)
    assert (third, token) == ([ids[9], ids[20]], None)


def test_what_a_user_has_created_is_listed_at_once(service: Guarded) -> None:
    service.user("ann")
    fetch = _listing(service, "experiments/search", "experiments", "experiment_id")
    assert fetch(None) == ([], None)
    made = service.experiment("anns", of="ann")
    assert fetch(None) == ([made], None)
    run = service.run(made, of="ann")
    assert service.runs_found("ann", [made]) == [run]
    named = _listing(service, "registered-models/search", "registered_models", "name")
    assert named(None) == ([], None)
    service.registered("anns", of="ann")
    assert named(None) == (["anns"], None)


def test_what_a_user_is_granted_is_listed_at_once(service: Guarded) -> None:
    service.user("ann")
    made = service.experiment("e")
    fetch = _listing(service, "experiments/search", "experiments", "experiment_id")
    assert fetch(None) == ([], None)
    granted = {"username": "ann", "resource_type": "experiment", "resource_id": made}
    path = "/api/3.0/mlflow/users/permissions"
    service.call(ADMIN, "POST", f"{path}/grant", **granted, permission="READ")
    assert fetch(None) == ([made], None)
    service.call(ADMIN, "POST", f"{path}/revoke", **granted)
    assert fetch(None) == ([], None)


def test_what_another_service_grants_is_found_at_once_where_its_experiment_is_named(
    service: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "LISTED_SECONDS", 3600.0)
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 3600.0)
    own = service.experiment("e")
    run, model = service.run(own), service.logged_model(own)
    service.user("ann")
    assert service.runs_found("ann", [own]) == []
    service.grant("ann", ("experiment", own, "READ"))
    assert service.runs_found("ann", [f"0{own}"]) == [run]
    service.sign_in_anew("ann")
    service.take("ann", ("experiment", own))
    assert service.runs_found("ann", [own]) == []
    service.grant("ann", ("experiment", own, "READ"))
    found = service.call("ann", "POST", "logged-models/search", experiment_ids=[own])
    assert [each["info"]["model_id"] for each in found["models"]] == [model]


def test_listings_of_what_is_granted_read_grants_as_seldom_as_other_requests(
    service: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "LISTED_SECONDS", 3600.0)
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 3600.0)
    own = service.experiment("e")
    service.user("ann", ("experiment", own, "READ"))
    service.run(own)
    service.registered("m")
    reads = []
    first = load._first

    def counted(*given: Any) -> Any:
        reads.append(given)
        return first(*given)

    monkeypatch.setattr(load, "_first", counted)
    for _ in range(3):
        service.call("ann", "GET", "experiments/get", experiment_id=own)
        service.call("ann", "GET", "experiments/search", max_results=9)
        service.runs_found("ann", [own])
        service.call("ann", "POST", "logged-models/search", experiment_ids=[own])
        service.call("ann", "GET", "registered-models/search")
        service.call("ann", "GET", "model-versions/search")
        query = (
            f'{{mlflowSearchRuns(input: {{experimentIds: ["{own}"]}}) {{runs {{info {{runId}}}}}}}}'
        )
        service.call("ann", "POST", "/graphql", query=query)
    assert len(reads) == 1


@pytest.mark.parametrize("level", ["READ", "DENY"])
def test_grant_whose_pattern_names_no_experiment_breaks_nothing(
    service: Guarded, level: str
) -> None:
    ids = [service.experiment(f"e{number}") for number in range(9)]
    whole = [] if level == "READ" else [("experiment", "*", "READ")]
    service.user(
        "ann", *whole, *(("experiment", each, level) for each in ODD_PATTERNS),
        ("experiment", ids[0], "READ"),
    )  # fmt: skip
    fetch = _listing(service, "experiments/search", "experiments", "experiment_id")
    expected = [ids[0]] if level == "READ" else [*ids, "0"]
    assert sorted(all_of(fetch)) == sorted(expected)
    for each in ids:
        status, _ = service.ask("ann", "GET", "experiments/get", experiment_id=each)
        assert status == (200 if each in expected else 403)
    found = service.call("ann", "POST", "logged-models/search", experiment_ids=ids)
    assert not found.get("models")


def test_administrators_find_all(service: Guarded) -> None:
    ids = [service.experiment(f"e{number}") for number in range(5)]
    service.user("root", admin=True)
    for name in ("root", ADMIN):
        found = service.call(name, "POST", "experiments/search", max_results=100)
        assert {each["experiment_id"] for each in found["experiments"]} == {"0", *ids}
