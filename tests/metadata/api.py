"""The REST endpoints, asked inside the test as a client asks them."""

from collections.abc import Callable, Sequence
from typing import Any

from tandem_metadata.app import ENDPOINTS
from tandem_metadata.database.database import Database
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_shared.http.router import Route
from tests.metadata import answers, in_process

Json = dict[str, Any]

INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
EXISTS = (400, "RESOURCE_ALREADY_EXISTS")

_METHODS = {
    "experiments/get": "GET",
    "experiments/get-by-name": "GET",
    "runs/get": "GET",
    "registered-models/get": "GET",
    "registered-models/update": "PATCH",
    "registered-models/delete": "DELETE",
    "registered-models/delete-tag": "DELETE",
    "model-versions/get": "GET",
    "model-versions/get-download-uri": "GET",
    "model-versions/update": "PATCH",
    "model-versions/delete": "DELETE",
    "model-versions/delete-tag": "DELETE",
}


class Api:
    """Requests to paths below `/api/2.0/mlflow`; what returns a body alone requires status 200.

    The method is the endpoint's own if none is given. Fields are the query of a GET, and else the
    JSON body.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        more: Callable[[Context], Sequence[Route]] = lambda _: (),
    ) -> None:
        self.database = database
        context = Context(settings, database)
        self.http = in_process.client(context, [*bind(context, ENDPOINTS), *more(context)])

    def ask(self, path: str, method: str = "", /, **fields: Any) -> tuple[int, Any]:
        """The status and the body."""
        method = method or _METHODS.get(path, "POST")
        url = f"/api/2.0/mlflow/{path}"
        if method == "DELETE" and not fields:
            return answers.read(self.http.delete(url))
        return answers.read(answers.send(self.http, method, url, fields))

    def call(self, path: str, method: str = "", /, **fields: Any) -> Any:
        return answers.accepted(self.ask(path, method, **fields))

    def refusal(self, path: str, method: str = "", /, **fields: Any) -> tuple[int, str, str]:
        """The status of an error, its code and its message."""
        return answers.refusal(self.ask(path, method, **fields))

    def refused(self, path: str, method: str = "", /, **fields: Any) -> tuple[int, str]:
        """The status of an error and its code."""
        return self.refusal(path, method, **fields)[:2]

    def experiment(self, name: str = "e", **fields: Any) -> str:
        """The id of a new experiment."""
        return str(self.call("experiments/create", name=name, **fields)["experiment_id"])

    def run(self, experiment_id: str = "0", **fields: Any) -> str:
        """The id of a new run."""
        run = self.call("runs/create", experiment_id=experiment_id, **fields)["run"]
        return str(run["info"]["run_id"])
