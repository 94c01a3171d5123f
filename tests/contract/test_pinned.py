"""Tandem keeps to the contract of the release that it follows."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tandem_metadata.app import ENDPOINTS
from tandem_metadata.routes.unsupported import ABSENT
from tandem_shared import MLFLOW_VERSION
from tests.contract import entries, reading, tandem
from tests.contract.__main__ import KEPT
from tests.contract.entries import Contract, compare
from tests.contract.server_routes import split
from tests.contract.tandem import Answer, Standing, Tandem
from tests.contract.wheel import Wheel

AGAIN = f"run: make follow VERSION={MLFLOW_VERSION} KEEP=1"

NEWER = {"mlflow/skills"}
"""Named as absent although the followed release does not have them: newer clients ask."""

UNREAD_FIELDS = {
    **{
        f"mlflow.{name}": "what MLflow's server ignores too"
        for name in (
            *(
                f"CreateDataset.{each}"
                for each in ("source_type", "source", "schema", "profile", "created_by")
            ),
            "GetDataset.page_token",
            "UpsertDatasetRecords.updated_by",
            "QueryTraceMetrics.page_token",
        )
    },
    "mlflow.CreateRegisteredModel.deployment_job_id": "jobs of Databricks",
    "mlflow.UpdateRegisteredModel.deployment_job_id": "jobs of Databricks",
}
"""Fields of requests that Tandem ignores, and what they are about."""


@pytest.fixture(scope="module")
def kept() -> Contract:
    return entries.read(KEPT.read_text())


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tandem]:
    with tandem.running(tmp_path_factory.mktemp("tandem")) as running:
        yield running


@pytest.fixture(scope="module")
def answers(kept: Contract, asked: Tandem) -> dict[str, Answer]:
    return asked.of_endpoints(kept)


def test_the_kept_contract_is_that_of_the_installed_release(kept: Contract) -> None:
    package = importlib.util.find_spec("mlflow")
    assert package
    assert package.origin
    installed = Wheel.of_folder(Path(package.origin).parent.parent, MLFLOW_VERSION)
    assert kept.version == MLFLOW_VERSION, AGAIN
    assert compare(kept, reading.read(installed)) == [], AGAIN


def test_each_endpoint_is_implemented_or_absent_with_a_reason(answers: dict[str, Answer]) -> None:
    unknown = [key for key, answer in answers.items() if answer.standing is Standing.UNKNOWN]
    assert not unknown, "implement them, or name them in tandem_metadata.routes.unsupported.ABSENT"
    assert all(answer.reason for answer in answers.values() if answer.standing is Standing.ABSENT)


def test_tracking_and_registry_are_implemented(answers: dict[str, Answer]) -> None:
    """Else a router that answers everything as absent would pass."""
    ours = re.compile(
        r"/(api|ajax-api)/2\.0/mlflow(-artifacts)?/"
        r"(experiments|runs|metrics|registered-models|model-versions|logged-models|webhooks|mpu)/"
    )
    absent = {
        split(key)[1]
        for key, answer in answers.items()
        if ours.match(split(key)[1]) and answer.standing is not Standing.IMPLEMENTED
    }
    assert absent <= {f"/ajax-api/2.0/{path}" for path in ABSENT}


@pytest.mark.parametrize("feature", sorted(set(ABSENT) - NEWER))
def test_what_is_named_as_absent_is_in_the_contract_and_absent(
    feature: str, answers: dict[str, Answer]
) -> None:
    path = re.compile(rf"/(ajax-)?api/\d\.\d/{re.escape(feature)}(/|$)")
    below = {key for key in answers if path.match(split(key)[1])}
    assert below, f"MLflow has nothing below {feature}"
    assert any(answers[key].standing is Standing.ABSENT for key in below)


def test_a_path_that_mlflow_has_not_is_unknown(asked: Tandem) -> None:
    assert asked.answer("GET", "/api/2.0/mlflow/runs/nothing").standing is Standing.UNKNOWN
    assert asked.answer("PUT", "/api/2.0/mlflow/runs/create").standing is Standing.UNKNOWN


def test_fields_of_requests_are_read(kept: Contract) -> None:
    unread = set()
    for endpoint in ENDPOINTS:
        given = kept.of("endpoint").get(f"{endpoint.method}=/api/{endpoint.path}")
        if given:
            known = {item.encode_name for item in msgspec.structs.fields(endpoint.request)}
            fields = (member.partition(":")[0] for member in kept.of("message")[given[0]])
            unread |= {f"{given[0]}.{name}" for name in fields if name not in known}
    assert unread == set(UNREAD_FIELDS)


@pytest.mark.parametrize("service", tandem.SERVICES)
def test_fields_of_server_info_are_answered(service: str, kept: Contract, asked: Tandem) -> None:
    assert sorted(set(kept.of("info")) - asked.info()[service]) == []


@pytest.mark.parametrize("service", tandem.SERVICES)
def test_flags_of_mlflows_server_are_taken_or_refused_in_words(
    service: str, kept: Contract
) -> None:
    flags = {
        flag
        for member in kept.of("command")["server"]
        for flag in member.partition(":")[0].split("/")
    }
    assert sorted(flags - tandem.flags_of(service)) == []
