"""MLflow's own server and Tandem's services over one database and one place of artifacts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.postgresql import PostgreSQL
from tests.system import services

DATABASES: Final = ("sqlite", "postgresql")


class Beside(NamedTuple):
    """Both servers; MLflow's has made the tables."""

    mlflow: str
    tandem: str
    """Their URLs."""
    database: str
    """One of `DATABASES`."""
    address: str
    """SQLAlchemy's URL of the database."""
    artifacts: Path

    @property
    def urls(self) -> dict[str, str]:
        """The URLs by the names of the servers, MLflow's first."""
        return {"mlflow": self.mlflow, "tandem": self.tandem}


@contextmanager
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside]:
    """Both servers, on the new database that the fixture's parameter names."""
    directory = tmp_path_factory.mktemp("beside")
    with ExitStack() as stack:
        address = f"sqlite:///{directory / 'mlflow.db'}"
        if request.param == "postgresql":
            server: PostgreSQL = request.getfixturevalue("postgresql")
            name = server.create()
            stack.callback(server.drop, name)
            address = server.uri(name).replace("postgresql://", "postgresql+psycopg://")
        files = directory / "artifacts"
        theirs = services.mlflow_server(directory, str(files), database=address)
        mlflow = stack.enter_context(theirs)
        tandem = stack.enter_context(services.stack(directory, address, str(files)))
        yield Beside(mlflow.url, tandem.metadata.url, request.param, address, files)
