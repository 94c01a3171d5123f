"""Each user's requests to MLflow's own server and to Tandem: the same are allowed and refused.

The database is MLflow's in one half, and Tandem's in the other: each server gets the accounts that
the other one has made, with their passwords.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from tests.harness.processes import Process
from tests.system import services
from tests.system.peer.decisions import answers
from tests.system.peer.decisions.asks import GROUPS, Ask
from tests.system.peer.decisions.differences import DIFFERENCES
from tests.system.peer.decisions.team import ADMIN, MEMBERS, PASSWORD, Server, fill, filled

_ROOT = "mlflow-artifacts://127.0.0.1:9/"
"""Nobody answers there: decisions need no files."""

_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "READ": (*MEMBERS,),
    "NO_PERMISSIONS": ("plain", "reader", "of-runs", "of-versions"),
}
"""The default permissions, each with the users for whom it may decide something."""

_ADMIN = {"MLFLOW_AUTH_ADMIN_USERNAME": ADMIN, "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}

_CONFIGURATION = """\
[mlflow]
default_permission = {default}
database_uri = {database}
admin_username = {admin}
auth_cache_ttl_seconds = 3600
"""

Decisions = dict[tuple[str, str], str]
"""By user and request: the status, and what was shown."""


@dataclass(frozen=True)
class Both:
    """What each of the two servers decided."""

    mlflow: Decisions
    tandem: Decisions
    answers: tuple[Mapping[str, str], Mapping[str, str]]
    """Those to the administrator, of MLflow and of Tandem."""


@contextmanager
def _mlflow(directory: Path, database: str, default: str) -> Iterator[Process]:
    configuration = directory / "basic_auth.ini"
    configuration.write_text(_CONFIGURATION.format(default=default, database=database, admin=ADMIN))
    variables = {
        **_ADMIN,
        "MLFLOW_AUTH_CONFIG_PATH": str(configuration),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test",
    }
    with services.mlflow_server(
        directory,
        variables=variables,
        database=database,
        artifact_root=_ROOT,
        arguments=("--app-name", "basic-auth"),
    ) as server:
        yield server


@contextmanager
def _tandem(directory: Path, database: str, default: str) -> Iterator[Process]:
    arguments = ("--auth", "basic", "--auth-default-permission", default)
    with services.metadata_service(
        directory, database, _ROOT, *arguments, variables=_ADMIN
    ) as service:
        yield service


@pytest.fixture(scope="module", params=_DEFAULTS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Decisions on a database that one server made, and of which the other got a copy."""
    default: str = request.param
    directory = tmp_path_factory.mktemp("decisions")
    first, second = directory / "first.db", directory / "second.db"
    starts = [_mlflow, _tandem] if default == "READ" else [_tandem, _mlflow]
    with ExitStack() as running:
        made = running.enter_context(starts[0](directory, f"sqlite:///{first}", default))
        one = running.enter_context(closing(Server(made.url)))
        ids = fill(one)
        _give_an_old_hash(first, "plain")
        _copy(first, second)
        got = running.enter_context(starts[1](directory, f"sqlite:///{second}", default))
        other = running.enter_context(closing(Server(got.url)))
        servers = (one, other) if default == "READ" else (other, one)
        # First: of what is changed later, the servers do not number all alike.
        told, also_told = (answers.answers(each, ids) for each in servers)
        mlflow, tandem = (_decisions(each, ids, _DEFAULTS[default]) for each in servers)
    return Both(mlflow, tandem, (told, also_told))


def _give_an_old_hash(path: Path, name: str) -> None:
    """Store a user's password as MLflow with an older werkzeug did."""
    hashed = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")
    with closing(sqlite3.connect(path, timeout=30)) as conn, conn:
        changed = conn.execute(
            "UPDATE users SET password_hash = ? WHERE username = ?", (hashed, name)
        )
    assert changed.rowcount == 1


def _copy(path: Path, to: Path) -> None:
    """Copy a database that is in use."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def _decisions(server: Server, ids: Mapping[str, str], members: tuple[str, ...]) -> Decisions:
    return {
        (member, name): _decision(server, member, ask, {**ids, "me": member})
        for member in members
        for group in MEMBERS[member].asks
        for name, ask in GROUPS[group].items()
    }


def _decision(server: Server, member: str, ask: Ask, ids: Mapping[str, str]) -> str:
    path = filled(ask.path, ids)
    answer = server.ask(member, ask.method, path, filled(ask.body, ids), filled(ask.query, ids))
    if ask.files:
        return "refused" if answer.status_code in (401, 403) else "allowed"
    if answer.status_code != 200:
        return str(answer.status_code)
    for method, place, body in ask.undo:
        server.must(method, filled(place, ids), filled(body, ids))
    if ask.shown is None:
        return "200"
    names = {made: name for name, made in ids.items()}
    return f"200 {[names.get(each, each) for each in ask.shown(answer.json())]}"


def test_decisions_are_mlflows(both: Both) -> None:
    found = [
        f"{member}: {name}: MLflow {both.mlflow[member, name]}, Tandem {decided}"
        for (member, name), decided in both.tandem.items()
        if (member, name) not in _LISTED and decided != both.mlflow[member, name]
    ]
    assert not found, "\n".join(found)


def test_listed_decisions_differ(both: Both) -> None:
    asked = _LISTED & both.tandem.keys()
    alike = {each for each in asked if both.mlflow[each] == both.tandem[each]}
    assert not alike, "these decisions agree: take them off the list"


def test_answers_about_accounts_are_mlflows(both: Both) -> None:
    mlflow, tandem = both.answers
    found = [
        f"{name}: MLflow {mlflow[name]}\n    Tandem {told}"
        for name, told in tandem.items()
        if told != mlflow[name]
    ]
    assert not found, "\n".join(found)


def test_every_decision_is_made_both_ways(both: Both) -> None:
    """A request that all users may send, or none, tells little."""
    kinds: dict[str, set[str]] = {}
    for (_, name), decided in both.tandem.items():
        kinds.setdefault(name, set()).add(decided[:3])
    assert sum(len(each) > 1 for each in kinds.values()) > len(kinds) // 5


_LISTED = {each for listed in DIFFERENCES.values() for each in listed}
