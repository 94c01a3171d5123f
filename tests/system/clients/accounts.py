"""What a client of MLflow 2 does with accounts; prints what it saw as JSON.

Arguments: the tracking URI, and a folder of packages: mlflow-skinny lacks some that its client of
accounts imports.
"""

import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import RestException

sys.path.append(sys.argv[2])
import sqlalchemy.pool

# What the server beside this client imports from SQLAlchemy 2.0, and the client does not use.
sqlalchemy.pool.FallbackAsyncAdaptedQueuePool = None
from mlflow.server.auth.client import AuthServiceClient  # noqa: E402

client = AuthServiceClient(sys.argv[1])
tracking = MlflowClient(sys.argv[1])
errors = []


def refused(call, *arguments):
    try:
        call(*arguments)
    except RestException as error:
        errors.append(error.error_code)
    else:
        raise AssertionError(f"{call.__name__} was not refused")


experiment = tracking.create_experiment("e")
tracking.create_registered_model("m")
user = client.create_user("ann", "correct horse battery")
seen = {
    "client": mlflow.__version__,
    "user": [
        user.username,
        user.is_admin,
        user.experiment_permissions,
        user.registered_model_permissions,
    ],
}
client.update_user_password("ann", "another long password")
client.update_user_admin("ann", True)
seen["admin"] = client.get_user("ann").is_admin

levels = [client.create_experiment_permission(experiment, "ann", "READ").permission]
refused(client.create_experiment_permission, experiment, "ann", "READ")
for level in ("NO_PERMISSIONS", "EDIT"):
    client.update_experiment_permission(experiment, "ann", level)
    levels.append(client.get_experiment_permission(experiment, "ann").permission)
seen["experiment"] = levels

levels = [client.create_registered_model_permission("m", "ann", "MANAGE").permission]
refused(client.create_registered_model_permission, "m", "ann", "READ")
client.update_registered_model_permission("m", "ann", "READ")
levels.append(client.get_registered_model_permission("m", "ann").permission)
seen["model"] = levels

user = client.get_user("ann")
seen["granted"] = [
    [each.permission for each in user.experiment_permissions],
    [each.permission for each in user.registered_model_permissions],
]
client.delete_experiment_permission(experiment, "ann")
client.delete_registered_model_permission("m", "ann")
refused(client.get_experiment_permission, experiment, "ann")
refused(client.get_registered_model_permission, "m", "ann")
client.delete_user("ann")
print(json.dumps({**seen, "errors": errors}))
