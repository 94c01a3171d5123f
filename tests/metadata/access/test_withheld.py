"""What answers leave out for a user to whom runs, logged models or versions are denied."""

from dataclasses import dataclass
from typing import Any

import pytest

from tandem_metadata.access import withheld
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import ADMIN, Guarded

PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}

READS = (("experiment", "*", "EDIT"), ("registered_model", "*", "EDIT"), ("prompt", "*", "EDIT"))


@dataclass
class World:
    """One of each kind, each of which names the others."""

    service: Guarded
    experiment: str
    run: str
    model: str
    registered: str
    prompt: str

    def __init__(self, service: Guarded) -> None:
        self.service = service
        self.experiment = service.experiment("e")
        self.run = service.run(self.experiment)
        self.model = service.logged_model(self.experiment, source_run_id=self.run)
        metric = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
        self._call("runs/log-metric", run_id=self.run, model_id=self.model, **metric)
        models = [{"model_id": self.model}]
        self._call("runs/log-inputs", run_id=self.run, models=models)
        outputs = [{"model_id": self.model, "step": 1}]
        self._call("runs/outputs", run_id=self.run, models=outputs)
        self.registered, self.prompt = (
            service.registered("m"),
            service.registered("p", prompt=True),
        )
        service.version(self.registered, run_id=self.run, run_link="http://run")
        self._call("registered-models/alias", name="m", alias="a", version="1")
        service.version(self.prompt, source="dummy-source", tags=[PROMPT])

    def _call(self, path: str, **fields: Any) -> None:
        self.service.call(ADMIN, "POST", path, **fields)

    def versions(self, of: str) -> dict[str, Any]:
        """The version in each answer that holds it."""
        call = self.service.call
        one = {"name": self.registered, "version": "1"}
        named = {"name": self.registered}
        return {
            "get": call(of, "GET", "model-versions/get", **one)["model_version"],
            "update": call(of, "PATCH", "model-versions/update", description="d", **one)[
                "model_version"
            ],
            "stage": call(of, "POST", "model-versions/transition-stage", stage="Staging", **one)[
                "model_version"
            ],
            "alias": call(of, "GET", "registered-models/alias", alias="a", **named)[
                "model_version"
            ],
            "latest": call(of, "GET", "registered-models/get-latest-versions", **named)[
                "model_versions"
            ][0],
            "search": call(of, "GET", "model-versions/search")["model_versions"][0],
            "model": call(of, "GET", "registered-models/get", **named)["registered_model"][
                "latest_versions"
            ][0],
            "models": call(of, "GET", "registered-models/search")["registered_models"][0][
                "latest_versions"
            ][0],
        }

    def runs(self, of: str) -> list[Any]:
        """The run in each answer that holds it."""
        call = self.service.call
        return [
            call(of, "GET", "runs/get", run_id=self.run)["run"],
            call(of, "POST", "runs/search", experiment_ids=[self.experiment])["runs"][0],
        ]

    def models(self, of: str) -> list[Any]:
        """The logged model in each answer that holds it."""
        call = self.service.call
        path = f"logged-models/{self.model}"
        ids = [self.experiment]
        return [
            call(of, "GET", path)["model"],
            call(of, "PATCH", path, status="LOGGED_MODEL_READY")["model"],
            call(of, "POST", "logged-models/search", experiment_ids=ids)["models"][0],
        ]


@pytest.fixture
def world(service: Guarded) -> World:
    return World(service)


def test_runs_that_are_denied_are_named_nowhere(world: World) -> None:
    world.service.user("ann", *READS)
    world.service.user("bob", *READS, ("run", "*", "DENY"))
    for name, version in world.versions("ann").items():
        assert (name, version["run_id"]) == (name, world.run)
        assert (name, version["run_link"]) == (name, "http://run")
    for name, version in world.versions("bob").items():
        assert (name, {"run_id", "run_link"} & version.keys()) == (name, set())
        assert (name, version["name"]) == (name, world.registered)
    for model in world.models("ann"):
        assert model["info"]["source_run_id"] == world.run
        assert [each["run_id"] for each in model["data"]["metrics"]] == [world.run]
    for model in world.models("bob"):
        assert "source_run_id" not in model["info"]
        assert [each.get("run_id") for each in model["data"]["metrics"]] == [None]
        assert model["info"]["model_id"] == world.model
    world.service.refusal("bob", "GET", "runs/get", run_id=world.run)


def test_logged_models_that_are_denied_are_named_nowhere(world: World) -> None:
    world.service.user("ann", *READS)
    world.service.user("bob", *READS, ("logged_model", "*", "DENY"))
    for run in world.runs("ann"):
        assert run["inputs"]["model_inputs"]
        assert run["outputs"]["model_outputs"]
    for run in world.runs("bob"):
        assert "model_inputs" not in run["inputs"]
        assert "model_outputs" not in run["outputs"]
        assert world.model not in str(run)
        assert [each["key"] for each in run["data"]["metrics"]] == ["loss"]
    history = world.service.call(
        "bob", "GET", "metrics/get-history", run_id=world.run, metric_key="loss"
    )
    assert world.model not in str(history)
    assert history["metrics"][0]["value"] == 1.0
    world.service.refusal("bob", "GET", f"logged-models/{world.model}")


def test_versions_that_are_denied_are_shown_by_no_model(world: World) -> None:
    call = world.service.call
    for denied, shown in (
        ("registered_model_version", world.prompt),
        ("prompt_version", world.registered),
    ):
        name = world.service.user(f"without-{denied}", *READS, (denied, "*", "DENY"))
        for each in (world.registered, world.prompt):
            found = call(name, "GET", "registered-models/get", name=each)["registered_model"]
            expected = (each, each == shown)
            assert (each, "latest_versions" in found) == expected
            status, _ = world.service.ask(name, "GET", "model-versions/get", name=each, version="1")
            assert status == (200 if each == shown else 403)
            new = f"{each}-{denied.replace('_', '-')}"
            changed = call(name, "PATCH", "registered-models/update", name=each, description="d")[
                "registered_model"
            ]
            assert (each, "latest_versions" in changed) == expected
            renamed = call(name, "POST", "registered-models/rename", name=each, new_name=new)[
                "registered_model"
            ]
            assert (each, "latest_versions" in renamed) == expected
            call(ADMIN, "POST", "registered-models/rename", name=new, new_name=each)


@pytest.mark.parametrize(
    ("path", "filter", "selects"),
    [
        ("model-versions/search", "run_id = '{run}'", True),
        ("model-versions/search", "name = 'm' AND (`run_id` IN ('x') OR name = 'y')", True),
        ("model-versions/search", "attribute.run_id != 'x'", True),
        ("model-versions/search", "name = 'm'", False),
        ("model-versions/search", "tags.run_id = 'x'", False),
        ("model-versions/search", "run_id = ", None),
        ("logged-models/search", "source_run_id = '{run}'", True),
        ("logged-models/search", "NOT attributes.source_run_id = '{run}'", True),
        ("logged-models/search", "tags.source_run_id = 'x'", False),
    ],
)
@only_sqlite
def test_search_by_a_run_is_refused_where_runs_are_denied(
    world: World, path: str, filter: str, selects: bool | None
) -> None:
    world.service.user("ann", *READS)
    world.service.user("bob", *READS, ("run", "*", "DENY"))
    method = "GET" if path.startswith("model-versions") else "POST"
    given: dict[str, Any] = {"filter": filter.format(run=world.run)}
    if method == "POST":
        given["experiment_ids"] = [world.experiment]
    expected = 400 if selects is None else 200
    assert world.service.ask("ann", method, path, **given)[0] == expected
    status, body = world.service.ask("bob", method, path, **given)
    assert status == (403 if selects else expected)
    if selects:
        assert "run_id" in body["message"]


@only_sqlite
def test_answers_are_left_as_they_are_for_everybody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.service.user("ann", *READS)
    world.service.user("root", *READS, ("run", "*", "DENY"), admin=True)
    world.service.user("chief", ("workspace", "*", "MANAGE"), ("run", "*", "DENY"))

    async def never(body: bytes, denied: frozenset[str]) -> bytes:
        raise AssertionError(denied)

    monkeypatch.setattr(withheld, "without", never)
    for name in ("ann", "root", "chief", ADMIN):
        assert world.versions(name)["get"]["run_id"] == world.run


@only_sqlite
def test_answer_that_is_long_is_changed_beside_the_event_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withheld, "_AT_ONCE", 10)
    world.service.user("bob", *READS, ("logged_model", "*", "DENY"))
    for run in world.runs("bob"):
        assert world.model not in str(run)


def test_runs_of_one_experiment_that_is_denied_are_named_nowhere(world: World) -> None:
    other = world.service.run(world.service.experiment("other"))
    world.service.user("bob", *READS, ("experiment", world.experiment, "DENY"))
    for name, version in world.versions("bob").items():
        assert (name, {"run_id", "run_link"} & version.keys()) == (name, set())
        assert (name, version["name"]) == (name, world.registered)
    call = world.service.call
    query = "{mlflowSearchModelVersions(input: {}) {modelVersions {name runId}}}"
    found = call("bob", "POST", "/graphql", query=query)["data"]["mlflowSearchModelVersions"]
    assert {each["runId"] for each in found["modelVersions"]} == {""}
    for given in (f"run_id = '{world.run}'", f"run_id IN ('{world.run}')", "run_id != 'x'"):
        assert "run_id" in world.service.refusal(
            "bob", "GET", "model-versions/search", filter=given
        )
    world.service.version(world.registered, run_id=other)
    [shown] = call("bob", "GET", "model-versions/search", filter=f"run_id = '{other}'")[
        "model_versions"
    ]
    assert shown["run_id"] == other
