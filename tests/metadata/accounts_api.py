"""The service with authentication, asked inside the test by its users."""

from typing import Any

import httpx
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.settings import Settings
from tandem_shared.settings import replace
from tests.metadata import answers, in_process
from tests.metadata.guarded import ADMIN, PASSWORD

_METHODS = {
    "GET": ("get", "list", "current"),
    "PATCH": ("update", "update-password", "update-admin"),
    "DELETE": ("delete", "remove", "unassign"),
}


class Accounts:
    """Requests to a service, each as one of its users, who is an administrator if none is named."""

    def __init__(self, settings: Settings, **changes: Any) -> None:
        wanted = {"auth": "basic", "auth_admin_password": PASSWORD, "host": "127.0.0.1", **changes}
        self.settings = replace(settings, **wanted)
        app = create_app(self.settings)
        self.http = in_process.enter(TestClient(app, base_url="http://localhost"))

    def ask(
        self,
        path: str,
        by: str | None = ADMIN,
        /,
        *,
        method: str = "",
        giving: str = PASSWORD,
        **fields: Any,
    ) -> tuple[int, Any]:
        """The status and the body; the path follows the API's version, or names one itself.

        The user signs in by `giving` a password. Fields are the query of a GET, else the JSON body.
        """
        return answers.read(self.response(path, by, method=method, giving=giving, **fields))

    def response(
        self,
        path: str,
        by: str | None = ADMIN,
        /,
        *,
        method: str = "",
        giving: str = PASSWORD,
        **fields: Any,
    ) -> httpx.Response:
        """The whole answer, as `ask`."""
        method = method or _method(path)
        full = path if path.startswith("/") else f"/api/{_version(path)}/mlflow/{path}"
        return answers.send(self.http, method, full, fields, auth=(by, giving) if by else None)

    def call(self, path: str, by: str | None = ADMIN, /, **options: Any) -> Any:
        """The body of an answer of status 200."""
        return answers.accepted(self.ask(path, by, **options))

    def refused(self, path: str, by: str | None = ADMIN, /, **options: Any) -> tuple[int, str]:
        """The status of an error and its code."""
        return answers.refused(self.ask(path, by, **options))

    def message(self, path: str, by: str | None = ADMIN, /, **options: Any) -> str:
        """The message of an error of status 400."""
        status, body = self.ask(path, by, **options)
        assert status == 400, body
        return str(body["message"])

    def user(self, name: str) -> int:
        """The id of a new user."""
        made = self.call("users/create", username=name, password=PASSWORD)
        return int(made["user"]["id"])

    def role(self, name: str, *grants: tuple[str, str, str], to: str = "") -> int:
        """The id of a new role with these grants (type, pattern, level), assigned to a user."""
        made = self.call("roles/create", name=name, workspace="default")["role"]["id"]
        for kind, pattern, level in grants:
            self.call(
                "roles/permissions/add",
                role_id=made,
                resource_type=kind,
                resource_pattern=pattern,
                permission=level,
            )
        if to:
            self.call("roles/assign", username=to, role_id=made)
        return int(made)

    def grant(self, name: str, kind: str, id: str, level: str) -> None:
        """Grant a user a level on a resource."""
        self.call(
            "users/permissions/grant",
            username=name,
            resource_type=kind,
            resource_id=id,
            permission=level,
        )

    def experiment(self, name: str, by: str = ADMIN) -> str:
        """The id of a new experiment."""
        return str(self.call("experiments/create", by, name=name)["experiment_id"])


def _method(path: str) -> str:
    """The method of an endpoint of accounts, by the last part of its path."""
    if path == "users/current/permissions":
        return "GET"
    last = path.rpartition("/")[2]
    return next((method for method, ends in _METHODS.items() if last in ends), "POST")


def _version(path: str) -> str:
    """The version of the API that has a path: MLflow serves what came with roles under 3.0."""
    new = ("roles/", "users/permissions/", "users/roles/", "users/current/permissions")
    return "3.0" if path.startswith(new) else "2.0"
