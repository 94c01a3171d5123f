"""Evaluation datasets over HTTP, in databases of each generation of the schema."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_metadata.store.evaluation import records
from tests.metadata.api import INVALID, MISSING, Api
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import generations

PATH = "/api/3.0/mlflow/datasets"


class Datasets(Api):
    def request(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        as_query = {"params": given} if method == "GET" else {"json": given}
        answer = self.http.request(method, PATH + path, **as_query)
        return answer.status_code, answer.json()

    def ok(self, method: str, path: str, **given: Any) -> Any:
        status, answer = self.request(method, path, **given)
        assert status == 200, answer
        return answer

    def refuses(self, method: str, path: str, **given: Any) -> tuple[int, str]:
        status, answer = self.request(method, path, **given)
        assert answer["message"]
        return status, answer["error_code"]

    def create(self, name: str = "d", **given: Any) -> Any:
        return self.ok("POST", "/create", name=name, **given)["dataset"]

    def new(self, **given: Any) -> str:
        return str(self.create(**given)["dataset_id"])

    def get(self, dataset_id: str) -> Any:
        return self.ok("GET", f"/{dataset_id}")["dataset"]

    def merge(self, dataset_id: str, *given: Any) -> tuple[int, int]:
        counts = self.ok("POST", f"/{dataset_id}/records", records=json.dumps(given))
        return counts["inserted_count"], counts["updated_count"]

    def save(self, dataset_id: str, *given: Any) -> Any:
        """Records as the web UI saves them."""
        path = f"{PATH}/{dataset_id}/records".replace("/api/", "/ajax-api/")
        return self.http.post(path, json={"records": json.dumps(given)})

    def records(self, dataset_id: str) -> list[Any]:
        found: list[Any] = json.loads(self.ok("GET", f"/{dataset_id}/records")["records"])
        return found

    def found(self, **given: Any) -> list[str]:
        datasets = self.ok("POST", "/search", **given).get("datasets", [])
        return [each["name"] for each in datasets]


@pytest.fixture(scope="module", params=generations.NAMES)
def generation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        settings = Settings(
            backend_store_uri=uri, default_artifact_root=ARTIFACT_ROOT, pool_timeout=30.0
        )
        database = Database(settings)
        database.prepare(ARTIFACT_ROOT)
        database.close()
        yield settings


@pytest.fixture
def api(generation: Settings) -> Iterator[Datasets]:
    database = Database(generation)
    with database.write() as conn:
        for table in ("evaluation_datasets", "entity_associations"):
            conn.execute(text(f"DELETE FROM {table}"))
    yield Datasets(generation, database)
    database.close()


def test_a_dataset_lives_its_whole_life(api: Datasets) -> None:
    tags = {"team": "é", "mlflow.user": "bob", "n": 5, "none": None}
    made = api.create("questions", experiment_ids=["0", "0", "77"], tags=json.dumps(tags))
    assert made.pop("experiment_ids") == ["0", "77"]
    assert json.loads(made["tags"]) == {"team": "é", "mlflow.user": "bob", "n": "5"}
    assert made["created_by"] == made["last_updated_by"] == "bob"
    assert made["created_time"] == made["last_update_time"]
    assert len(made["digest"]) == 8
    found = api.get(made["dataset_id"])
    assert json.loads(found.pop("tags")) == json.loads(made.pop("tags"))
    assert found == made

    path = f"/{made['dataset_id']}"
    api.ok("PATCH", f"{path}/tags", tags=json.dumps({"team": "b", "new": "1", "n": None}))
    api.ok("DELETE", f"{path}/tags/new")
    api.ok("DELETE", f"{path}/tags/never")
    assert json.loads(api.get(made["dataset_id"])["tags"]) == {
        "team": "b",
        "mlflow.user": "bob",
        "n": "5",
    }
    api.merge(made["dataset_id"], {"inputs": {"q": 1}})
    for _ in range(2):
        api.ok("DELETE", path)
    assert api.refuses("GET", path) == MISSING
    assert api.records(made["dataset_id"]) == []
    assert api.ok("GET", f"{path}/experiment-ids") == {}


def test_records_with_the_same_inputs_are_merged(api: Datasets) -> None:
    dataset = api.new()
    first = {
        "inputs": {"a": 1, "b": [True, None]},
        "expectations": {"x": 1},
        "tags": {"t": "1", "mlflow.user": "bob"},
        "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1"}},
        "outputs": "o",
    }
    again = {"inputs": {"b": [True, None], "a": 1}, "expectations": {"y": 2.5}, "tags": {"u": "2"}}
    assert api.merge(dataset, first, again, {}) == (2, 1)
    assert api.merge(dataset, {**again, "outputs": {"new": 1}, "tags": None}) == (0, 1)
    found = {json.dumps(each["inputs"]): each for each in api.records(dataset)}
    merged, empty = found.pop('{"a": 1, "b": [true, null]}'), found.pop("{}")
    assert not found
    assert merged["expectations"] == {"x": 1, "y": 2.5}
    assert merged["tags"] == {"t": "1", "mlflow.user": "bob", "u": "2"}
    assert merged["outputs"] == {"new": 1}
    assert merged["source"] == {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}
    assert (merged["source_id"], merged["source_type"]) == ("tr-1", "TRACE")
    assert (merged["created_by"], merged["last_updated_by"]) == ("bob", "bob")
    assert merged["dataset_record_id"].startswith("dr-")
    assert (empty["outputs"], empty["tags"]) == ({}, {})
    assert "source" not in empty
    told = api.get(dataset)
    assert json.loads(told["profile"]) == {"num_records": 2}
    assert json.loads(told["schema"]) == {
        "inputs": {"a": "integer", "b": "array"},
        "outputs": "string",
        "expectations": {"x": "integer", "y": "float"},
        "version": "1.0",
    }

    ids = [merged["dataset_record_id"], "dr-nobody"]
    gone = api.ok("DELETE", f"/{dataset}/records", dataset_record_ids=ids)
    assert gone == {"deleted_count": 1}
    assert [each["inputs"] for each in api.records(dataset)] == [{}]
    assert json.loads(api.get(dataset)["profile"]) == {"num_records": 1}


def test_records_that_people_edit_are_what_was_saved(api: Datasets) -> None:
    dataset = api.new()
    tags = {"keep": "1", "drop": "2", "mlflow.user": "bob"}
    first = {"inputs": {"q": "first"}, "expectations": {"a": 1, "b": 2}, "tags": tags}
    api.merge(dataset, {**first, "outputs": "o"}, {"inputs": {"q": "second"}, "tags": {"t": "1"}})
    known = {each["inputs"]["q"]: each for each in api.records(dataset)}
    ids = {name: each["dataset_record_id"] for name, each in known.items()}
    edited = {
        "dataset_record_id": ids["first"],
        "inputs": {"q": "changed"},
        "expectations": {"b": 3},
        "tags": {"keep": "1", "mlflow.user": "eve"},
        "source": {"source_type": "HUMAN", "source_data": {"user_name": ""}},
    }
    fresh = {"dataset_record_id": "dr-of-nobody", "inputs": {"q": "third"}}
    odd = [{**fresh, "dataset_record_id": each} for each in ("\x00", "é\ud800", 5, None, "")]
    answer = api.save(dataset, edited, fresh, *odd)
    assert answer.json() == {"inserted_count": 1, "updated_count": 6}
    now = {each["inputs"]["q"]: each for each in api.records(dataset)}
    assert now.keys() == {"changed", "second", "third"}
    assert now["second"] == known["second"]
    changed = now["changed"]
    assert changed["dataset_record_id"] == ids["first"]
    assert changed["expectations"] == {"b": 3}
    assert changed["tags"] == {"keep": "1", "mlflow.user": "eve"}
    assert (changed["outputs"], changed["created_by"]) == ("o", "bob")
    assert changed["last_updated_by"] == api.get(dataset)["last_updated_by"] == "eve"
    assert json.loads(api.get(dataset)["profile"]) == {"num_records": 3}

    emptied = {"dataset_record_id": ids["second"], "inputs": {"q": "second"}, "tags": {}}
    assert api.save(dataset, emptied).json() == {"inserted_count": 0, "updated_count": 1}
    # The old inputs are anybody's again.
    assert api.merge(dataset, {"inputs": {"q": "changed"}}, first) == (1, 1)
    assert {each["inputs"]["q"]: each["tags"] for each in api.records(dataset)} == {
        "changed": changed["tags"],
        "second": {},
        "third": {},
        "first": tags,
    }


def test_an_edit_cannot_give_a_record_the_inputs_of_another(api: Datasets) -> None:
    dataset = api.new()
    api.merge(dataset, {"inputs": {"q": 1}}, {"inputs": {"q": 2}})
    before = api.records(dataset)
    one, two = ({"dataset_record_id": each["dataset_record_id"]} for each in before)
    for given in (
        [{**one, "inputs": before[1]["inputs"]}],
        [{**one, "inputs": {"q": 3}}, {**two, "inputs": {"q": 3}}],
    ):
        answer = api.save(dataset, *given)
        assert (answer.status_code, answer.json()["error_code"]) == INVALID
        assert "has the same inputs" in answer.json()["message"]
    assert api.records(dataset) == before
    # Those of another dataset are none of this one's.
    other = api.new(name="other")
    assert api.save(other, {**one, "inputs": {"q": 2}}).json()["inserted_count"] == 1
    assert api.records(dataset) == before
    assert api.save("d-nobody", one).status_code == 404


def test_what_clients_merge_is_not_taken_for_an_edit(api: Datasets) -> None:
    dataset = api.new()
    api.merge(dataset, {"inputs": {"q": 1}, "expectations": {"a": 1}, "tags": {"t": "1"}})
    [record] = api.records(dataset)
    given = {**record, "expectations": {"b": 2}, "tags": {}}
    assert api.merge(dataset, given, {**record, "inputs": {"q": 2}}) == (1, 1)
    assert [
        each["expectations"] for each in api.records(dataset) if each["inputs"] == {"q": 1}
    ] == [{"a": 1, "b": 2}]


def test_the_uis_list_says_when_datasets_were_made(api: Datasets) -> None:
    made = api.create()
    path = f"{PATH}/search"
    [shown] = api.http.post(path.replace("/api/", "/ajax-api/"), json={}).json()["datasets"]
    assert shown["create_time"] == made["created_time"]
    [found] = api.http.post(path, json={}).json()["datasets"]
    assert "create_time" not in found


def test_records_of_any_text_come_back(api: Datasets) -> None:
    dataset = api.new()
    inputs = {"é\x00\ud800": "\x00\ud800😀", "big": 10**30, "deep": [[[{}]]]}
    assert api.merge(dataset, {"inputs": inputs, "outputs": None}) == (1, 0)
    [record] = api.records(dataset)
    assert record["inputs"] == inputs
    assert "outputs" not in record


def test_records_are_read_in_pages(api: Datasets) -> None:
    dataset = api.new()
    api.merge(dataset, *({"inputs": {"n": n}} for n in range(7)))
    read, token = [], None
    while True:
        given = {"max_results": 3} | ({"page_token": token} if token else {})
        page = api.ok("GET", f"/{dataset}/records", **given)
        read += [each["inputs"]["n"] for each in json.loads(page["records"])]
        token = page.get("next_page_token")
        if not token:
            break
    assert sorted(read) == [*range(7)]
    assert api.refuses("GET", f"/{dataset}/records", page_token="x") == INVALID
    assert api.refuses("GET", f"/{dataset}/records", max_results=-1) == INVALID


def test_searches_find_by_experiment_field_and_tag(api: Datasets) -> None:
    one = api.new(name="one", experiment_ids=["0"], tags='{"team": "a", "mlflow.user": "bob"}')
    api.create("two", experiment_ids=["5"], tags='{"team": "b"}')
    api.create("three")
    assert sorted(api.found()) == ["one", "three", "two"]
    assert api.found(experiment_ids=["0"]) == ["one"]
    assert api.found(experiment_ids=["0", "5"], order_by=["name DESC"]) == ["two", "one"]
    time = api.get(one)["created_time"]
    for condition, names in {
        'name = "one"': ["one"],
        "name LIKE 't%'": ["three", "two"],
        "name IN ('one', 'two')": ["one", "two"],
        "name ILIKE 'T%' AND tags.team = 'b'": ["two"],
        "tags.team != 'b'": ["one"],
        "created_by = 'bob'": ["one"],
        "tags.team = 'b' OR name = 'three'": ["three", "two"],
        f"created_time < {time}": [],
        f"last_update_time >= {time}": ["one", "three", "two"],
    }.items():
        assert api.found(filter_string=condition, order_by=["name"]) == names, condition
    first = api.ok("POST", "/search", max_results=2, order_by=["name ASC"])
    token = first["next_page_token"]
    rest = api.ok("GET", "/search", max_results=2, order_by=["name ASC"], page_token=token)
    assert [each["name"] for each in first["datasets"] + rest["datasets"]] == [
        "one",
        "three",
        "two",
    ]
    assert "next_page_token" not in rest
    for wrong in (
        {"filter_string": "digest = 'x'"},
        {"filter_string": "name > 'x'"},
        {"order_by": ["created_by"]},
        {"order_by": ["tags.team"]},
        {"max_results": 0},
        {"page_token": "x"},
    ):
        assert api.refuses("POST", "/search", **wrong) == INVALID, wrong


def test_datasets_come_into_experiments_and_out_of_them(api: Datasets) -> None:
    dataset = api.new(experiment_ids=["0"])
    other = api.experiment(f"other {dataset}")
    path = f"/{dataset}"
    for _ in range(2):
        told = api.ok("POST", f"{path}/add-experiments", experiment_ids=["0", other])["dataset"]
        assert told["dataset_id"] == dataset
    assert api.ok("GET", f"{path}/experiment-ids")["experiment_ids"] == ["0", other]
    assert api.refuses("POST", f"{path}/add-experiments", experiment_ids=["777777"]) == MISSING
    api.ok("POST", f"{path}/remove-experiments", experiment_ids=["0", "8"])
    assert api.ok("GET", f"{path}/experiment-ids")["experiment_ids"] == [other]
    for change in ("add", "remove"):
        given = {"experiment_ids": ["0"]}
        assert api.refuses("POST", f"/d-nobody/{change}-experiments", **given) == MISSING


def test_what_cannot_be_stored_is_refused(api: Datasets) -> None:
    path = f"/{api.new()}"
    for given in (
        {},
        {"name": ""},
        {"name": "n" * 256},
        {"name": "n", "tags": "[1]"},
        {"name": "n", "tags": "{"},
        {"name": "n", "tags": json.dumps({"k" * 256: "v"})},
        {"name": "n", "tags": json.dumps({"k": "v" * 5001})},
        {"name": "n", "tags": json.dumps({"k": "\x00"})},
        {"name": "n", "tags": json.dumps({"mlflow.user": "u" * 256})},
        {"name": "n", "experiment_ids": ["1" * 37]},
    ):
        assert api.refuses("POST", "/create", **given) == INVALID, given
    for text_ in (
        "",
        "{}",
        "[1]",
        '[{"inputs": 1}]',
        '[{"inputs": null}]',
        '[{"inputs": {"a": NaN}}]',
        '[{"inputs": {}, "tags": []}]',
        '[{"inputs": {}, "expectations": "x"}]',
        '[{"inputs": {}, "source": "x"}]',
        '[{"inputs": {}, "source": {"source_type": "NOPE"}}]',
        '[{"inputs": {}, "source": {"source_type": "HUMAN", "source_data": 1}}]',
        "[" * 100_000,
    ):
        assert api.refuses("POST", f"{path}/records", records=text_) == INVALID, text_[:50]
    assert api.refuses("PATCH", f"{path}/tags", tags="[]") == INVALID
    assert api.refuses("PATCH", "/d-nobody/tags", tags="{}") == MISSING
    assert api.refuses("POST", "/d-nobody/records", records="[]") == MISSING
    assert api.ok("DELETE", "/d-nobody/records", dataset_record_ids=["x"]) == {"deleted_count": 0}


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "-Infinity", "9" * 4_301])
def test_numbers_that_json_or_doubles_lack_are_refused_everywhere(
    api: Datasets, number: str
) -> None:
    dataset = api.new()
    for method, path, given in (
        ("POST", f"/{dataset}/records", {"records": f'[{{"inputs": {{"q": {number}}}}}]'}),
        ("POST", f"/{dataset}/records", {"records": f'[{{"inputs": {{}}, "outputs": {number}}}]'}),
        ("PATCH", f"/{dataset}/tags", {"tags": f'{{"a": {number}}}'}),
        ("PATCH", f"/{dataset}/tags", {"tags": f'{{"a": [{number}]}}'}),
        ("POST", "/create", {"name": "n", "tags": f'{{"a": {number}}}'}),
    ):
        status, answer = api.request(method, path, **given)
        assert (status, answer["error_code"]) == INVALID
        assert f"parameter '{[*given][-1]}'" in answer["message"]
        assert "with finite numbers" in answer["message"]
    assert (api.records(dataset), api.get(dataset)["tags"]) == ([], "{}")


def test_a_key_of_a_tag_that_is_too_long_is_called_a_key(api: Datasets) -> None:
    given = json.dumps({"k" * 256: "v"})
    _, answer = api.request("POST", "/create", name="n", tags=given)
    assert answer["message"].startswith("A key in parameter 'tags' exceeds the maximum length of")


def test_long_integers_come_back(api: Datasets) -> None:
    dataset, inputs = api.new(), {"q": 10**400, "large": 1e308}
    assert api.merge(dataset, {"inputs": inputs}) == (1, 0)
    assert api.records(dataset)[0]["inputs"] == inputs


# PostgreSQL's JSON has no such numbers.
@pytest.mark.parametrize(
    "generation", [each for each in generations.NAMES if each.endswith("sqlite")], indirect=True
)
def test_numbers_that_mlflow_stores_and_json_lacks_are_words(api: Datasets) -> None:
    dataset = api.new()
    api.merge(dataset, {"inputs": {"q": 1}})
    change = """UPDATE evaluation_dataset_records SET inputs = '{"q": Infinity, "a": [-Infinity]}',
        outputs = '{"mlflow_wrapped": NaN}' WHERE dataset_id = :dataset"""
    with api.database.write() as conn:
        conn.execute(text(change), {"dataset": dataset})
    found = api.ok("GET", f"/{dataset}/records")["records"]
    (record,) = msgspec.json.decode(found)
    assert record["inputs"] == {"q": "Infinity", "a": ["-Infinity"]}
    assert record["outputs"] == "NaN"


def test_records_that_are_merged_at_once_are_all_kept(api: Datasets) -> None:
    dataset, threads = api.new(), 8

    def merge(number: int) -> None:
        given = [
            {"inputs": {"shared": n}, "expectations": {str(number): n}, "tags": {str(number): "t"}}
            for n in range(3)
        ]
        own = {"inputs": {"own": number}}
        with api.database.write() as conn:
            records.merge(conn, dataset, json.dumps([*given, own]))

    with ThreadPoolExecutor(threads) as pool:
        [*pool.map(merge, range(threads))]
    found = api.records(dataset)
    shared = [each for each in found if "shared" in each["inputs"]]
    assert (len(found), len(shared)) == (3 + threads, 3)
    for each in shared:
        assert each["expectations"].keys() == each["tags"].keys() == {*map(str, range(threads))}
    assert json.loads(api.get(dataset)["profile"]) == {"num_records": len(found)}
