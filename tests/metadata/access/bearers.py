"""The service with authentication, asked inside the test by users who mostly send tokens.

To hash and compare passwords would take most of a test's time.
"""

from typing import Any

import httpx
from starlette.testclient import TestClient

from tandem_metadata.access import opening
from tandem_metadata.app import create_app
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import tokens, users
from tandem_shared.settings import replace
from tests.metadata import answers, guarded, in_process

DENIED = (403, "PERMISSION_DENIED")
UNKNOWN = (401, "UNAUTHENTICATED")

TOKENS = "/api/3.0/tandem/tokens"

_GETS = ("get", "get-by-name", "list")


def by_password(name: str) -> str:
    """What a user sends in place of a token to sign in by his password."""
    return guarded.basic(name)["Authorization"]


class Bearers:
    """Requests to a service, each with a token or what `by_password` gives."""

    def __init__(self, settings: Settings, **changes: Any) -> None:
        wanted = {"auth": "basic", **changes}
        self.settings = replace(settings, **wanted)
        with _accounts(self.settings) as database:
            opening.make_tables(database)
            with database.write() as conn:
                if not users.exists(conn, "admin"):
                    users.create(conn, "admin", None, admin=True)  # no password, no hash
        self.http = in_process.enter(
            TestClient(create_app(self.settings), base_url="http://localhost")
        )

    def user(self, name: str, *, admin: bool = False) -> str:
        """The token of a new user; it has no restriction. His password is that of `by_password`."""
        with _accounts(self.settings) as database, database.write() as conn:
            users.create(conn, name, guarded.hashed(), admin=admin)
        return self.token(name)

    def token(self, name: str, **options: Any) -> str:
        """A new token of a user; the options are those of the store."""
        with _accounts(self.settings) as database, database.write() as conn:
            return tokens.create(conn, name, "for a test", **options)[1]

    def response(
        self, path: str, by: str | None, /, *, method: str = "", **fields: Any
    ) -> httpx.Response:
        """The whole answer; fields are the query of a GET, and else the JSON body."""
        method = method or ("GET" if path.rpartition("/")[2] in _GETS else "POST")
        full = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        headers = {}
        if by:
            headers["Authorization"] = by if by.startswith("Basic ") else f"Bearer {by}"
        return answers.send(self.http, method, full, fields, headers=headers)

    def ask(self, path: str, by: str | None, /, **options: Any) -> tuple[int, Any]:
        """The status and the body."""
        return answers.read(self.response(path, by, **options))

    def call(self, path: str, by: str | None, /, **options: Any) -> Any:
        """The body of an answer of status 200."""
        return answers.accepted(self.ask(path, by, **options))

    def refused(self, path: str, by: str | None, /, **options: Any) -> tuple[int, str]:
        """The status of an error and its code."""
        return answers.refused(self.ask(path, by, **options))

    def is_known(self, token: str) -> bool:
        """Whether a token signs in."""
        status, body = self.ask("experiments/get", token, experiment_id="0")
        assert status in (200, 401, 403), body
        return status != 401

    def experiment(self, name: str, by: str) -> str:
        """The id of a new experiment."""
        return str(self.call("experiments/create", by, name=name)["experiment_id"])

    def run(self, experiment_id: str, by: str) -> str:
        """The id of a new run."""
        made = self.call("runs/create", by, experiment_id=experiment_id)
        return str(made["run"]["info"]["run_id"])

    def database(self) -> "_Closing":
        """The database of accounts, to be used as a context."""
        return _accounts(self.settings)


class _Closing:
    def __init__(self, database: Database, *others: Database) -> None:
        self._database = database
        self._all = {database, *others}

    def __enter__(self) -> Database:
        return self._database

    def __exit__(self, *_: object) -> None:
        for each in self._all:
            each.close()


def _accounts(settings: Settings) -> _Closing:
    tracking = Database(settings)
    return _Closing(opening.open_database(settings, tracking, 1), tracking)
