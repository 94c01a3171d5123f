"""logged-models/search: filters, datasets, order and pages over a handful of known models.

Something is logged to each model before the next is made, so that no two are of one millisecond.
"""

from typing import Any

from tests.system.peer.ask import Ask, delete, post

_PATH = "logged-models/search"
_AT = 1_700_000_000_000
_TRAIN = ("train", "g1")
_TEST = ("test", "g2")
_OTHER_TEST = ("test", "g9")


def _make(symbol: str, name: str, params: Any, tags: Any, model_type: str, run: str) -> Ask:
    body = {
        "experiment_id": "${slm}",
        "name": name,
        "model_type": model_type,
        "source_run_id": run,
        "params": [{"key": key, "value": value} for key, value in params.items()],
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    return post(f"make {name}", "logged-models", body, **{symbol: "model.info.model_id"})


def _log(symbol: str, *metrics: tuple[str, Any, int, tuple[str, str] | None]) -> Ask:
    body = {
        "run_id": "${slm_r}",
        "metrics": [
            {
                "key": key, "value": value, "timestamp": _AT + number, "step": step,
                "model_id": f"${{{symbol}}}",
                "dataset_name": dataset[0] if dataset else "",
                "dataset_digest": dataset[1] if dataset else "",
            }
            for number, (key, value, step, dataset) in enumerate(metrics)
        ],
    }  # fmt: skip
    return post(f"log to {symbol}", "runs/log-batch", body)


def _search(name: str, **fields: Any) -> Ask:
    return post(name, _PATH, {"experiment_ids": ["${slm}"], **fields})


def _find(filter: str) -> Ask:
    return _search(f"models where {filter}", filter=filter)


def _of(*datasets: tuple[str, str | None], filter: str = "") -> Ask:
    named = [{"dataset_name": name, "dataset_digest": digest} for name, digest in datasets]
    shown = ", ".join(f"{name} {digest}" for name, digest in datasets)
    return _search(f"models of {shown} where {filter}", datasets=named, filter=filter)


def _by(*fields: str, **dataset: str) -> Ask:
    """Ordered by fields, of which those that begin with `-` descend; the last has the dataset."""
    clauses: list[dict[str, Any]] = [
        {"field_name": each.lstrip("-"), "ascending": not each.startswith("-")} for each in fields
    ]
    clauses[-1] |= dataset
    shown = " ".join([*fields, *dataset.values()])
    return _search(f"models ordered by {shown}", order_by=clauses)


_MAKE = [
    post("an experiment", "experiments/create", {"name": "slm"}, slm="experiment_id"),
    post(
        "a run",
        "runs/create",
        {"experiment_id": "${slm}", "run_name": "slm", "start_time": _AT},
        slm_r="run.info.run_id",
    ),
    _make(
        "slm_a", "alpha", {"lr": "0.1", "word": "Plain"}, {"team": "Red", "k.dot": "x"},
        "agent", "${slm_r}",
    ),
    _log(
        "slm_a", ("acc", 0.5, 0, _TRAIN), ("acc", 0.9, 1, _TEST), ("two", 9.0, 9, None),
        ("two", 1.0, 5, None), ("loss", 1.0, 0, None),
    ),
    _make("slm_b", "beta", {"lr": "0.2", "word": "plain"}, {"team": "blue"}, "Tree", ""),
    _log(
        "slm_b", ("acc", 0.7, 0, _TRAIN), ("acc", 0.1, 1, _OTHER_TEST), ("loss", "NaN", 0, None),
        ("two", 5.0, 1, None),
    ),
    _make("slm_c", "Gamma_1", {"word": "100"}, {"team": "red", "and": "x AND y"}, "", ""),
    _log(
        "slm_c", ("acc", 0.6, 0, None), ("loss", "Infinity", 0, None), ("m.dot", 1.0, 0, None),
        ("val/acc x", 2.0, 0, _TEST),
    ),
    _make("slm_d", "delta 5", {}, {"sp ace": "it's"}, "", ""),
    _log("slm_d"),
    _make("slm_e", "gone", {}, {}, "", ""),
    delete("delete gone", "logged-models/${slm_e}"),
]  # fmt: skip

_FILTERS = """
name = 'alpha'
attributes.name = 'alpha'
attributes.`name` = 'alpha'
`name` = 'alpha'
attribute.name = 'alpha'
attr.name = 'alpha'
name != 'alpha'
name LIKE 'a%'
name LIKE 'g%'
name ILIKE 'g%'
name like 'Gamma_1'
name IN ('alpha', 'beta')
name in ('alpha')
name IN ('alpha',)
name NOT IN ('alpha')
name IN ()
name IN ('alpha' 'beta')
name IN ('alpha', 5)
name IN (5)
name = "alpha"
name = alpha
name = 5
name = 'delta 5'
name = 'it''s'
name > 'a'
name IS NULL
name IS NOT NULL
name == 'alpha'
NAME = 'alpha'
Attributes.name = 'alpha'
'alpha' = name
nope = 'x'
attributes.nope = 'x'
foo.bar = 'x'
model_id = '${slm_a}'
model_id IN ('${slm_a}', '${slm_b}')
model_type = 'agent'
model_type != 'agent'
model_type ILIKE 'TREE'
source_run_id = '${slm_r}'
source_run_id = ''
source_run_id != 'x'
status = 1
status = '1'
status = 'READY'
status != 'READY'
status IN ('1', '2')
lifecycle_stage = 'active'
lifecycle_stage = 'deleted'
experiment_id = '${slm}'
experiment_id = ${slm}
experiment_id != '${slm}'
artifact_location LIKE '%/${slm_a}/%'
artifact_uri LIKE '%'
status_message = 'x'
creation_timestamp > 0
creation_timestamp < 0
creation_time >= 1
creation_timestamp_ms = 5
attributes.creation_timestamp_ms != 5
attributes.creation_timestamp > 0
last_updated_timestamp > 1.5
last_updated_timestamp_ms > 0
last_updated_time > 0
creation_timestamp > '0'
creation_timestamp IN (1)
creation_timestamp LIKE '1'
creation_timestamp > abc
params.lr = '0.1'
params.lr = 0.1
params.lr = 0.10
params.lr != '0.1'
params.word LIKE 'P%'
params.word ILIKE 'p%'
params.word IN ('Plain', '100')
params.word NOT IN ('Plain')
params.word = 100
params.lr > '0'
params.`lr` = '0.1'
params."lr" = '0.1'
params.nope = '1'
params.lr IS NULL
param.lr = '0.1'
parameters.lr = '0.1'
params. = 'x'
tags.team = 'red'
tags.team ILIKE 'RED'
tags.team != 'red'
tags.k.dot = 'x'
tags.`k.dot` = 'x'
tags.`sp ace` LIKE 'it%'
tags.`and` = 'x AND y'
tags.team IN ('red', 'blue')
tags.team NOT IN ('red')
tag.team = 'red'
metrics.acc > 0.6
metrics.acc >= 0.6
metrics.acc < 0.2
metrics.acc <= 0.1
metrics.acc = 0.5
metrics.acc != 0.5
metrics.acc > -1
metrics.acc <> 0.5
metrics.acc > '0.6'
metrics.acc > nan
metrics.acc LIKE '0'
metrics.acc IN (0.5)
metrics.acc IS NULL
metrics.loss = 0
metrics.loss > 1e300
metrics.m.dot = 1
metrics.`val/acc x` = 2
metrics."val/acc x" = 2
metric.acc > 0.6
metrics.acc > 0.6 AND params.lr = '0.1'
metrics.acc > 0.6 and params.lr = '0.1'
metrics.acc > 0.6 AND metrics.acc < 0.2
metrics.acc > 0 AND metrics.loss >= 0 AND tags.team = 'Red' AND params.lr = '0.1' AND name = 'alpha'
name IN ('alpha', 'beta') AND metrics.acc > 0.8
metrics.acc > 0.8 AND name NOT IN ('alpha')
metrics.acc > 0.6 OR params.lr = '0.1'
(metrics.acc > 0.6 OR name = 'beta') AND name != 'x'
NOT (metrics.acc > 0.6)
name NOT LIKE 'a%'
params.or = 'x'
AND name = 'alpha'
name = 'alpha' AND
name = 'alpha' params.lr = '0.1'
(name = 'alpha')
NOT name = 'alpha'
name = 'alpha';
name = 'alpha'; name = 'beta'
name = 'alpha' -- x
foo
name = 'al
""".strip().splitlines()

_ORDERS = [
    _by("name"), _by("-name"), _by("NAME"), _by("name DESC"), _by("`name`"), _by("nope"),
    _by("attributes.name"), _by("creation_timestamp"), _by("creation_time"), _by("-creation_time"),
    _by("creation_timestamp_ms"), _by("last_updated_timestamp"), _by("last_updated_timestamp_ms"),
    _by("model_type", "name"), _by("model_type", "-name"), _by("source_run_id"),
    _by("status"), _by("experiment_id", "-name"), _by("lifecycle_stage"), _by("status_message"),
    _by("name", "-name"), _by("tags"), _by("params.lr"), _by("tags.team"), _by("metric.acc"),
    _by("metrics.acc"), _by("-metrics.acc"), _by("metrics.two"), _by("-metrics.two"),
    _by("metrics.loss"), _by("-metrics.loss"), _by("metrics.m.dot"), _by("metrics.`m.dot`"),
    _by("metrics.val/acc x"), _by("metrics.nope"), _by("metrics."),
    _by("metrics.acc", "metrics.loss"), _by("metrics.acc", "metrics.acc"),
    _by("metrics.nope", "name"),
    _by("metrics.acc", dataset_name="train"),
    _by("-metrics.acc", dataset_name="train", dataset_digest="g1"),
    _by("metrics.acc", dataset_name="test", dataset_digest="g2"),
    _by("metrics.acc", dataset_name="none"),
    _by("metrics.acc", dataset_digest="g2"),
    _by("name", dataset_name="train"),
]  # fmt: skip

_DATASETS = [
    _of(_TRAIN), _of(_TEST), _of(_OTHER_TEST), _of(_TRAIN, _TEST), _of(("none", "g1")),
    _of(_TRAIN, filter="metrics.acc > 0.55"), _of(_TEST, filter="metrics.acc > 0.55"),
    _of(_TRAIN, _TEST, filter="metrics.acc > 0.55"),
    _of(_TEST, filter="metrics.acc > 0.55 AND metrics.`val/acc x` > 0"),
    _of(_TRAIN, filter="params.lr = '0.1'"),
    _of(("train", None)),
    _of(("test", ""), filter="metrics.acc > 0.55"),
    _search("models of a dataset without a name", datasets=[{"dataset_digest": "g1"}]),
    _search("models of a dataset with an empty name", datasets=[{"dataset_name": ""}]),
    _search("models of a number", datasets=[3]),
    _search("models of datasets that are text", datasets="x"),
    _search("models of datasets that are an object", datasets={}),
    _search("models of no datasets", datasets=[]),
    _search("models of null", datasets=None),
]  # fmt: skip

_OTHERS = [
    _search("all models"),
    _search("models where nothing is asked", filter=""),
    _search("models where there is a space", filter=" "),
    _search("an order that is text", order_by="name"),
    _search("an order of text", order_by=["name"]),
    _search("an order without a field", order_by=[{}]),
    _search("an order by a number", order_by=[{"field_name": 5}]),
    _search("an order by nothing", order_by=[{"field_name": ""}]),
    _search("an order of odd direction", order_by=[{"field_name": "name", "ascending": "x"}]),
    *(
        _search(f"max_results {number!r}", max_results=number)
        for number in (0, 1, 3, 4, 50_000, 1_000_000, -1, "2", "x", None, 1.5, 2**31)
    ),
    post("models of no experiment", _PATH, {"experiment_ids": []}),
    post("models without experiments", _PATH, {}),
    post("models of null for experiments", _PATH, {"experiment_ids": None}),
    post("models of an experiment twice", _PATH, {"experiment_ids": ["${slm}", "${slm}"]}),
    post("models of unknown experiments", _PATH, {"experiment_ids": ["987654321", "-1", "9" * 14]}),
    post("models of a word", _PATH, {"experiment_ids": ["x"]}),
    post("models of an empty id", _PATH, {"experiment_ids": [""]}),
    post("models of a number for an id", _PATH, {"experiment_ids": [5]}),
    post("models of text for ids", _PATH, {"experiment_ids": "x"}),
    post(
        "models of a deleted experiment",
        _PATH,
        {"experiment_ids": ["${lmgone}"]},
    ),
    post(
        "models of a page",
        _PATH,
        {"experiment_ids": ["${slm}"], "max_results": 3},
        slm_page="next_page_token",
    ),
    _search("models of the next page", max_results=3, page_token="${slm_page}"),
    _search("models of the next page, fewer", max_results=1, page_token="${slm_page}"),
    _search("another filter with the token", filter="name != 'x'", page_token="${slm_page}"),
    _search(
        "another order with the token", order_by=[{"field_name": "name"}], page_token="${slm_page}"
    ),
    _search(
        "other datasets with the token",
        datasets=[{"dataset_name": "train", "dataset_digest": "g1"}],
        page_token="${slm_page}",
    ),
    post(
        "other experiments with the token",
        _PATH,
        {"experiment_ids": ["${slm}", "0"], "page_token": "${slm_page}"},
    ),
    post(
        "models of a page by a metric",
        _PATH,
        {
            "experiment_ids": ["${slm}"],
            "order_by": [{"field_name": "metrics.acc"}],
            "max_results": 2,
        },
        slm_metric="next_page_token",
    ),
    _search(
        "models of the next page by a metric",
        order_by=[{"field_name": "metrics.acc"}],
        page_token="${slm_metric}",
    ),
    _search("a token that is none", page_token="x"),
    _search("a token of odd characters", page_token="!!"),
    _search("an empty token", page_token=""),
    _search("a number for a token", page_token=5),
]

REQUESTS = [*_MAKE, *map(_find, _FILTERS), *_DATASETS, *_ORDERS, *_OTHERS]
