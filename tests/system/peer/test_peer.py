"""The same requests to MLflow's own server and to Tandem, compared field by field."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.harness.processes import Process
from tests.postgresql import PostgreSQL
from tests.system import services
from tests.system.peer.ask import Answer, Conversation, UnknownSymbol
from tests.system.peer.comparison import difference
from tests.system.peer.corpus import REQUESTS
from tests.system.peer.differences import BETWEEN_DATABASES, OTHER_PHRASES, REASONS
from tests.system.peer.normal import comparable, grouped
from tests.system.peer.phrases import unlike

_UNSENT = Answer(0, "", "not sent: an earlier answer lacked what this request refers to")


def _ask_all(metadata: str, artifacts: str) -> dict[str, Answer]:
    """Send every request, in order, and return the comparable answers."""
    answers = {}
    with closing(Conversation(metadata, artifacts)) as talk:
        for name, ask in REQUESTS.items():
            try:
                answers[name] = comparable(talk.send(ask), talk.symbols)
            except UnknownSymbol:
                answers[name] = _UNSENT
    return answers


def _ask_tandem(directory: Path, database: str) -> dict[str, Answer]:
    # MLflow's server makes a key up.
    key = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode()}
    with services.stack(directory, database, str(directory / "artifacts"), variables=key) as tandem:
        return _ask_all(tandem.metadata.url, tandem.artifacts.url)


@pytest.fixture(scope="session")
def mlflow_answers(mlflow_server: Process) -> dict[str, Answer]:
    """What MLflow's own server answers, over SQLite."""
    return _ask_all(mlflow_server.url, mlflow_server.url)


@pytest.fixture(scope="session")
def sqlite_answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What Tandem answers over SQLite."""
    directory = tmp_path_factory.mktemp("peer-sqlite")
    return _ask_tandem(directory, f"sqlite:///{directory / 'mlflow.db'}")


@pytest.fixture(scope="session")
def postgresql_answers(
    postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Answer]]:
    """What Tandem answers over PostgreSQL."""
    name = postgresql.create()
    yield _ask_tandem(tmp_path_factory.mktemp("peer-postgresql"), postgresql.uri(name))
    postgresql.drop(name)


def test_every_request_could_be_sent_to_mlflow(mlflow_answers: dict[str, Answer]) -> None:
    assert [name for name, answer in mlflow_answers.items() if answer == _UNSENT] == []


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in REASONS])
def test_tandem_answers_as_mlflow_does(
    name: str, mlflow_answers: dict[str, Answer], sqlite_answers: dict[str, Answer]
) -> None:
    found = difference(mlflow_answers[name], sqlite_answers[name])
    assert found is None, f"{REQUESTS[name]}\n{found}"


@pytest.mark.parametrize("name", REASONS)
def test_a_listed_difference_is_one(
    name: str, mlflow_answers: dict[str, Answer], sqlite_answers: dict[str, Answer]
) -> None:
    assert name in REQUESTS, "no request has this name"
    found = difference(mlflow_answers[name], sqlite_answers[name])
    assert found is not None, "the answers agree: take it off the list"


def test_messages_hold_the_phrases_by_which_programs_know_mlflows(
    mlflow_answers: dict[str, Answer], sqlite_answers: dict[str, Answer]
) -> None:
    found = {
        name: lack
        for name in REQUESTS
        if name not in REASONS and (lack := unlike(mlflow_answers[name], sqlite_answers[name]))
    }
    listed = {name for names in OTHER_PHRASES.values() for name in names}
    new = [f"{name}: {lack}" for name, lack in found.items() if name not in listed]
    assert not new, "\n\n".join(new)
    assert listed == found.keys(), "a listed message holds the phrases: take it off the list"


def test_both_databases_answer_alike(
    sqlite_answers: dict[str, Answer], postgresql_answers: dict[str, Answer]
) -> None:
    assert sqlite_answers.keys() == postgresql_answers.keys()
    differing = {
        name
        for name, answer in sqlite_answers.items()
        if grouped(postgresql_answers[name]) != grouped(answer)
    }
    assert differing == {name for names in BETWEEN_DATABASES.values() for name in names}
