"""Requests of several users to the whole service: who may do what, however it is written."""

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tandem_metadata.access import passwords
from tandem_metadata.settings import Settings
from tandem_shared.clock import now_ms
from tests.metadata import guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, Guarded, basic, bearer

SPELLINGS = (
    "{}", "0{}", "000000{}", " {}", "{} ", "\u2003{}", "{}\n", "+{}", "-{}", "{}.0", "{}e0", "0x{}",
    "{}_", "'{}'", "{}\u0000", "\uff10{}",
)  # fmt: skip
_FULLWIDTH = str.maketrans("0123456789", "".join(chr(0xFF10 + digit) for digit in range(10)))
_ARABIC = str.maketrans("0123456789", "".join(chr(0x660 + digit) for digit in range(10)))


def spelled(id: str) -> list[str]:
    """An id of digits, written in ways that a parser might take for the same."""
    written = [each.format(id) for each in SPELLINGS]
    return [*written, id.translate(_FULLWIDTH), id.translate(_ARABIC), str(int(id) + 2**64)]


@pytest.mark.parametrize("all_but", [False, True], ids=["granted", "all-but-denied"])
def test_experiment_is_guarded_however_its_id_is_written(service: Guarded, all_but: bool) -> None:
    own, foreign = service.experiment("own"), service.experiment("foreign")
    run = service.run(foreign)
    dataset = {"name": "secret", "digest": "1", "source_type": "http", "source": "{}"}
    service.call(ADMIN, "POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": dataset}])
    if all_but:
        service.user("ann", ("experiment", "*", "EDIT"), ("experiment", foreign, "DENY"))
    else:
        service.user("ann", ("experiment", own, "EDIT"))
    requests = (
        ("GET", "experiments/get", "experiment_id"),
        ("POST", "experiments/update", "experiment_id"),
        ("POST", "runs/create", "experiment_id"),
        ("POST", "experiments/search-datasets", "experiment_ids"),
        ("POST", "runs/search", "experiment_ids"),
        ("POST", "logged-models/search", "experiment_ids"),
    )
    for method, path, field in requests:
        for mine, other in zip(spelled(own), spelled(foreign), strict=True):
            one, two = ([mine], [other]) if field.endswith("s") else (mine, other)
            given = {"new_name": "own"} if path.endswith("update") else {}
            expected = service.ask(ADMIN, method, path, **{field: one}, **given)[0]
            if mine in (own, f"0{own}"):
                assert (path, mine, expected) == (path, mine, 200)
            status = service.ask("ann", method, path, **{field: one}, **given)[0]
            assert (path, mine, status) in ((path, mine, expected), (path, mine, 403))
            status, found = service.ask("ann", method, path, **{field: two}, **given)
            # What is found beyond an error is nothing.
            assert (path, other, status >= 400 or not found) == (path, other, True), found
    [kept] = service.call(ADMIN, "POST", "runs/search", experiment_ids=[foreign])["runs"]
    assert kept["info"]["run_id"] == run


@only_sqlite
def test_paths_that_lead_to_a_route_are_guarded_however_they_are_written(
    service: Guarded,
) -> None:
    experiment = service.experiment("foreign")
    service.user("ann")
    asked = f"2.0/mlflow/experiments/get?experiment_id={experiment}"
    for path in (f"/api/{asked}", f"/ajax-api/{asked}", f"//api/{asked}", f"///ajax-api/{asked}"):
        url = f"http://localhost{path}"
        for method in ("GET", "HEAD"):
            statuses = [
                service.http.request(method, url, headers=headers).status_code
                for headers in ({}, service.headers("ann"), service.headers(ADMIN))
            ]
            assert (path, method, statuses) == (path, method, [401, 403, 200])
    for path in (
        f"/api/2.0/mlflow/experiments/get/?experiment_id={experiment}",
        f"/api//2.0/mlflow/experiments/get?experiment_id={experiment}",
        f"/API/{asked}",
        f"/api/2.0/mlflow/experiments/./get?experiment_id={experiment}",
        f"/api/2.0/mlflow/x/../experiments/get?experiment_id={experiment}",
        f"/api/2.0/mlflow/experiments%2Fget?experiment_id={experiment}",
        f"/api/2.0/mlflow/experiments/get%00?experiment_id={experiment}",
    ):
        statuses = [
            service.http.get(f"http://localhost{path}", headers=headers).status_code
            for headers in ({}, service.headers("ann"))
        ]
        assert (path, statuses) in ((path, [401, 404]), (path, [401, 403])), path


@only_sqlite
def test_strangers_are_not_told_which_paths_there_are(service: Guarded) -> None:
    asked = (("GET", "/nosuch"), ("GET", "/api/2.0/mlflow/nosuch"), ("POST", "/graphql/x"))
    refused = {service.ask(None, method, path)[0] for method, path in asked}
    refused |= {service.ask(None, "PUT", "experiments/search")[0]}
    assert refused == {401}
    assert service.ask(ADMIN, "GET", "/nosuch")[0] == 404
    assert service.ask(ADMIN, "PUT", "experiments/search")[0] == 405


@pytest.fixture
def prefixed(guarded_settings: Settings) -> Iterator[Guarded]:
    with guarded.running(replace(guarded_settings, static_prefix="/tracking")) as running:
        yield running


@only_sqlite
def test_prefix_of_all_paths_opens_nothing(prefixed: Guarded) -> None:
    path = "/api/2.0/mlflow/experiments/get"
    for below in ("/tracking", "//tracking", "/tracking/"):
        start = f"http://localhost{below}"
        status, _ = prefixed.ask(None, "GET", f"{start}{path}", experiment_id="0")
        assert (start, status) == (start, 401)
        status, _ = prefixed.ask(ADMIN, "GET", f"{start}{path}", experiment_id="0")
        assert (start, status) == (start, 200)
    assert prefixed.ask(None, "GET", path, experiment_id="0")[0] == 401
    assert prefixed.http.get("/tracking/health").status_code == 200


def test_challenge_tells_how_to_sign_in(service: Guarded) -> None:
    answer = service.http.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
    assert "MLFLOW_TRACKING_TOKEN" in answer.json()["message"]
    assert answer.headers["www-authenticate"].startswith("Basic ")
    wrong = service.http.get(
        "/api/2.0/mlflow/experiments/get?experiment_id=0", headers=bearer("tandem_nosuch")
    )
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


def test_refusal_names_the_permission_that_is_missing(service: Guarded) -> None:
    experiment = service.experiment("e")
    run = service.run(experiment)
    service.user("ann", ("experiment", experiment, "READ"))
    told = service.refusal("ann", "POST", "runs/set-tag", run_id=run, key="k", value="v")
    assert "EDIT" in told
    assert run in told
    assert "'ann'" in told
    told = service.refusal("ann", "POST", "experiments/delete", experiment_id=experiment)
    assert "MANAGE" in told


def test_run_that_does_not_exist_looks_like_one_that_is_denied(service: Guarded) -> None:
    run = service.run(service.experiment("foreign"))
    model = service.logged_model(service.experiment("other"))
    service.user("ann", ("experiment", service.experiment("own"), "MANAGE"))
    unknown = "0" * 32
    for method, path in (("GET", "runs/get"), ("POST", "runs/update"), ("POST", "runs/delete")):
        told = [service.refusal("ann", method, path, run_id=each) for each in (run, unknown)]
        assert told[0].replace(run, unknown) == told[1]
    none = f"m-{unknown}"
    told = [service.refusal("ann", "GET", f"logged-models/{each}") for each in (model, none)]
    assert told[0].replace(model, none) == told[1]
    assert service.ask(ADMIN, "GET", "runs/get", run_id=unknown)[0] == 404


def test_grants_that_come_meanwhile_count_at_once(service: Guarded) -> None:
    experiment = service.experiment("e")
    service.user("ann")
    service.refusal("ann", "GET", "experiments/get", experiment_id=experiment)
    service.grant("ann", ("experiment", experiment, "READ"))
    service.call("ann", "GET", "experiments/get", experiment_id=experiment)
    service.refusal("ann", "POST", "runs/create", experiment_id=experiment)
    service.grant("ann", ("experiment", experiment, "EDIT"))
    service.run(experiment, of="ann")


def test_creator_may_manage_what_he_created_and_nobody_else(service: Guarded) -> None:
    service.user("ann")
    service.user("bob")
    experiment = service.experiment("anns", of="ann")
    run = service.run(experiment, of="ann")
    model = service.registered("model", of="ann")
    prompt = service.registered("prompt", of="ann", prompt=True)
    for name in (model, prompt):
        service.refusal("bob", "GET", "registered-models/get", name=name)
        service.call("ann", "GET", "registered-models/get", name=name)
    service.refusal("bob", "GET", "runs/get", run_id=run)
    service.call("ann", "GET", "runs/get", run_id=run)
    new = "renamed"
    service.call("ann", "POST", "registered-models/rename", name=model, new_name=new)
    service.call("ann", "GET", "registered-models/get", name=new)
    service.call("ann", "DELETE", "registered-models/delete", name=new)
    service.registered(new, of="bob")
    fresh = bearer(service.token("ann"))  # of which no grants are remembered
    assert service.send(fresh, "GET", "registered-models/get", name=new)[0] == 403
    service.call("ann", "POST", "experiments/delete", experiment_id=experiment)


def test_name_that_stands_for_all_names_gives_nobody_all(service: Guarded) -> None:
    service.user("ann")
    foreign = service.registered("foreign")
    for prompt in (False, True):
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if prompt else []
        status, body = service.ask("ann", "POST", "registered-models/create", name="*", tags=tags)
        assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    own = service.registered("own", of="ann")
    status, body = service.ask("ann", "POST", "registered-models/rename", name=own, new_name="*")
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    service.call("ann", "GET", "registered-models/get", name=own)
    service.refusal("ann", "GET", "registered-models/get", name=foreign)


def test_rename_to_a_name_that_had_grants_keeps_the_renamed_ones(service: Guarded) -> None:
    service.user("ann")
    own = service.registered("own", of="ann")
    service.grant("ann", ("registered_model", "next", "READ"))
    service.call("ann", "POST", "registered-models/rename", name=own, new_name="next")
    service.call("ann", "PATCH", "registered-models/update", name="next", description="d")


@only_sqlite
def test_token_that_only_reads_changes_nothing(service: Guarded) -> None:
    experiment = service.experiment("e")
    token = bearer(service.token(ADMIN, read_only=True))
    for method, path, fields in (
        ("GET", "experiments/get", {"experiment_id": experiment}),
        ("POST", "runs/search", {"experiment_ids": [experiment]}),
        ("POST", "/graphql", {"query": "{ __typename }"}),
    ):
        assert service.send(token, method, path, **fields)[0] == 200, path
    for method, path in (
        ("POST", "runs/create"),
        ("PATCH", "registered-models/update"),
        ("DELETE", "registered-models/delete"),
        ("POST", "webhooks"),
    ):
        status, body = service.send(token, method, path)
        assert (path, status, "reading only" in body["message"]) == (path, 403, True)


def test_token_that_is_restricted_opens_its_experiments_alone(service: Guarded) -> None:
    own, foreign = service.experiment("own"), service.experiment("foreign")
    runs = {each: service.run(each) for each in (own, foreign)}
    service.registered("model")
    token = bearer(service.token(ADMIN, experiments=[own]))
    assert service.send(token, "GET", "runs/get", run_id=runs[own])[0] == 200
    assert service.send(token, "GET", "runs/get", run_id=runs[foreign])[0] == 403
    assert service.send(token, "POST", "runs/create", experiment_id=own)[0] == 200
    _, found = service.send(token, "GET", "experiments/search", max_results=10)
    assert [each["experiment_id"] for each in found["experiments"]] == [own]
    _, found = service.send(token, "GET", "registered-models/search")
    assert "registered_models" not in found
    for method, path, fields in (
        ("GET", "registered-models/get", {"name": "model"}),
        ("POST", "experiments/create", {"name": "new"}),
        ("POST", "registered-models/create", {"name": "new"}),
        ("GET", "webhooks", {}),
    ):
        assert service.send(token, method, path, **fields)[0] == 403, path


@only_sqlite
def test_tokens_of_each_kind_are_refused_once_they_do_not_count(service: Guarded) -> None:
    expired = service.token(ADMIN, expires_at=now_ms() - 1)
    revoked = service.token(ADMIN)
    service.revoke(revoked)
    for each in (expired, revoked, "tandem_x", "", "a.b.c"):
        path = "experiments/get"
        assert service.send(bearer(each), "GET", path, experiment_id="0")[0] == 401, each


@only_sqlite
def test_header_of_credentials_that_is_nonsense_is_refused(
    service: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a fault: the hypothesis tries bytes, and base64 of bytes."""
    monkeypatch.setattr(passwords, "of_nobody", lambda: "pbkdf2:sha256:1$s$00")
    _fuzz(service)


_bytes = st.binary(max_size=60).map(
    lambda given: given.replace(b"\r", b"").replace(b"\n", b"").strip()
)


def _fuzz(service: Guarded) -> None:
    scheme = st.sampled_from([b"Basic ", b"basic\t", b"BEARER ", b"Bearer", b"Digest ", b""])
    encoded = st.binary(max_size=40).map(base64.b64encode)

    @given(st.tuples(scheme, st.one_of(_bytes, encoded)).map(b"".join))
    @example(b"Basic " + base64.b64encode(b"a\0b:c"))
    @example(b"Basic " + base64.b64encode(b"a:b\0c"))
    @example(b"Basic " + base64.b64encode(b"\xff:\xfe"))
    @example(b"Basic " + base64.b64encode(("\U0001f511" * 300 + ":x").encode()))
    @example(b"Bearer " + b"\xff" * 100)
    @hypothesis_settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    def refused(header: bytes) -> None:
        answer = service.http.get(
            "/api/2.0/mlflow/experiments/get?experiment_id=0",
            headers=[(b"Authorization", header)],
        )
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "UNAUTHENTICATED"
        assert "www-authenticate" in answer.headers

    refused()


@only_sqlite
def test_credentials_of_every_written_form_are_taken(service: Guarded) -> None:
    service.user("änn")
    token = service.token(ADMIN)
    name = basic("änn")["Authorization"].partition(" ")[2]
    for header in (f"Basic {name}", f"basic {name}", f"BASIC  {name} ", f"bearer {token}"):
        status, _ = service.send(
            {"Authorization": header}, "GET", "experiments/search", max_results=1
        )
        assert (header, status) == (header, 200)
