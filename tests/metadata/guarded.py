"""The whole service inside the test, with accounts, and requests of its users."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
from starlette.testclient import TestClient

from tandem_metadata.access import opening, passwords
from tandem_metadata.app import create_app
from tandem_metadata.database.database import Database
from tandem_metadata.rules.permissions import Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, tokens, users
from tests.metadata import answers

ADMIN = "admin"
PASSWORD = "correct horse battery"
"""Of the administrator, and of each user that the tests create."""

DENIED = (403, "PERMISSION_DENIED")
UNAUTHENTICATED = 401

Granted = tuple[str, str, str]
"""A type, a pattern and the name of a level."""


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    """The headers of a user who gives his password."""
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@cache
def hashed() -> str:
    """The hash of `PASSWORD`, made once: it takes some 60 ms."""
    return passwords.hashed(PASSWORD)


class Guarded:
    """A running service; its users send tokens, which cost no hash."""

    def __init__(self, http: httpx.Client, database: Database) -> None:
        self.http = http
        self.database = database
        self._tokens: dict[str, str] = {}

    def user(self, name: str, *granted: Granted, admin: bool = False) -> str:
        """Create a user with grants of his own; returns his name."""
        with self.database.write() as conn:
            users.create(conn, name, hashed(), admin=admin)
        self.grant(name, *granted)
        return name

    def grant(self, name: str, *granted: Granted) -> None:
        with self.database.write() as conn:
            user_id = users.get(conn, name).id
            for kind, pattern, level in granted:
                grants.grant(conn, user_id, kind, pattern, Level[level])

    def take(self, name: str, *taken: tuple[str, str]) -> None:
        """Take grants on a type and a pattern away from everybody, and from roles."""
        with self.database.write() as conn:
            for kind, pattern in taken:
                grants.take(conn, [kind], pattern)

    def token(self, name: str, **given: Any) -> str:
        """The text of a new token; see `tokens.create`."""
        with self.database.write() as conn:
            return tokens.create(conn, name, "of a test", **given)[1]

    def revoke(self, token: str) -> None:
        with self.database.write() as conn:
            found = tokens.find(conn, token)
            assert found
            assert tokens.revoke(conn, found.token_id)

    def sign_in_anew(self, name: str) -> None:
        """Use another token from now on, of which no grants are remembered."""
        self._tokens.pop(name, None)

    def headers(self, name: str) -> dict[str, str]:
        """The headers of a user's requests; each user has one token for them."""
        if name not in self._tokens:
            self._tokens[name] = self.token(name)
        return bearer(self._tokens[name])

    def ask(self, name: str | None, method: str, path: str, /, **fields: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer.

        A path that does not begin with a slash, nor is a URL, is below `/api/2.0/mlflow`. The
        fields are the query of a GET, and else the JSON body. Without a name nobody asks.
        """
        headers = self.headers(name) if name else {}
        return self.send(headers, method, path, **fields)

    def send(
        self, headers: dict[str, str], method: str, path: str, /, **fields: Any
    ) -> tuple[int, Any]:
        """As `ask`, with any headers."""
        url = path if path.startswith(("/", "http:")) else f"/api/2.0/mlflow/{path}"
        return answers.read(answers.send(self.http, method, url, fields, headers=headers))

    def call(self, name: str, method: str, path: str, /, **fields: Any) -> Any:
        """The JSON of an answer whose status must be 200."""
        return answers.accepted(self.ask(name, method, path, **fields))

    def refusal(self, name: str | None, method: str, path: str, /, **fields: Any) -> str:
        """The message of a refusal for want of permission."""
        *denied, message = answers.refusal(self.ask(name, method, path, **fields))
        assert tuple(denied) == DENIED, message
        return message

    def experiment(self, name: str, of: str = ADMIN, **fields: Any) -> str:
        """The id of a new experiment."""
        made = self.call(of, "POST", "experiments/create", name=name, **fields)
        return str(made["experiment_id"])

    def run(self, experiment: str, of: str = ADMIN) -> str:
        """The id of a new run."""
        made = self.call(of, "POST", "runs/create", experiment_id=experiment)
        return str(made["run"]["info"]["run_id"])

    def logged_model(self, experiment: str, of: str = ADMIN, **fields: Any) -> str:
        """The id of a new logged model."""
        made = self.call(of, "POST", "logged-models", experiment_id=experiment, name="n", **fields)
        return str(made["model"]["info"]["model_id"])

    def registered(self, name: str, of: str = ADMIN, *, prompt: bool = False) -> str:
        """The name of a new registered model or prompt."""
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if prompt else []
        self.call(of, "POST", "registered-models/create", name=name, tags=tags)
        return name

    def version(self, name: str, of: str = ADMIN, **fields: Any) -> str:
        """The number of a new version."""
        given = {"source": "s3://bucket/model", **fields}
        made = self.call(of, "POST", "model-versions/create", name=name, **given)
        return str(made["model_version"]["version"])

    def runs_found(self, of: str, experiments: Iterable[str], **fields: Any) -> list[str]:
        """The ids of runs, of one page."""
        ids = [*experiments]
        found = self.call(of, "POST", "runs/search", experiment_ids=ids, **fields)
        return [run["info"]["run_id"] for run in found.get("runs", [])]


def senders(service: Guarded, experiment: str, elsewhere: str) -> dict[str, dict[str, str]]:
    """The headers of everybody whom the matrices of routes ask, by what he may do.

    Readers, editors and managers are users of that level on an experiment, the other team manages
    another one. Tokens that have expired, are revoked or for reading only are the manager's.
    """
    for name, level in (("reader", "READ"), ("editor", "EDIT"), ("manager", "MANAGE")):
        service.user(name, ("experiment", experiment, level))
    service.user("other-team", ("experiment", elsewhere, "MANAGE"))
    revoked = service.token("manager")
    service.revoke(revoked)
    named = ("reader", "editor", "manager", "other-team", ADMIN)
    return {
        "nobody": {},
        "expired": bearer(service.token("manager", expires_at=1)),  # millisecond since 1970
        "revoked": bearer(revoked),
        "read-only": bearer(service.token("manager", read_only=True)),
        **{name: service.headers(name) for name in named},
    }


@contextmanager
def running(settings: Settings) -> Iterator[Guarded]:
    """The service, whose database has the tables of accounts and an administrator already."""
    database = Database(settings)
    with TestClient(create_app(settings), "http://localhost", follow_redirects=False) as http:
        yield Guarded(http, database)
    database.close()


def make_accounts(uri: str) -> None:
    """The tables of accounts and the administrator, in a prepared database."""
    given = Settings(backend_store_uri=uri, auth="basic", auth_admin_password=PASSWORD)
    database = Database(given)
    opening.prepare(database, given)
    with database.write() as conn:
        # Else the first user of a test would get that id, where sequences begin again.
        conn.exec_driver_sql("UPDATE users SET id = 0")
    database.close()
