"""A client of the webhook endpoints, for tests."""

import json
from typing import Any

from cryptography.fernet import Fernet

from tandem_metadata.database.database import Database
from tandem_metadata.routes import webhooks as routes
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_shared.settings import replace
from tests.metadata import in_process

KEY = Fernet.generate_key().decode()
EVENT = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
TAG_EVENT = {"entity": "MODEL_VERSION_TAG", "action": "SET"}
PUBLIC = "https://8.8.8.8/hook"


class Api:
    def __init__(self, settings: Settings, database: Database) -> None:
        context = Context(settings, database)
        self._client = in_process.client(context, bind(context, routes.ENDPOINTS))

    def ask(self, method: str, path: str = "", **fields: Any) -> tuple[int, Any]:
        url = f"/api/2.0/mlflow/webhooks{path}"
        if method in ("GET", "DELETE"):
            answer = self._client.request(method, url, params=fields)
        else:
            content = json.dumps(fields)
            headers = {"Content-Type": "application/json"}
            answer = self._client.request(method, url, content=content, headers=headers)
        return answer.status_code, answer.json()

    def ok(self, method: str, path: str = "", **fields: Any) -> Any:
        status, body = self.ask(method, path, **fields)
        assert status == 200, body
        return body

    def create(self, **fields: Any) -> Any:
        wanted = {"name": "hook", "url": PUBLIC, "events": [EVENT], **fields}
        return self.ok("POST", **wanted)["webhook"]

    def refusal(self, **fields: Any) -> str:
        """The error of creating a webhook; asserts that none was created."""
        before = self.ok("GET")
        status, body = self.ask("POST", **{"name": "n", "url": PUBLIC, "events": [EVENT], **fields})
        assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), body
        assert self.ok("GET") == before
        message: str = body["message"]
        return message


def guarded(settings: Settings, database: Database) -> Api:
    """A client of a service with a key for secrets, which sends to public addresses only."""
    return Api(replace(settings, webhook_secret_encryption_key=KEY), database)


def opened(settings: Settings, database: Database) -> Api:
    """A client of a service that may also send to loopback, where the tests' receiver is."""
    return Api(
        replace(
            settings,
            webhook_secret_encryption_key=KEY,
            webhook_allow_private_ips=True,
            webhook_allowed_schemes=("http", "https"),
            webhook_request_timeout=5.0,
        ),
        database,
    )
