"""A client of the webhook endpoints, for tests."""

from typing import Any

from cryptography.fernet import Fernet

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.settings import replace
from tests.metadata.api import INVALID, Api

KEY = Fernet.generate_key().decode()
EVENT = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
TAG_EVENT = {"entity": "MODEL_VERSION_TAG", "action": "SET"}
PUBLIC = "https://8.8.8.8/hook"


class Webhooks(Api):
    def ok(self, method: str, path: str = "", **fields: Any) -> Any:
        """The body of an answer of status 200; the path is below that of webhooks."""
        return self.call(f"webhooks{path}", method, **fields)

    def create(self, **fields: Any) -> Any:
        wanted = {"name": "hook", "url": PUBLIC, "events": [EVENT], **fields}
        return self.ok("POST", **wanted)["webhook"]

    def refused_creation(self, **fields: Any) -> str:
        """The error of creating a webhook; asserts that none was created."""
        before = self.ok("GET")
        wanted = {"name": "n", "url": PUBLIC, "events": [EVENT], **fields}
        *code, message = self.refusal("webhooks", **wanted)
        assert tuple(code) == INVALID, message
        assert self.ok("GET") == before
        return message


def guarded(settings: Settings, database: Database) -> Webhooks:
    """A client of a service with a key for secrets, which sends to public addresses only."""
    return Webhooks(replace(settings, webhook_secret_encryption_key=KEY), database)


def opened(settings: Settings, database: Database) -> Webhooks:
    """A client of a service that may also send to loopback, where the tests' receiver is."""
    return Webhooks(
        replace(
            settings,
            webhook_secret_encryption_key=KEY,
            webhook_allow_private_ips=True,
            webhook_allowed_schemes=("http", "https"),
            webhook_request_timeout=5.0,
        ),
        database,
    )
