"""Concurrent requests that change one model, over two pools, as two processes would have."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.messages.logged_models import LoggedModelTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.registry.version_creation import VERSIONS_TAG
from tandem_shared.errors import NotFound
from tests.metadata.api import EXISTS, MISSING
from tests.metadata.registry_api import Registry


@pytest.fixture
def apis(settings: Settings, database: Database) -> Iterator[tuple[Registry, Registry]]:
    other = Database(settings)
    yield Registry(settings, database), Registry(settings, other)
    other.close()


def _at_once(*requests: Callable[[], Any]) -> list[Any]:
    """The results of requests that start together, each in a thread of its own."""
    barrier = threading.Barrier(len(requests))
    results: list[Any] = [None] * len(requests)

    def run(index: int) -> None:
        barrier.wait()
        results[index] = requests[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_concurrent_versions_get_distinct_numbers(apis: tuple[Registry, Registry]) -> None:
    apis[0].model()
    run_id = apis[0].run()
    model_id = apis[0].logged_model("s3://b/c", run_id)

    def creator(api: Registry) -> Callable[[], list[str]]:
        def create() -> list[str]:
            numbers = []
            for _ in range(4):
                version = api.create_version(
                    source=f"models:/{model_id}",
                    model_id=model_id,
                    tags=[{"key": "k", "value": "v"}],
                )
                numbers.append(version["version"])
            api.call("model-versions/delete", name="m", version=numbers[-1])
            return numbers

        return create

    results = _at_once(*(creator(apis[index % 2]) for index in range(8)))
    numbers = sorted(int(number) for numbers in results for number in numbers)
    assert numbers == list(range(1, 33))
    known = json.loads(apis[0].logged_model_tags(model_id)["mlflow.modelVersions"])
    assert sorted(version["version"] for version in known) == numbers


def test_concurrent_versions_and_tags_of_a_logged_model_are_all_kept(
    database: Database, apis: tuple[Registry, Registry]
) -> None:
    apis[0].model()
    model_id = apis[0].logged_model("s3://b/c")

    def create(api: Registry) -> None:
        for _ in range(10):
            api.create_version(source=f"models:/{model_id}", model_id=model_id)

    def tag() -> None:
        for _ in range(20):
            with database.write() as conn:
                logged_models.set_tags(conn, model_id, [LoggedModelTag(VERSIONS_TAG, "[]")])
            with contextlib.suppress(NotFound), database.write() as conn:
                logged_models.delete_tag(conn, model_id, VERSIONS_TAG)

    _at_once(tag, *(lambda api=api: create(api) for api in apis), tag)
    assert apis[0].latest() == ["20"]


def test_concurrent_models_of_one_name_create_one(apis: tuple[Registry, Registry]) -> None:
    create = [
        lambda api=apis[index % 2]: api.ask("registered-models/create", name="m")
        for index in range(6)
    ]
    answers = [(status, body.get("error_code")) for status, body in _at_once(*create)]
    assert answers.count((200, None)) == 1
    assert answers.count(EXISTS) == 5


def test_concurrent_tags_and_aliases_end_as_one_of_the_values(
    apis: tuple[Registry, Registry],
) -> None:
    apis[0].model()
    for _ in range(2):
        apis[0].create_version()

    def setter(number: int) -> Callable[[], None]:
        def run() -> None:
            api, version = apis[number % 2], str(number % 2 + 1)
            api.call("registered-models/set-tag", name="m", key="k", value=str(number))
            api.call("model-versions/set-tag", name="m", version="1", key="k", value=str(number))
            api.call("registered-models/alias", name="m", alias="a", version=version)

        return run

    _at_once(*(setter(number) for number in range(6)))
    model = apis[0].get()
    assert len(model["tags"]) == len(apis[0].tags(1)) == len(model["aliases"]) == 1


def test_concurrent_swaps_of_names_never_mix(apis: tuple[Registry, Registry]) -> None:
    for name in ("a", "b"):
        apis[0].model(name, tags=[{"key": "was", "value": name}])
        apis[0].create_version(name, f"s3://b/{name}")

    def renamer(api: Registry, name: str, new: str) -> Callable[[], list[tuple[int, str]]]:
        def run() -> list[tuple[int, str]]:
            answers = []
            for _ in range(3):
                status, body = api.ask("registered-models/rename", name=name, new_name=new)
                answers.append((status, body.get("error_code", "")))
            return answers

        return run

    pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "b"), ("b", "c"), ("c", "a")]
    results = _at_once(*(renamer(apis[n % 2], *pair) for n, pair in enumerate(pairs)))
    assert {answer for answers in results for answer in answers} <= {(200, ""), EXISTS, MISSING}
    models = []
    for name in ("a", "b", "c"):
        status, body = apis[0].ask("registered-models/get", name=name)
        if status == 200:
            models.append(body["registered_model"])
    assert sorted(model["tags"][0]["value"] for model in models) == ["a", "b"]
    for model in models:
        assert model["latest_versions"][0]["source"] == f"s3://b/{model['tags'][0]['value']}"


def test_concurrent_deletion_of_a_model_leaves_no_rows(apis: tuple[Registry, Registry]) -> None:
    apis[0].model()
    apis[0].create_version()

    def change(api: Registry) -> list[int]:
        requests: list[tuple[str, dict[str, Any]]] = [
            ("model-versions/set-tag", {"version": "1", "key": "k", "value": "v"}),
            ("model-versions/create", {"source": "s3://b/c"}),
            ("registered-models/alias", {"alias": "a", "version": "1"}),
            ("registered-models/set-tag", {"key": "k", "value": "v"}),
        ]
        return [api.ask(path, name="m", **fields)[0] for path, fields in requests]

    def delete() -> list[int]:
        return [apis[1].ask("registered-models/delete", name="m")[0]]

    results = _at_once(delete, *(lambda api=apis[n % 2]: change(api) for n in range(4)))
    assert {status for statuses in results for status in statuses} <= {200, 404}
    new = apis[0].model()
    assert new.keys() == {"name", "creation_timestamp", "last_updated_timestamp"}
    assert apis[0].create_version()["version"] == "1"
