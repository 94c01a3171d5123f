"""Files of model versions, for readers of the model to whom what the files belong to is denied."""

from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.guarded import ADMIN, Guarded

OWN = {"name": "fay-m", "version": "1"}


def opens(service: Guarded, user: str, path: str = "after.txt", **version: str) -> bool:
    """Whether a user is not refused a file; nobody answers for the artifacts service here."""
    given = {**OWN, **version, "path": path}
    status, _ = service.ask(user, "GET", "/model-versions/get-artifact", **given)
    assert status in (403, 502, 503), status
    return status != 403


def copies(service: Guarded, user: str, source: str) -> bool:
    """Whether a user makes a version of a model of his own from this source."""
    service.ask(user, "POST", "registered-models/create", name=f"of-{user}")
    given: dict[str, Any] = {"name": f"of-{user}", "source": source}
    status, body = service.ask(user, "POST", "model-versions/create", **given)
    assert status in (200, 403), body
    return status == 200


@pytest.fixture
def experiment(service: Guarded) -> str:
    """An experiment whose run fay, who may read it, has made a version of; gus reads hers."""
    experiment = service.experiment("e")
    service.user("fay", ("experiment", experiment, "READ"))
    service.user("gus", ("registered_model", "*", "READ"), ("logged_model", "*", "READ"))
    run = service.run(experiment)
    service.registered("fay-m", of="fay")
    service.version("fay-m", of="fay", source=f"runs:/{run}/", run_id=run)
    root = f"{ARTIFACT_ROOT}{experiment}/{run}/artifacts"
    service.version("fay-m", of="fay", source=f"{root}/model", run_id=run)
    service.call(ADMIN, "POST", "registered-models/alias", name="fay-m", alias="a", version="1")
    return experiment


def test_version_opens_no_file_of_a_run_whose_experiment_is_denied(
    service: Guarded, experiment: str
) -> None:
    for user in ("fay", "gus"):
        assert opens(service, user)
        assert opens(service, user, version="2")
    service.take("fay", ("experiment", experiment))
    service.sign_in_anew("fay")
    assert opens(service, "fay")  # READ on the model is enough where nothing is denied
    for user in ("fay", "gus"):
        service.grant(user, ("experiment", experiment, "DENY"))
        service.sign_in_anew(user)
        assert not opens(service, user)
        assert not opens(service, user, version="2")
    assert opens(service, ADMIN)


@only_sqlite
@pytest.mark.parametrize("kind", ["experiment", "run"])
def test_version_opens_no_file_where_all_is_denied(
    service: Guarded, experiment: str, kind: str
) -> None:
    service.user("hal", ("registered_model", "*", "READ"), (kind, "*", "DENY"))
    assert not opens(service, "hal")
    assert not opens(service, "hal", version="2")


@only_sqlite
def test_denial_of_something_else_leaves_a_version_its_files(
    service: Guarded, experiment: str
) -> None:
    other = service.experiment("other")
    service.user("hal", ("registered_model", "*", "READ"), ("experiment", other, "DENY"))
    assert opens(service, "hal")


@pytest.mark.parametrize(
    "source", ["models:/fay-m/1", "models:/fay-m/2", "models:/fay-m/latest", "MODELS:/fay-m/1"]
)
def test_version_is_not_copied_by_whom_its_files_are_denied(
    service: Guarded, experiment: str, source: str
) -> None:
    assert copies(service, "gus", source)
    service.grant("gus", ("experiment", experiment, "DENY"))
    service.sign_in_anew("gus")
    assert not copies(service, "gus", source)


@only_sqlite
def test_version_is_not_copied_by_its_alias_either(service: Guarded, experiment: str) -> None:
    readable = (("registered_model", "*", "READ"), ("experiment", "*", "READ"))
    service.user("hal", *readable, ("logged_model", "*", "READ"))
    assert copies(service, "hal", "models:/fay-m@a")
    service.grant("hal", ("run", "*", "DENY"))
    service.sign_in_anew("hal")
    assert not copies(service, "hal", "models:/fay-m@a")


@only_sqlite
@pytest.mark.parametrize("source", ["models:/fay-m/1", "Models:/fay-m/1", "models:/fay-m@a"])
def test_version_of_a_model_that_one_may_not_read_is_not_copied(
    service: Guarded, experiment: str, source: str
) -> None:
    service.user("hal", ("experiment", "*", "READ"))
    assert not copies(service, "hal", source)
