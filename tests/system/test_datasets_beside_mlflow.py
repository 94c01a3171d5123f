"""The same evaluation datasets asked of MLflow's own server and of Tandem, over one database."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.system.beside_mlflow import Beside

_PATH: Final = "/api/3.0/mlflow/datasets"
_VARYING: Final = frozenset(
    ("dataset_id", "dataset_record_id", "digest", "created_time", "last_update_time")
)
_TEXTS: Final = frozenset(("schema", "profile", "tags"))
_JSON: Final = frozenset(("inputs", "outputs", "expectations", "source", "tags"))

_USER: Final = {"mlflow.user": "bob"}
_TRACE: Final = {"source_type": "trace", "source_data": {"trace_id": "tr-1"}}
MERGED: Final[dict[str, list[list[dict[str, Any]]]]] = {
    "plain": [[{"inputs": {"q": "a"}, "expectations": {"answer": "A"}}, {"inputs": {"q": "b"}}]],
    "nothing": [[], [{}], [{}]],
    "any-type": [
        [{"inputs": {"s": "é", "i": 1, "f": 1.5, "b": True, "n": None, "l": [1], "o": {"x": {}}}}]
    ],
    "outputs": [
        [{"inputs": {"n": 1}, "outputs": "x"}, {"inputs": {"n": 2}, "outputs": None}],
        [{"inputs": {"n": 1}, "outputs": [1]}, {"inputs": {"n": 2}, "outputs": 0}],
        [{"inputs": {"n": 1}, "outputs": None}, {"inputs": {"n": 2}}],
    ],
    "objects": [[{"inputs": {"n": 1}, "outputs": {"a": 1}}, {"inputs": {}, "outputs": {"b": []}}]],
    "merged": [
        [{"inputs": {"a": 1, "b": 2}, "expectations": {"x": {"y": 1}}, "tags": {"t": "1"}}],
        [
            {"inputs": {"b": 2, "a": 1}, "expectations": {"x": {"z": 1}, "w": 2}},
            {"inputs": {"b": 2, "a": 1}, "tags": {"t": "2", "u": "3"}},
        ],
    ],
    "source": [
        [
            {"inputs": {"n": 1}, "source": _TRACE},
            {"inputs": {"n": 2}, "source": {"source_type": "HUMAN", "source_data": None}},
            {"inputs": {"n": 3}, "source": {"source_type": "CODE"}},
            {"inputs": {"n": 4}, "source": {"source_type": "UNSPECIFIED", "source_data": {}}},
        ],
        [{"inputs": {"n": 1}, "source": {"source_type": "HUMAN", "source_data": {"a": 1}}}],
    ],
    "users": [
        [{"inputs": {"n": 1}, "tags": _USER}, {"inputs": {"n": 2}}],
        [{"inputs": {"n": 2}, "tags": {"mlflow.user": "eve"}}, {"inputs": {"n": 1}}],
    ],
    "no-user": [[{"inputs": {"n": 1}, "tags": _USER}], [{"inputs": {"n": 1}}]],
}
"""Records of requests that come one after the other."""


class Both:
    """Two servers over one database."""

    def __init__(self, beside: Beside) -> None:
        self.urls = beside.urls
        self.engine = create_engine(beside.address)

    def ask(self, server: str, method: str, path: str, **given: Any) -> requests.Response:
        sent: dict[str, Any] = {"params": given} if method == "GET" else {"json": given}
        return requests.request(method, self.urls[server] + _PATH + path, timeout=60, **sent)

    def ok(self, server: str, method: str, path: str, **given: Any) -> Any:
        answer = self.ask(server, method, path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, server: str, **given: Any) -> Any:
        return self.ok(server, "POST", "/create", **{"name": "d", **given})["dataset"]

    def merge(self, server: str, dataset: str, given: list[dict[str, Any]]) -> Any:
        return self.ok(server, "POST", f"/{dataset}/records", records=json.dumps(given))

    def read(self, server: str, dataset: str) -> tuple[Any, list[Any]]:
        found = self.ok(server, "GET", f"/{dataset}/records")["records"]
        return self.ok(server, "GET", f"/{dataset}")["dataset"], json.loads(found)

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        statement = text("SELECT * FROM evaluation_dataset_records WHERE dataset_id = :id")
        with self.engine.connect() as conn:
            return [dict(row) for row in conn.execute(statement, {"id": dataset}).mappings()]


@pytest.fixture(scope="module")
def both(beside: Beside) -> Iterator[Both]:
    made = Both(beside)
    yield made
    made.engine.dispose()


def _lasting(told: dict[str, Any], texts: frozenset[str] = _TEXTS) -> dict[str, Any]:
    """A dataset, a record or a row without ids and times; `texts` are read as JSON."""
    return {
        key: json.loads(value) if key in texts and isinstance(value, str) else value
        for key, value in told.items()
        if key not in _VARYING
    }


def _sorted(records: list[dict[str, Any]], texts: frozenset[str] = _TEXTS) -> list[dict[str, Any]]:
    """Records of one request have one time, so that ids, by chance, decide their order."""
    lasting = (_lasting(each, texts) for each in records)
    return sorted(lasting, key=lambda each: json.dumps(each["inputs"]))


@pytest.mark.parametrize("tags", [None, "{}", '{"team": "é", "mlflow.user": "bob"}'])
def test_both_create_the_same(both: Both, tags: str | None) -> None:
    given = {"experiment_ids": ["0", "77"]} | ({} if tags is None else {"tags": tags})
    made = {server: both.create(server, **given) for server in both.urls}
    assert _lasting(made["mlflow"]) == _lasting(made["tandem"])
    for each in made.values():
        told = [_lasting(both.read(server, each["dataset_id"])[0]) for server in both.urls]
        path = f"/{each['dataset_id']}/experiment-ids"
        ids = [both.ok(server, "GET", path) for server in both.urls]
        assert told[0] == told[1]
        assert ids[0] == ids[1] == {"experiment_ids": ["0", "77"]}


@pytest.mark.parametrize("name", MERGED)
def test_both_merge_records_alike(both: Both, name: str) -> None:
    made = {server: both.create(server)["dataset_id"] for server in both.urls}
    for given in MERGED[name]:
        counts = [both.merge(server, dataset, given) for server, dataset in made.items()]
        assert counts[0] == counts[1]
        told = []
        for dataset in made.values():
            seen = [both.read(server, dataset) for server in both.urls]
            assert seen[0] == seen[1]
            told.append((_lasting(seen[1][0]), _sorted(seen[1][1])))
        assert told[0] == told[1]
        rows = [_sorted(both.rows(dataset), _JSON) for dataset in made.values()]
        assert rows[0] == rows[1]


@pytest.mark.parametrize("first", ["mlflow", "tandem"])
def test_each_goes_on_with_what_the_other_has_made(both: Both, first: str) -> None:
    [second] = both.urls.keys() - {first}
    dataset = both.create(first, experiment_ids=["0"])["dataset_id"]
    path = f"/{dataset}"
    both.merge(first, dataset, [{"inputs": {"n": n}, "expectations": {"x": n}} for n in range(3)])
    counts = both.merge(second, dataset, [{"inputs": {"n": 1}, "expectations": {"y": 1}}])
    assert counts == {"inserted_count": 0, "updated_count": 1}
    both.ok(second, "PATCH", f"{path}/tags", tags='{"a": "1", "b": "2"}')
    both.ok(first, "DELETE", f"{path}/tags/a")
    for server in both.urls:
        told, records = both.read(server, dataset)
        assert json.loads(told["tags"]) == {"b": "2"}
        [merged] = [each for each in records if each["inputs"] == {"n": 1}]
        assert merged["expectations"] == {"x": 1, "y": 1}
        found = both.ok(
            server, "POST", "/search", experiment_ids=["0"], filter_string="tags.b = '2'"
        )
        assert dataset in {each["dataset_id"] for each in found["datasets"]}
    gone = {"dataset_record_ids": [merged["dataset_record_id"]]}
    assert both.ok(second, "DELETE", f"{path}/records", **gone) == {"deleted_count": 1}
    assert len(both.read(first, dataset)[1]) == 2
    both.ok(second, "POST", f"{path}/remove-experiments", experiment_ids=["0"])
    assert both.ok(first, "GET", f"{path}/experiment-ids") == {}
    both.ok(second, "DELETE", path)
    for server in both.urls:
        assert both.ask(server, "GET", path).status_code == 404


def test_both_find_the_same(both: Both) -> None:
    for number in range(4):
        server = ["mlflow", "tandem"][number % 2]
        tags = json.dumps({"team": f"t{number % 2}", "mlflow.user": f"u{number}"})
        both.create(server, name=f"search {number}", tags=tags, experiment_ids=[f"{number}"])
    for given in (
        {"filter_string": "name LIKE 'search%'", "order_by": ["name DESC"]},
        {"filter_string": "name LIKE 'search%'", "order_by": ["created_time ASC"]},
        {"filter_string": "name ILIKE 'SEARCH%' AND tags.team = 't1'"},
        {"filter_string": "name = 'search 1'"},
        {"filter_string": "name != 'search 1' AND created_by = 'u2'"},
        {"filter_string": "name IN ('search 1', 'search 3')"},
        {"filter_string": "tags.team != 't1' AND name LIKE 'search%'"},
        {"filter_string": "created_time > 0 AND last_update_time < 9999999999999"},
        {"experiment_ids": ["1", "2"], "filter_string": "name LIKE 'search%'"},
        {"experiment_ids": ["777"]},
    ):
        found = [
            [
                each["dataset_id"]
                for each in both.ok(server, "POST", "/search", **given).get("datasets", [])
            ]
            for server in both.urls
        ]
        assert found[0] == found[1], given


def test_both_refuse_the_same(both: Both) -> None:
    dataset = both.create("mlflow")["dataset_id"]
    source = [{"inputs": {}, "source": {"source_type": "NOPE"}}]
    for method, path, given in (
        ("POST", "/create", {}),
        ("POST", "/create", {"name": "n", "tags": 5}),
        ("GET", "/d-nobody", {}),
        ("PATCH", "/d-nobody/tags", {"tags": "{}"}),
        ("PATCH", f"/{dataset}/tags", {}),
        ("POST", f"/{dataset}/records", {}),
        ("POST", f"/{dataset}/records", {"records": json.dumps(source)}),
        ("POST", "/d-nobody/add-experiments", {"experiment_ids": ["0"]}),
        ("POST", "/d-nobody/remove-experiments", {"experiment_ids": ["0"]}),
        ("POST", "/search", {"filter_string": "digest = 'x'"}),
        ("POST", "/search", {"order_by": ["digest"]}),
        ("POST", "/search", {"max_results": -1}),
    ):
        answers = [both.ask(server, method, path, **given) for server in both.urls]
        codes = [(each.status_code, each.json().get("error_code")) for each in answers]
        assert codes[0] == codes[1], (path, given)
