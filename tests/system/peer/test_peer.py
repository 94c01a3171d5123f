"""The same requests to MLflow's own server and to Tandem, compared field by field."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.system import services
from tests.system.peer.ask import Answer, Conversation, UnknownSymbol
from tests.system.peer.comparison import difference
from tests.system.peer.corpus import REQUESTS
from tests.system.peer.differences import REASONS
from tests.system.peer.normal import comparable
from tests.system.services import Process

_UNSENT = Answer(0, "", "not sent: an earlier answer lacked what this request refers to")


@pytest.fixture(scope="session")
def differences(
    mlflow_server: Process, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str | None]]:
    """What differs in the answers to each request; all are sent, in order, to both servers."""
    directory = tmp_path_factory.mktemp("peer")
    database = f"sqlite:///{directory / 'mlflow.db'}"
    with ExitStack() as open_:
        tandem = open_.enter_context(
            services.stack(directory, database, str(directory / "artifacts"))
        )
        mlflow_talk = Conversation(mlflow_server.url, mlflow_server.url)
        tandem_talk = Conversation(tandem.metadata.url, tandem.artifacts.url)
        open_.enter_context(closing(mlflow_talk))
        open_.enter_context(closing(tandem_talk))
        found = {}
        for name, ask in REQUESTS.items():
            mlflow_answer = comparable(mlflow_talk.send(ask), mlflow_talk.symbols)
            try:
                tandem_answer = comparable(tandem_talk.send(ask), tandem_talk.symbols)
            except UnknownSymbol:
                tandem_answer = _UNSENT
            found[name] = difference(mlflow_answer, tandem_answer)
        yield found


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in REASONS])
def test_tandem_answers_as_mlflow_does(name: str, differences: dict[str, str | None]) -> None:
    assert differences[name] is None, f"{REQUESTS[name]}\n{differences[name]}"


@pytest.mark.parametrize("name", REASONS)
def test_a_listed_difference_is_one(name: str, differences: dict[str, str | None]) -> None:
    assert name in REQUESTS, "no request has this name"
    assert differences[name] is not None, "the answers agree: take it off the list"
