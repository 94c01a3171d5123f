"""What `artifact-grants` answers: to whom a path belongs, and what its sender may do there."""

import dataclasses
from typing import Any

import pytest

from tandem_metadata.access import artifact_locations
from tandem_metadata.routes.artifact_grants import GRANTS, KEYS
from tandem_metadata.settings import Settings
from tandem_metadata.transfer import rewriting
from tandem_metadata.transfer.roots import Moves
from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action, Grant, PublicKey
from tests.metadata import guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.guarded import ADMIN, Guarded

ALL = frozenset(Action)
READS = frozenset({Action.READ})
CHANGES = frozenset({Action.READ, Action.WRITE})


def keys(service: Guarded) -> dict[str, PublicKey]:
    answer = service.http.get(KEYS)
    assert answer.status_code == 200
    return {each.id: each for each in map(PublicKey, answer.json()["keys"])}


def granted(service: Guarded, name: str, path: str, action: str = "read") -> Grant:
    """The grant for an action, whose signature holds."""
    answer = service.call(name, "POST", GRANTS, path=path, action=action)
    grant = grants.verify(answer["grant"], keys(service).get)
    assert grant.sub == name
    assert grant.covers(path, Action(action))
    return grant


def able(service: Guarded, name: str, path: str) -> str:
    """The first letters of the actions that a user may take at a path."""
    return "".join(
        action[0]
        for action in Action
        if service.ask(name, "POST", GRANTS, path=path, action=action)[0] == 200
    )


def reach(service: Guarded, name: str, path: str) -> tuple[str, bool]:
    grant = granted(service, name, path)
    return grant.prefix, grant.exact


def refusal(service: Guarded, name: str, path: str, action: str = "read") -> str:
    """The message of a refusal, which names the user besides."""
    status, body = service.ask(name, "POST", GRANTS, path=path, action=action)
    assert (status, body["error_code"], body["user"]) == (*guarded.DENIED, name)
    return str(body["message"])


def located(service: Guarded, name: str, path: str, of: str = ADMIN) -> str:
    """An experiment whose location is this path on the artifacts service."""
    return service.experiment(name, of=of, artifact_location=f"{ARTIFACT_ROOT}{path}")


def test_levels_on_the_experiment_decide_about_its_files(service: Guarded) -> None:
    experiment = service.experiment("e")
    run, model = service.run(experiment), service.logged_model(experiment)
    for level, able_to in {"READ": "r", "USE": "r", "EDIT": "rw", "MANAGE": "rwd"}.items():
        name = service.user(level.lower(), ("experiment", experiment, level))
        for path in (
            f"{experiment}/{run}/artifacts/f",
            f"{experiment}/{run}",
            f"{experiment}/models/{model}/artifacts/f",
            f"{experiment}/models",
            f"{experiment}/traces/tr-1/artifacts/f",
            f"{experiment}/own/file",
            f"{experiment}/file",
            experiment,
        ):
            assert (level, path, able(service, name, path)) == (level, path, able_to)
    service.user("other")
    assert able(service, "other", f"{experiment}/{run}/artifacts/f") == ""


def test_files_of_an_experiment_that_moved_are_found_without_a_restart(
    service: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_locations, "_LOST_SECONDS", 0.0)
    experiment = located(service, "moving", "old/place")
    name = service.user("reader", ("experiment", experiment, "READ"))
    assert able(service, name, "old/place/traces/tr-1/artifacts/f") == "r"
    assert able(service, name, "new/place/traces/tr-1/artifacts/f") == ""
    rewriting.rewrite(service.database, Moves([(f"{ARTIFACT_ROOT}old", f"{ARTIFACT_ROOT}new")]))
    assert able(service, name, "new/place/traces/tr-1/artifacts/f") == "r"
    assert able(service, name, "old/place/traces/tr-1/artifacts/f") == ""


def test_a_grant_reaches_as_far_as_what_the_file_belongs_to(service: Guarded) -> None:
    experiment = service.experiment("e")
    run, model = service.run(experiment), service.logged_model(experiment)
    service.user("ann", ("experiment", experiment, "EDIT"))
    grant = granted(service, "ann", f"{experiment}/{run}/artifacts/a/b")
    assert grant == Grant("ann", f"{experiment}/{run}", CHANGES)
    expected = {
        f"{experiment}/{run}": (f"{experiment}/{run}", False),
        f"{experiment}/models/{model}/artifacts/x": (f"{experiment}/models/{model}", False),
        f"{experiment}/models": (f"{experiment}/models", True),
        f"{experiment}/traces/tr-1/artifacts/x": (f"{experiment}/traces/tr-1", False),
        f"{experiment}/own/a/b": (f"{experiment}/own", False),
        experiment: (experiment, True),
    }
    for path, reached in expected.items():
        assert (path, reach(service, "ann", path)) == (path, reached)


def test_administrators_may_do_everything_everywhere(service: Guarded) -> None:
    for path in ("", "0", "77/x", "of/nobody"):
        assert granted(service, ADMIN, path) == Grant(ADMIN, "", ALL)


def test_what_belongs_to_no_experiment_is_for_administrators(guarded_settings: Settings) -> None:
    open_to_all = dataclasses.replace(guarded_settings, auth_default_permission="MANAGE")
    with guarded.running(open_to_all) as service:
        service.user("ann")
        located(service, "team", "team/a")
        for path in ("", "77/x", "of/nobody", "team", "team/b"):
            assert (path, able(service, "ann", path)) == (path, "")
        assert able(service, "ann", "team/a/x") == "rwd"


def test_grants_on_runs_and_models_decide_before_those_on_the_experiment(
    service: Guarded,
) -> None:
    experiment = service.experiment("e")
    run, model = service.run(experiment), service.logged_model(experiment)
    in_run, in_model = f"{experiment}/{run}/artifacts/f", f"{experiment}/models/{model}/artifacts/f"
    service.user("ann", ("experiment", experiment, "READ"), ("run", "*", "EDIT"))
    assert able(service, "ann", in_run) == "rw"
    assert able(service, "ann", in_model) == "r"
    assert able(service, "ann", f"{experiment}/file") == "r"
    service.user("bob", ("experiment", experiment, "MANAGE"), ("logged_model", "*", "DENY"))
    assert able(service, "bob", in_model) == ""
    assert able(service, "bob", in_run) == "rwd"
    # Deleting all of the experiment would delete the models.
    assert able(service, "bob", experiment) == "rw"
    service.user("cyd", ("run", "*", "MANAGE"))  # READ on the experiment is missing
    assert able(service, "cyd", in_run) == ""


def test_a_deletion_needs_the_level_on_all_that_it_reaches(service: Guarded) -> None:
    outer = located(service, "outer", "team")
    inner = located(service, "inner", "team/sub/inner")
    service.user("ann", ("experiment", outer, "MANAGE"))
    service.user("bob", ("experiment", outer, "MANAGE"), ("experiment", inner, "MANAGE"))
    for path in ("team", "team/sub"):
        assert able(service, "ann", path) == ""
        assert able(service, "bob", path) == "rwd"
    assert able(service, "ann", "team/other") == "rwd"
    service.user("cyd", ("experiment", outer, "MANAGE"), ("run", "*", "READ"))
    assert able(service, "cyd", "team/other") == "rw"


def test_the_longest_location_counts_and_no_wider_grant_covers_it(service: Guarded) -> None:
    outer = located(service, "outer", "team")
    inner = located(service, "inner", "team/sub/inner")
    service.user("ann", ("experiment", outer, "EDIT"))
    service.user("bob", ("experiment", inner, "EDIT"))
    assert able(service, "bob", "team/sub/inner/f") == "rw"
    assert able(service, "bob", "team/sub/f") == ""
    assert able(service, "ann", "team/sub/inner/f") == ""
    assert reach(service, "ann", "team/sub/f") == ("team/sub/f", True)
    assert reach(service, "ann", "team/else/f") == ("team/else", False)


def test_all_experiments_of_one_location_must_permit(service: Guarded) -> None:
    one, two = located(service, "one", "shared"), located(service, "two", "shared")
    service.user("ann", ("experiment", one, "MANAGE"))
    service.user("bob", ("experiment", one, "MANAGE"), ("experiment", two, "READ"))
    assert able(service, "ann", "shared/f") == ""
    assert able(service, "bob", "shared/f") == "r"


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/team/a",
        "mlflow-artifacts:///team/a/",
        "mlflow-artifacts://artifacts.example.com/team/a",
        "mlflow-artifacts://ARTIFACTS.example.com:80/team/%61",
        "http://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts/team/a",
        "s3://bucket/old/a",
    ],
)
@only_sqlite
def test_a_location_counts_however_it_is_written(guarded_settings: Settings, location: str) -> None:
    mapped = dataclasses.replace(
        guarded_settings, artifact_root_map=(f"s3://bucket/old={ARTIFACT_ROOT}team",)
    )
    with guarded.running(mapped) as service:
        experiment = service.experiment("e", artifact_location=location)
        run = service.run(experiment)
        service.user("ann", ("experiment", experiment, "READ"))
        service.user("bob")
        for path in ("team/a/f", f"team/a/{run}/artifacts/f"):
            assert able(service, "ann", path) == "r"
            assert able(service, "bob", path) == ""


@only_sqlite
def test_a_location_of_another_host_says_nothing_about_this_one(service: Guarded) -> None:
    location = "mlflow-artifacts://elsewhere.example.com/team/a"
    experiment = service.experiment("e", artifact_location=location)
    service.user("ann", ("experiment", experiment, "MANAGE"))
    assert able(service, "ann", "team/a/f") == ""


def test_a_run_keeps_its_files_when_the_location_of_its_experiment_changes(
    service: Guarded,
) -> None:
    experiment = service.experiment("e")
    run = service.run(experiment)
    service.user("ann", ("experiment", experiment, "READ"))
    with service.database.write() as conn:
        conn.exec_driver_sql(
            f"UPDATE experiments SET artifact_location = '{ARTIFACT_ROOT}moved'"
            f" WHERE experiment_id = {experiment}"
        )
    assert able(service, "ann", f"{experiment}/{run}/artifacts/f") == "r"
    assert able(service, "ann", f"{experiment}/{run}") == "r"


def test_an_id_in_a_path_counts_only_where_the_run_has_its_files(service: Guarded) -> None:
    mine, other = service.experiment("mine"), service.experiment("other")
    run, foreign = service.run(mine), service.run(other)
    service.user("ann", ("experiment", mine, "MANAGE"))
    assert able(service, "ann", f"{mine}/{run}/artifacts/f") == "rwd"
    assert able(service, "ann", f"{other}/{run}/artifacts/f") == ""
    assert able(service, "ann", f"{other}/{foreign}/artifacts/{run}/artifacts/f") == ""
    assert able(service, "ann", f"nowhere/{run}/artifacts/f") == ""


def test_what_may_not_be_read_looks_like_what_does_not_exist(service: Guarded) -> None:
    experiment = service.experiment("e")
    run, other = service.run(experiment), "0" * 32
    service.user("ann")
    paths = (f"{experiment}/{run}/f", f"{experiment}/{other}/f", f"7777/{other}/f", "nothing", "")
    told = {refusal(service, "ann", path).replace(f"'{path}'", "…") for path in paths}
    assert len(told) == 1
    assert "needs READ on what … belongs to" in told.pop()


def test_a_refusal_names_the_level_and_the_owner_to_who_may_read_it(service: Guarded) -> None:
    experiment = service.experiment("e")
    run = service.run(experiment)
    service.user("ann", ("experiment", experiment, "READ"))
    told = refusal(service, "ann", f"{experiment}/{run}/f", "write")
    assert f"needs EDIT on the runs of experiment {experiment}, which user 'ann' lacks" in told
    told = refusal(service, "ann", f"{experiment}/own/f", "delete")
    assert f"needs MANAGE on experiment {experiment}" in told


def test_a_token_restricted_in_what_it_may_do_gets_no_wider_grant(service: Guarded) -> None:
    mine, other = service.experiment("mine"), service.experiment("other")
    service.user("ann", ("experiment", "*", "MANAGE"))
    for name in ("ann", ADMIN):
        reading = guarded.bearer(service.token(name, read_only=True))
        _, body = service.send(reading, "POST", GRANTS, path=f"{mine}/x/f", action="read")
        assert grants.verify(body["grant"], keys(service).get).actions == READS
        status, body = service.send(reading, "POST", GRANTS, path=f"{mine}/x/f", action="write")
        assert (status, body["error_code"]) == guarded.DENIED
        within = guarded.bearer(service.token(name, experiments=[mine]))
        for path, expected in ((f"{mine}/x/f", 200), (f"{other}/x/f", 403), ("", 403)):
            answer = service.send(within, "POST", GRANTS, path=path, action="read")
            assert (path, answer[0]) == (path, expected)


def test_what_was_taken_away_is_not_granted_again(service: Guarded) -> None:
    experiment = service.experiment("e")
    service.user("ann", ("experiment", experiment, "EDIT"))
    assert able(service, "ann", f"{experiment}/f") == "rw"
    service.take("ann", ("experiment", experiment))
    assert able(service, "ann", f"{experiment}/f") == ""
    service.grant("ann", ("experiment", experiment, "READ"))
    assert able(service, "ann", f"{experiment}/f") == "r"


def test_new_experiments_of_another_process_are_known_at_once(service: Guarded) -> None:
    service.user("ann", ("experiment", "*", "READ"))
    assert able(service, "ann", "new/f") == ""
    with guarded.running(service_settings(service)) as other:
        located(other, "new", "new")
        assert able(service, "ann", "new/f") == "r"


def service_settings(service: Guarded) -> Settings:
    return Settings(
        backend_store_uri=service.database.url.render_as_string(hide_password=False),
        default_artifact_root=ARTIFACT_ROOT,
        pool_size=2,
        auth="basic",
        auth_default_permission="NO_PERMISSIONS",
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"path": "a/../b", "action": "read"}, 400),
        ({"path": "a/%252e%252e/b", "action": "read"}, 400),
        ({"path": "a", "action": "administer"}, 400),
        ({"path": "a"}, 400),
        ({"path": 7, "action": "read"}, 400),
        ({"path": "a" * 2000, "action": "read"}, 400),
    ],
)
@only_sqlite
def test_bad_questions_are_refused(service: Guarded, body: dict[str, Any], status: int) -> None:
    assert service.ask(ADMIN, "POST", GRANTS, **body)[0] == status


@only_sqlite
def test_strangers_get_no_grant_but_may_have_the_keys(service: Guarded) -> None:
    assert service.ask(None, "POST", GRANTS, path="", action="read")[0] == 401
    assert keys(service) == {}
    granted(service, ADMIN, "")
    assert len(keys(service)) == 1
    assert set(service.http.get(KEYS).json()["keys"][0]) == {
        "kty", "crv", "x", "kid", "use", "alg",
    }  # fmt: skip


# Locations of new experiments


def may_create(service: Guarded, name: str, location: str) -> bool:
    status, body = service.ask(
        name, "POST", "experiments/create", name=f"{name}{location}", artifact_location=location
    )
    assert status == 200 or (status, body["error_code"]) == guarded.DENIED, body
    return bool(status == 200)


def test_nobody_takes_files_over_by_the_location_of_a_new_experiment(service: Guarded) -> None:
    foreign = service.experiment("foreign")
    run, model = service.run(foreign), service.logged_model(foreign)
    located(service, "inner", "team/sub/inner")
    service.user("ann", ("experiment", foreign, "EDIT"), ("experiment", "*", "READ"))
    number = int(foreign) + 100
    for path in (
        foreign,
        f"%3{foreign}",
        f"{foreign}/",
        f"{foreign}/new",
        f"{foreign}/{run}",
        f"{foreign}/{run}/artifacts",
        f"{foreign}/{run}/artifacts/model",
        f"{foreign}/models",
        f"{foreign}/models/{model}/artifacts",
        "team/sub/inner",
        "team/sub/inner/x",
        "team/sub",
        "team",
        "",
        f"{number}",
        f"{number}/x",
    ):
        for root in (
            "mlflow-artifacts:/",
            ARTIFACT_ROOT,
            "mlflow-artifacts://elsewhere.example.com/",
            "http://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts/",
        ):
            assert (root + path, may_create(service, "ann", root + path)) == (root + path, False)
    for location in (f"{ARTIFACT_ROOT}own", "mlflow-artifacts:/team/other", "s3://bucket/1"):
        assert may_create(service, "ann", location)


def test_who_may_delete_what_lies_there_may_locate_an_experiment_there(service: Guarded) -> None:
    mine = service.experiment("mine")
    run = service.run(mine)
    service.user("ann", ("experiment", mine, "MANAGE"))
    assert may_create(service, "ann", f"{ARTIFACT_ROOT}{mine}/{run}/artifacts/nested")
    assert may_create(service, ADMIN, f"{ARTIFACT_ROOT}4711")


@only_sqlite
def test_a_refused_location_says_what_to_change(service: Guarded) -> None:
    service.user("ann")
    told = service.refusal(
        "ann", "POST", "experiments/create", name="e", artifact_location=f"{ARTIFACT_ROOT}0"
    )
    assert "needs MANAGE" in told
    assert "artifact_location" in told


def test_refusal_says_whom_it_refuses_for_the_audit_log_of_the_asking_service(
    service: Guarded,
) -> None:
    experiment = service.experiment("e")
    service.user("zoë")
    reading = guarded.bearer(service.token(ADMIN, read_only=True))
    path = f"{experiment}/f"
    for headers, name, action in (
        (service.headers("zoë"), "zoë", "read"),
        (reading, ADMIN, "write"),
    ):
        status, body = service.send(headers, "POST", GRANTS, path=path, action=action)
        assert (status, body["error_code"], body["user"]) == (403, "PERMISSION_DENIED", name)
    status, body = service.send(guarded.bearer("x"), "POST", GRANTS, path=path, action="read")
    assert (status, "user" in body) == (401, False)
