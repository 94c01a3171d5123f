import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import entries, tandem
from tests.contract.__main__ import KEPT, ROOT
from tests.contract.entries import Contract
from tests.contract.report import report


def sections(text: str) -> dict[str, list[str]]:
    """Lines by the title of their section, without its count."""
    found: dict[str, list[str]] = {}
    for block in text.split("\n\n")[2:]:
        title, *lines = block.splitlines()
        found[re.sub(r": (\d+|nothing)$", "", title)] = [line.strip() for line in lines[1:]]
    return found


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The report on a release with a change of every kind."""
    kept = entries.read(KEPT.read_text())
    kinds = {kind: dict(each) for kind, each in kept.kinds.items()}
    kinds["endpoint"] |= {"POST=/api/2.0/mlflow/runs/fork": (), "GET=/api/3.0/mlflow/jobs/all": ()}
    del kinds["endpoint"]["POST=/api/2.0/mlflow/runs/log-model"]
    kinds["message"]["mlflow.RunInfo"] += ("colour:string",)
    kinds["message"]["mlflow.CreateGatewaySecret"] += ("colour:string",)
    kinds["enum"]["mlflow.RunStatus"] += ("PAUSED=6",)
    kinds["error"]["TIRED"] = ("503",)
    kinds["graphql"]["MlflowRunInfo"] += ("colour",)
    kinds["variable"]["MLFLOW_HOST"] = ("option", "default=None")
    kinds["info"] |= {"colours_enabled": (), "tracking_auth": ()}
    kinds["command"]["server"] += ("--colour:MLFLOW_COLOUR",)
    kinds["revision"]["ffffffffffff"] = ("after=dc11669786a5", "add_column=runs.colour")
    kinds["table"]["runs"] += ("colour:String(7)",)
    kinds["page"] |= {"/ajax-api/2.0/mlflow/runs/fork": (), "/ajax-api/9.0/mlflow/unheard": ()}
    release = Contract("9.9.9", kinds)
    with tandem.running(tmp_path_factory.mktemp("tandem")) as asked:
        return sections(report(kept, release, asked))


def test_report_tells_endpoints_with_their_standing(changed: dict[str, list[str]]) -> None:
    assert changed["Endpoints that Tandem neither answers nor names as absent"][1:] == [
        "POST /api/2.0/mlflow/runs/fork"
    ]
    assert changed["Endpoints that changed"][1:] == [
        "+ GET /api/3.0/mlflow/jobs/all  [absent: Tandem runs no jobs.]",
        "+ POST /api/2.0/mlflow/runs/fork  [unknown]",
        "- POST /api/2.0/mlflow/runs/log-model  [gone: Tandem may answer it for older clients]",
    ]


def test_report_tells_fields_of_implemented_requests_from_others(
    changed: dict[str, list[str]],
) -> None:
    ours = "Fields and values in requests and answers that Tandem implements"
    assert changed[ours][1:] == [
        "+ mlflow.RunInfo  colour:string",
        "+ mlflow.RunStatus  PAUSED=6",
    ]
    assert changed["Fields and values of what Tandem does not have"][1:] == [
        "+ mlflow.CreateGatewaySecret  colour:string"
    ]
    assert changed["Error codes and statuses"][1:] == ["+ TIRED  503"]
    assert changed["GraphQL: types and fields that changed"][1:] == ["+ MlflowRunInfo  colour"]


def test_report_tells_what_operators_set(changed: dict[str, list[str]]) -> None:
    assert changed["Environment variables"][1:] == [
        "+ MLFLOW_HOST  default=None  [Tandem reads it]"
    ]
    assert changed["Flags of commands"][1:] == [
        "+ server  --colour:MLFLOW_COLOUR  [tandem-metadata: does not know it, "
        "tandem-artifacts: does not know it]"
    ]


def test_report_tells_fields_of_server_info(changed: dict[str, list[str]]) -> None:
    assert changed["Fields of server-info"][1:] == [
        "+ colours_enabled  [tandem-metadata: does not answer it, "
        "tandem-artifacts: does not answer it]",
        "+ tracking_auth  [tandem-metadata: answers it, tandem-artifacts: answers it]",
    ]


def test_report_tells_revisions_and_columns(changed: dict[str, list[str]]) -> None:
    title = "Revisions of the database (head ffffffffffff)"
    assert changed[title][1:] == ["+ ffffffffffff  add_column=runs.colour"]
    assert changed["Columns of tables that Tandem uses"][1:] == ["+ runs  colour:String(7)"]


def test_report_tells_requests_of_the_web_ui(changed: dict[str, list[str]]) -> None:
    assert changed["Requests of the web UI that Tandem does not answer"][1:] == [
        "+ /ajax-api/2.0/mlflow/runs/fork"
    ]
    (foreign,) = (lines for title, lines in changed.items() if "no endpoint for" in title)
    assert foreign[1:] == ["+ /ajax-api/9.0/mlflow/unheard"]


def test_a_wheel_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    wheel = tmp_path / "mlflow-9.9.9-py3-none-any.whl"
    wheel.write_text("no archive")
    command = [sys.executable, "-m", "tests.contract", "9.9.9", "--wheel", str(wheel)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
