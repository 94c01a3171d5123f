"""Teams that share both services, each with an experiment of its own, and what they ask."""

import base64
import http.client
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from tandem_metadata.access import passwords
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import tokens, users
from tests.harness.processes import Process
from tests.system.services import ADMIN_PASSWORD, Stack

ARTIFACTS = "2.0/mlflow-artifacts/artifacts"
_ASKED = re.compile(
    r'tandem_http_requests_total\{[^}]*route="/api/3.0/tandem/artifact-grants"[^}]*\} ([0-9.]+)'
)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: http.client.HTTPMessage


@dataclass(frozen=True)
class User:
    """Somebody with a password and a token."""

    name: str
    password: str
    token: str

    @property
    def basic(self) -> str:
        given = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return f"Basic {given}"

    @property
    def bearer(self) -> str:
        return f"Bearer {self.token}"


@dataclass(frozen=True)
class Team:
    """A user who manages an experiment with a run and a file."""

    user: User
    experiment: str
    run: str

    @property
    def root(self) -> str:
        """The path of the run's artifacts on the artifacts service."""
        return f"{self.experiment}/{self.run}/artifacts"


ADMIN = User("admin", ADMIN_PASSWORD, "")


def add_user(database: str, name: str) -> User:
    """A new user with a token, straight into the database."""
    opened = Database(Settings(backend_store_uri=database, pool_size=1))
    password = f"{name}'s long password"
    with opened.write() as conn:
        users.create(conn, name, passwords.hashed(password))
        _, token = tokens.create(conn, name, "of a test")
    opened.close()
    return User(name, password, token)


def remove_user(database: str, name: str) -> None:
    """Delete a user as another process would."""
    opened = Database(Settings(backend_store_uri=database, pool_size=1))
    with opened.write() as conn:
        users.remove(conn, name)
    opened.close()


def add_team(stack: Stack, name: str) -> Team:
    """A new team, whose run has the file `secret.txt` with its name."""
    user = add_user(stack.database, name)
    experiment = call(stack, user, "experiments/create", name=f"of {name}")["experiment_id"]
    run = call(stack, user, "runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    team = Team(user, experiment, run)
    path = f"/api/{ARTIFACTS}/{team.root}/secret.txt"
    answer = ask(stack.artifacts, "PUT", path, user.bearer, name.encode())
    assert answer.status == 200, answer
    return team


def call(stack: Stack, user: User, path: str, **fields: object) -> dict:
    """A request to the tracking API that must succeed."""
    answer = httpx.post(
        f"{stack.metadata.url}/api/2.0/mlflow/{path}",
        json=fields,
        headers={"Authorization": user.bearer if user.token else user.basic},
        timeout=20,
        trust_env=False,
        verify=False,
    )
    assert answer.status_code == 200, answer.text
    found: dict = answer.json()
    return found


def ask(
    process: Process,
    method: str,
    target: str,
    authorization: str = "",
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    """One request whose target is sent as it is written, which HTTP libraries do not promise."""
    url = urlsplit(process.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if authorization:
        given["Authorization"] = authorization
    try:
        connection.request(method, target, body, given)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), answer.headers)
    finally:
        connection.close()


def asked(stack: Stack) -> int:
    """How many requests for grants the metadata service has answered."""
    return int(sum(float(each) for each in _ASKED.findall(stack.metadata.get("/metrics").text)))
