"""Presigned URLs, which this service refuses with the reason."""

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.api import INVALID, MISSING, Api

_UNSIGNED = (501, "NOT_IMPLEMENTED")


@pytest.fixture
def api(settings: Settings, database: Database) -> Api:
    return Api(settings, database)


def _run(api: Api, **experiment: str) -> str:
    number = api.call("experiments/create", name="e", **experiment)["experiment_id"]
    return str(api.call("runs/create", experiment_id=number)["run"]["info"]["run_id"])


def _ask(api: Api, what: str, **fields: object) -> tuple[tuple[int, str], str]:
    status, error = api.ask(f"artifacts/presigned-{what}-url", "POST", **fields)
    return (status, error["error_code"]), error["message"]


@pytest.mark.parametrize("what", ["upload", "download"])
def test_presigned_url_of_served_artifacts_is_refused(api: Api, what: str) -> None:
    answer, message = _ask(api, what, run_id=_run(api), path="a.txt")
    assert answer == INVALID
    assert "not supported for proxied artifact storage" in message


@pytest.mark.parametrize("what", ["upload", "download"])
def test_presigned_url_of_a_store_is_not_supported(api: Api, what: str) -> None:
    run = _run(api, artifact_location="s3://bucket/x")
    assert _ask(api, what, run_id=run, path="a.txt", expiration=60)[0] == _UNSIGNED


def test_presigned_upload_of_a_logged_model_is_refused(api: Api) -> None:
    model = api.call("logged-models", experiment_id="0", name="m")["model"]["info"]["model_id"]
    assert _ask(api, "upload", model_id=model, path="a.txt")[0] == INVALID
    assert _ask(api, "upload", model_id="m-nosuch", path="a.txt")[0] == MISSING


def test_presigned_url_of_bad_input_is_refused(api: Api) -> None:
    run = _run(api)
    for what in ("upload", "download"):
        assert _ask(api, what, path="a.txt")[0] == INVALID
        assert _ask(api, what, run_id=run)[0] == INVALID
        assert _ask(api, what, run_id=run, path="../a")[0] == INVALID
        assert _ask(api, what, run_id="nosuch", path="a")[0] == MISSING
    assert _ask(api, "upload", run_id=run, model_id="m-1", path="a")[0] == INVALID
    for seconds in (0, -1, 604801):
        answer, message = _ask(api, "download", run_id=run, path="a", expiration=seconds)
        assert answer == INVALID
        assert "between 1 and 604800" in message
