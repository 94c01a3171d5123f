"""What of traces their reader is shown: by the experiment, and by what is denied to him."""

from dataclasses import replace
from typing import Any

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.auth import grants
from tests.metadata import artifacts_host, guarded
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import DENIED, Guarded
from tests.metadata.traces import rows

_MINE = f"tr-{1:032x}"
_THEIRS = f"tr-{2:032x}"
_NOBODYS = f"tr-{3:032x}"
_V3 = "/api/3.0/mlflow/traces"
_ARTIFACT = "/ajax-api/3.0/mlflow/get-trace-artifact"
_ATTACHMENT = "0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11"
_LINKS = {"mlflow.sourceRun": "r", "mlflow.modelId": "m", "other": "x"}


@pytest.fixture
def experiments(service: Guarded) -> tuple[str, str]:
    """Two experiments with a trace in each."""
    mine, theirs = service.experiment("mine"), service.experiment("theirs")
    with service.database.write() as conn:
        for trace_id, experiment in ((_MINE, mine), (_THEIRS, theirs)):
            location = f"mlflow-artifacts:/{experiment}/traces/{trace_id}/artifacts"
            rows.trace(
                conn,
                trace_id,
                experiment_id=int(experiment),
                tags={**rows.IN_DATABASE, "mlflow.artifactLocation": location},
                metadata=dict(_LINKS),
            )
            rows.spans(conn, trace_id, 1, experiment_id=int(experiment))
            rows.assessment(conn, trace_id, f"of-{experiment}", "yes")
    return mine, theirs


def _infos(service: Guarded, name: str) -> dict[str, list[Any]]:
    """The traces that each endpoint shows, of both that there are."""
    ids = [_MINE, _THEIRS, _NOBODYS]
    call = service.call
    traces = call(name, "GET", f"{_V3}/batchGet", trace_ids=ids)
    infos = call(name, "POST", f"{_V3}/batchGetInfos", trace_ids=ids)
    return {
        "batchGet": [each["trace_info"] for each in traces.get("traces", [])],
        "batchGetInfos": infos.get("trace_infos", []),
        "info": [call(name, "GET", f"{_V3}/{_MINE}")["trace"]["trace_info"]],
        "get": [call(name, "GET", f"{_V3}/get", trace_id=_MINE)["trace"]["trace_info"]],
    }


def test_several_traces_are_those_that_their_reader_may_read(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    service.user("ann", ("experiment", experiments[0], "READ"))
    for infos in _infos(service, "ann").values():
        assert [each["trace_id"] for each in infos] == [_MINE]
        assert infos[0]["trace_metadata"] == _LINKS
        assert len(infos[0]["assessments"]) == 1


@only_sqlite
@pytest.mark.parametrize("trace_id", [_THEIRS, _NOBODYS])
def test_a_trace_that_is_not_readable_is_refused_as_one_that_does_not_exist(
    service: Guarded, experiments: tuple[str, str], trace_id: str
) -> None:
    service.user("ann", ("experiment", experiments[0], "READ"))
    for path, query in (
        (f"{_V3}/{trace_id}", {}),
        (f"{_V3}/get", {"trace_id": trace_id}),
        (f"/api/2.0/mlflow/traces/{trace_id}/info", {}),
        (_ARTIFACT, {"request_id": trace_id}),
        (_ARTIFACT, {"request_id": trace_id, "path": _ATTACHMENT}),
    ):
        message = service.refusal("ann", "GET", path, **query)
        assert message == (
            f"Permission denied: this needs READ on trace {trace_id}, which user 'ann' lacks."
        )


@only_sqlite
def test_denied_traces_are_nowhere(service: Guarded, experiments: tuple[str, str]) -> None:
    service.user("ann", ("experiment", experiments[0], "MANAGE"), ("trace", "*", "DENY"))
    ids = [_MINE, _THEIRS]
    assert service.call("ann", "GET", f"{_V3}/batchGet", trace_ids=ids) == {}
    assert service.call("ann", "POST", f"{_V3}/batchGetInfos", trace_ids=ids) == {}
    assert service.ask("ann", "GET", f"{_V3}/{_MINE}")[0] == DENIED[0]


@only_sqlite
@pytest.mark.parametrize("level", ["DENY", "NO_PERMISSIONS"])
def test_assessments_are_left_out_for_whom_they_are_denied(
    service: Guarded, experiments: tuple[str, str], level: str
) -> None:
    service.user("ann", ("experiment", experiments[0], "READ"), ("assessment", "*", level))
    for infos in _infos(service, "ann").values():
        assert "assessments" not in infos[0]


@only_sqlite
@pytest.mark.parametrize(
    ("kind", "name"), [("run", "mlflow.sourceRun"), ("logged_model", "mlflow.modelId")]
)
def test_links_are_left_out_for_whom_their_target_is_denied(
    service: Guarded, experiments: tuple[str, str], kind: str, name: str
) -> None:
    service.user("ann", ("experiment", experiments[0], "READ"), (kind, "*", "DENY"))
    rest = {key: value for key, value in _LINKS.items() if key != name}
    for infos in _infos(service, "ann").values():
        assert infos[0]["trace_metadata"] == rest
    old = service.call("ann", "GET", f"traces/{_MINE}/info")["trace_info"]
    assert {each["key"]: each["value"] for each in old["request_metadata"]} == rest


@only_sqlite
def test_a_tag_opens_no_files_that_its_reader_cannot_read(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    service.user("ann", ("experiment", experiments[0], "MANAGE"))
    location = f"mlflow-artifacts:/{experiments[1]}/traces/{_THEIRS}/artifacts"
    with service.database.write() as conn:
        conn.exec_driver_sql(
            f"UPDATE trace_tags SET value = '{location}' WHERE request_id = '{_MINE}' "
            "AND key = 'mlflow.artifactLocation'"
        )
        conn.exec_driver_sql("DELETE FROM trace_tags WHERE key = 'mlflow.trace.spansLocation'")
        conn.exec_driver_sql("DELETE FROM spans")
    for query in ({}, {"path": _ATTACHMENT}):
        assert "belongs to" in service.refusal("ann", "GET", _ARTIFACT, request_id=_MINE, **query)


@only_sqlite
def test_files_of_a_trace_are_relayed_to_its_readers(guarded_settings: Settings) -> None:
    with artifacts_host.serve() as host:
        host.answer = artifacts_host.answer(b"file")
        settings = replace(guarded_settings, default_artifact_root=host.root)
        with guarded.running(settings) as service:
            experiment = service.experiment("e")
            folder = f"{experiment}/traces/{_MINE}/artifacts"
            location = {"mlflow.artifactLocation": f"{host.root}{folder}"}
            with service.database.write() as conn:
                rows.trace(conn, _MINE, experiment_id=int(experiment), tags=location)
            service.user("ann", ("experiment", experiment, "READ"))
            for query, name in (({}, "traces.json"), ({"path": _ATTACHMENT}, _ATTACHMENT)):
                given = service.http.get(
                    _ARTIFACT,
                    params={"request_id": _MINE, **query},
                    headers=service.headers("ann"),
                )
                assert (given.status_code, given.content) == (200, b"file"), given.text
                path, headers = host.seen.pop()
                assert path.endswith(f"/{folder}/{'attachments/' * bool(query)}{name}")
                assert grants.HEADER in headers
                assert "authorization" not in headers
