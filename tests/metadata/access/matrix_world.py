"""What the requests of the matrix ask for: one of each kind, and users of each level."""

import itertools
import json
from typing import Any

from tests.metadata.guarded import ADMIN, Guarded, basic, senders
from tests.metadata.traces import rows


class World:
    """The service with its content; `values` are what the rows name in braces."""

    def __init__(self, service: Guarded) -> None:
        self.service = service
        self._numbers = itertools.count()
        self.values: dict[str, str] = {}
        self.values["experiment"] = service.experiment("guarded")
        elsewhere = service.experiment("elsewhere")
        self.headers = senders(service, self.values["experiment"], elsewhere)
        self.new_run()
        self.new_logged_model()
        self.new_trace()
        self.new_name()
        self.values["version"] = "1"
        self.new_user()
        self.new_role_permission()
        self.new_token()
        self.renew()

    def renew(self) -> None:
        """Another name that nobody has."""
        self.values["new"] = f"new-{next(self._numbers)}"

    def _ask(self, method: str, path: str, **fields: Any) -> Any:
        """The JSON of an answer to the administrator, whatever its status."""
        return self.service.ask(ADMIN, method, path, **fields)[1]

    def restore_experiment(self) -> None:
        self._ask("POST", "experiments/restore", experiment_id=self.values["experiment"])

    def delete_experiment(self) -> None:
        self._ask("POST", "experiments/delete", experiment_id=self.values["experiment"])

    def tag_experiment(self) -> None:
        tag = {"experiment_id": self.values["experiment"], "key": "k", "value": "v"}
        self._ask("POST", "experiments/set-experiment-tag", **tag)

    def new_run(self) -> None:
        self.restore_experiment()
        run = self.service.run(self.values["experiment"])
        self.values["run"] = run
        self.values["folder"] = f"{self.values['experiment']}/{run}/artifacts"
        self.values["model_json"] = json.dumps(
            {"run_id": run, "artifact_path": "m", "utc_time_created": "t", "flavors": {}}
        )

    def deleted_run(self) -> None:
        self.new_run()
        self._ask("POST", "runs/delete", run_id=self.values["run"])

    def tag_run(self) -> None:
        self._ask("POST", "runs/set-tag", run_id=self.values["run"], key="k", value="v")

    def new_logged_model(self) -> None:
        self.restore_experiment()
        self.values["model"] = self.service.logged_model(self.values["experiment"])

    def new_trace(self) -> None:
        """A trace with a span, both in the database."""
        trace_id = self.values["trace"] = f"tr-{next(self._numbers):032x}"
        experiment = int(self.values["experiment"])
        with self.service.database.write() as conn:
            rows.trace(conn, trace_id, experiment_id=experiment, tags=rows.IN_DATABASE)
            rows.spans(conn, trace_id, 1, experiment_id=experiment)

    def new_scorer(self) -> None:
        """A scorer, on which the users have their levels."""
        self.restore_experiment()
        experiment = self.values["experiment"]
        path = "/api/3.0/mlflow/scorers/register"
        given = {"experiment_id": experiment, "name": "s", "serialized_scorer": "{}"}
        self.service.call(ADMIN, "POST", path, **given)
        for user, level in (("reader", "READ"), ("editor", "EDIT"), ("manager", "MANAGE")):
            self.service.grant(user, ("scorer", f"{experiment}/s", level))

    def new_assessment(self) -> None:
        name = f"{next(self._numbers)}"
        self.values["assessment"] = f"a-{name}"
        with self.service.database.write() as conn:
            rows.assessment(conn, self.values["trace"], name, "yes")

    def new_dataset(self) -> None:
        """An evaluation dataset in the experiment."""
        self.restore_experiment()
        given = {"name": "d", "experiment_ids": [self.values["experiment"]]}
        path = "/api/3.0/mlflow/datasets/create"
        made = self.service.call(ADMIN, "POST", path, **given)
        self.values["dataset"] = made["dataset"]["dataset_id"]

    def tag_trace(self) -> None:
        self._ask("PATCH", f"traces/{self.values['trace']}/tags", key="k", value="v")

    def tag_logged_model(self) -> None:
        tags = [{"key": "k", "value": "v"}]
        self._ask("PATCH", f"logged-models/{self.values['model']}/tags", tags=tags)

    def new_name(self) -> None:
        """A registered model with version 1, on which the users have their levels."""
        name = self.values["name"] = self.service.registered(f"model-{next(self._numbers)}")
        for user, level in (("reader", "READ"), ("editor", "EDIT"), ("manager", "MANAGE")):
            self.service.grant(user, ("registered_model", name, level))
        self.service.version(name)
        for alias in ("kept", "a"):
            self._ask("POST", "registered-models/alias", name=name, alias=alias, version="1")

    def tag_name(self) -> None:
        name = self.values["name"]
        self._ask("POST", "registered-models/set-tag", name=name, key="k", value="v")

    def new_version(self) -> None:
        self.values["version"] = self.service.version(self.values["name"])

    def tag_version(self) -> None:
        tag = {"name": self.values["name"], "version": "1", "key": "k", "value": "v"}
        self._ask("POST", "model-versions/set-tag", **tag)

    def new_user(self) -> None:
        self.values["user"] = self.service.user(f"user-{next(self._numbers)}")

    def new_reader(self) -> None:
        """A user who may read the experiment and the registered model."""
        self.new_user()
        reads = {"experiment": self.values["experiment"], "registered_model": self.values["name"]}
        for kind, name in reads.items():
            self.service.grant(self.values["user"], (kind, name, "READ"))

    def new_token(self) -> None:
        """A token of the reader."""
        given = {"username": "reader", "name": "n"}
        path = "/api/3.0/tandem/tokens/create"  # which a token may not
        _, made = self.service.send(basic(ADMIN), "POST", path, **given)
        self.values["token"] = made["token"]["token_id"]

    def new_role(self) -> None:
        path, name = "/api/3.0/mlflow/roles/create", f"role-{next(self._numbers)}"
        made = self.service.call(ADMIN, "POST", path, name=name, workspace="default")
        self.values["role"] = str(made["role"]["id"])

    def new_role_of_user(self) -> None:
        self.new_role()
        user, role = self.values["user"], self.values["role"]
        path = "/api/3.0/mlflow/roles/assign"
        self.service.call(ADMIN, "POST", path, username=user, role_id=role)

    def new_role_permission(self) -> None:
        self.new_role()
        given = {"resource_type": "experiment", "resource_pattern": "*", "permission": "READ"}
        path, role = "/api/3.0/mlflow/roles/permissions/add", self.values["role"]
        made = self.service.call(ADMIN, "POST", path, role_id=role, **given)
        self.values["role_permission"] = str(made["role_permission"]["id"])
