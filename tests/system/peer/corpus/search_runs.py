"""runs/search: the filter language, order, pages and views over a handful of known runs."""

from typing import Any

from tests.system.peer.ask import Ask, post

_AT = 1690000000000


def _create(
    symbol: str, name: str, offset: int, experiment: str = "finder", user: str = "ann"
) -> Ask:
    body = {
        "experiment_id": f"${{{experiment}}}",
        "run_name": name,
        "user_id": user,
        "start_time": _AT + offset,
    }
    return post(f"search: make {symbol}", "runs/create", body, **{symbol: "run.info.run_id"})


def _log(symbol: str, metrics: Any = None, params: Any = None, tags: Any = None) -> Ask:
    body = {
        "run_id": f"${{{symbol}}}",
        "metrics": [
            {"key": key, "value": value, "timestamp": _AT, "step": 0}
            for key, value in (metrics or {}).items()
        ],
        "params": [{"key": key, "value": value} for key, value in (params or {}).items()],
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
    }
    return post(f"search: fill {symbol}", "runs/log-batch", body)


def _end(symbol: str, status: str, offset: int) -> Ask:
    body = {"run_id": f"${{{symbol}}}", "status": status, "end_time": _AT + offset}
    return post(f"search: end {symbol}", "runs/update", body)


def _find(filter: str) -> Ask:
    body = {"experiment_ids": ["${finder}"], "filter": filter}
    return post(f"runs where {filter}", "runs/search", body)


def _order(*columns: str) -> Ask:
    body = {"experiment_ids": ["${finder}"], "order_by": list(columns)}
    return post(f"runs ordered by {', '.join(columns)}", "runs/search", body)


def _search(name: str, **fields: Any) -> Ask:
    return post(name, "runs/search", fields)


_IN_FINDER = ["${finder}"]

_MAKE = [
    post("search: an experiment", "experiments/create", {"name": "finder"}, finder="experiment_id"),
    post("search: another", "experiments/create", {"name": "finder2"}, finder2="experiment_id"),
    _create("s1", "alpha", 1),
    _create("s2", "beta", 2, user="bob"),
    _create("s3", "Gamma", 3),
    _create("s4", "delta's", 4),
    _create("s5", "under_score%", 5),
    _create("s6", "other", 6, experiment="finder2"),
    _log(
        "s1",
        {"loss": 0.1, "acc": 0.9, "with space": 1, "dots.in.key": 1},
        {"lr": "0.1", "opt": "adam", "with space": "x", "dots.in.key": "y"},
        {"team": "Blue", "mlflow.source.name": "a.py", "dots.in.key": "z"},
    ),
    _log("s2", {"loss": "NaN", "acc": 0.5}, {"lr": "0.01", "opt": "Adam"}, {"team": "blue"}),
    _log("s3", {"loss": "Infinity", "acc": -1}, {"lr": "1e-3", "opt": "sgd"}, {"team": "red"}),
    _log("s4", {"loss": "-Infinity"}, {"opt": "it's"}, {"quote": 'say "hi"', "team": "100%"}),
    _log("s5", {"acc": 0.5}, {"lr": "10"}, {"team": "a_c"}),
    _end("s1", "FINISHED", 100),
    _end("s2", "FAILED", 50),
    _end("s3", "KILLED", 75),
]

_FILTERS = [
    "",
    "metrics.loss < 1",
    "metrics.loss > 0",
    "metrics.loss <= 0.1",
    "metrics.loss >= 0.1",
    "metrics.loss = 0.1",
    "metrics.loss != 0.1",
    "metrics.loss > -5",
    "metrics.loss < 1e3",
    "metric.acc = 0.5",
    "metrics.acc = -1",
    "metrics.`with space` = 1",
    'metrics."with space" = 1',
    "metrics.`dots.in.key` = 1",
    "metrics.dots.in.key = 1",
    "metrics.missing = 1",
    "metrics.loss IS NULL",
    "metrics.loss IS NOT NULL",
    "metrics.acc > 0.1 and metrics.loss < 1",
    "metrics.acc > 0.1 AND params.opt = 'adam' AND tags.team = 'Blue'",
    "metrics.acc > 0.1 OR metrics.loss < 1",
    "metrics.acc BETWEEN 0 AND 1",
    "metrics.acc = '0.5'",
    "metrics.acc LIKE '0%'",
    "metrics.acc IN (0.5)",
    "metrics.acc = nan",
    "params.opt = 'adam'",
    'params.opt = "adam"',
    "params.opt != 'adam'",
    "params.opt LIKE 'a%'",
    "params.opt ILIKE 'A%'",
    "params.opt ilike 'ADAM'",
    "params.opt LIKE '_dam'",
    "params.lr = 0.1",
    "params.lr = '0.1'",
    "params.lr > '0.01'",
    "params.opt IN ('adam', 'sgd')",
    "params.opt NOT IN ('adam')",
    "params.`with space` = 'x'",
    "params.dots.in.key = 'y'",
    'params.opt = "it\'s"',
    "params.opt = 'it''s'",
    "params.opt = 'it\\'s'",
    "params.lr IS NULL",
    "params.lr IS NOT NULL",
    "param.opt = 'sgd'",
    "parameters.opt = 'sgd'",
    "tags.team = 'blue'",
    "tags.team != 'blue'",
    "tags.team LIKE '%l%'",
    "tags.team ILIKE 'BLUE'",
    "tags.team LIKE '100%'",
    "tags.team LIKE 'a_c'",
    "tags.`mlflow.source.name` = 'a.py'",
    "tags.mlflow.source.name = 'a.py'",
    "tag.team = 'red'",
    "tags.quote = 'say \"hi\"'",
    "tags.missing IS NULL",
    "tags.team IS NULL",
    "tags.team IS NOT NULL and params.lr IS NULL",
    "tags.team > 'a'",
    "tags.team IN ('blue', 'red')",
    "attributes.status = 'FINISHED'",
    "attribute.status != 'FINISHED'",
    "status = 'RUNNING'",
    "attr.status = 'KILLED'",
    "run.status = 'FAILED'",
    "status = 'finished'",
    "status = 'NOSUCH'",
    "status LIKE 'F%'",
    "status IN ('FAILED', 'KILLED')",
    "attributes.run_name = 'alpha'",
    "run_name = 'gamma'",
    "run_name ILIKE 'gamma'",
    "`run name` = 'alpha'",
    "attributes.`Run name` = 'alpha'",
    "run_name LIKE '%a'",
    'run_name = "delta\'s"',
    "run_name LIKE 'under_score%'",
    "tags.mlflow.runName = 'beta'",
    "user_id = 'bob'",
    "attributes.user_id != 'bob'",
    "user_id IN ('bob', 'ann')",
    "run_id = '${s1}'",
    "attributes.run_id IN ('${s1}', '${s3}')",
    "run_id NOT IN ('${s1}', '${s3}')",
    "run_id IN ()",
    "run_id IN ('${s1}',)",
    "run_id IN '${s1}'",
    "attributes.run_id LIKE '${s2}%'",
    f"start_time > {_AT + 2}",
    f"attributes.start_time <= {_AT + 2}",
    f"start_time = {_AT + 4}",
    f"start_time = '{_AT + 4}'",
    f"attributes.created > {_AT + 2}",
    f"end_time >= {_AT + 75}",
    "end_time IS NULL",
    "start_time > 1.5",
    "start_time LIKE '1%'",
    "artifact_uri LIKE '%${s1}%'",
    "lifecycle_stage = 'active'",
    "lifecycle_stage = 'deleted'",
    "attributes.experiment_id = '1'",
    "duration > 1",
    "dataset.name = 'nosuch'",
    "datasets.digest LIKE 'x%'",
    "dataset.context = 'train'",
    "dataset.nosuch = 'x'",
    "logged_models.x = 'y'",
    "nosuch.key = 'x'",
    "nosuch = 'x'",
    "metrics = 1",
    "metrics.loss",
    "metrics.loss <",
    "metrics.loss < 'abc'",
    "metrics.loss < < 1",
    "metrics.loss == 0.1",
    "metrics.loss <> 0.1",
    "AND",
    "metrics.loss < 1 AND",
    "metrics.loss < 1 metrics.acc > 0",
    "(metrics.loss < 1)",
    "NOT metrics.loss < 1",
    "params.opt = adam",
    "params.opt = 'adam",
    "params.opt = ",
    "params.`opt = 'adam'",
    "params.'opt' = 'adam'",
    "params. = 'adam'",
    "'adam' = params.opt",
    "1 < metrics.acc",
    "params.opt IS",
    "params.opt IS NOT",
    "params.opt LIKE 5",
    "params.opt = 'a'; DROP TABLE runs",
    "params.opt = 'a' -- comment",
    "   metrics.loss   <   1   ",
    "metrics.loss<1",
    "metrics.loss < 1\nAND\tmetrics.acc > 0.1",
    "params.opt = 'adam' and params.opt = 'sgd'",
    "params.opt = 'adam' OR params.opt = 'sgd' AND metrics.acc > 0",
    "(params.opt = 'adam' OR tags.team = 'red') AND metrics.acc > 0",
    "NOT (params.opt = 'adam' AND tags.team = 'Blue')",
    "tags.team NOT ILIKE 'b%'",
    "tags.team NOT IN ('red')",
    "run_name IN ('alpha', 'beta')",
    "metrics.acc NOT IN (0.5, 1)",
    "dataset.name IS NULL AND run_name != 'alpha'",
    "(metrics.loss < 1",
    "metrics.loss < 1 OR",
    "()",
    "NOT",
    "params.or = 'x'",
    "params.not != 'x'",
    "tags.`and` = 'x'",
    "params.opt = 'x OR y'",
]

_ORDERS = [
    ("metrics.loss",),
    ("metrics.loss ASC",),
    ("metrics.loss DESC",),
    ("metrics.loss desc", "run_name asc"),
    ("metrics.acc", "metrics.loss DESC"),
    ("params.lr",),
    ("params.lr DESC",),
    ("tags.team",),
    ("tags.team DESC",),
    ("metrics.`with space`",),
    ('metrics."with space" DESC',),
    ("attributes.start_time",),
    ("start_time DESC",),
    ("attributes.end_time", "run_name"),
    ("end_time DESC", "run_name"),
    ("attributes.status", "start_time"),
    ("run_name",),
    ("`Run name` DESC",),
    ("attributes.run_name DESC",),
    ("user_id", "start_time"),
    ("created",),
    ("metrics.nosuch",),
    ("nosuch",),
    ("attributes.nosuch",),
    ("nosuch.key",),
    ("metrics.loss UP",),
    ("metrics.loss ASC DESC",),
    ("",),
    ("start_time, run_name",),
    ("start_time ASC, run_name DESC",),
    ("dataset.name",),
    ("start_time", "start_time DESC"),
]

_PAGES = [
    _search("the first page", experiment_ids=_IN_FINDER, max_results=2, order_by=["run_name"]),
    post(
        "the first page, kept",
        "runs/search",
        {"experiment_ids": _IN_FINDER, "max_results": 2, "order_by": ["run_name"]},
        page2="next_page_token",
    ),
    post(
        "the second page",
        "runs/search",
        {
            "experiment_ids": _IN_FINDER,
            "max_results": 2,
            "order_by": ["run_name"],
            "page_token": "${page2}",
        },
        page3="next_page_token",
    ),
    _search(
        "the last page",
        experiment_ids=_IN_FINDER,
        max_results=2,
        order_by=["run_name"],
        page_token="${page3}",
    ),
    _search("exactly all", experiment_ids=_IN_FINDER, max_results=5),
    _search("a token that is none", experiment_ids=_IN_FINDER, page_token="nonsense"),
    _search("an empty token", experiment_ids=_IN_FINDER, page_token=""),
    _search("max_results 0", experiment_ids=_IN_FINDER, max_results=0),
    _search("max_results -1", experiment_ids=_IN_FINDER, max_results=-1),
    _search("max_results 50000", experiment_ids=_IN_FINDER, max_results=50000),
    _search("max_results 50001", experiment_ids=_IN_FINDER, max_results=50001),
    _search("max_results as a string", experiment_ids=_IN_FINDER, max_results="2"),
    _search("max_results as a word", experiment_ids=_IN_FINDER, max_results="many"),
    _search("max_results beyond int32", experiment_ids=_IN_FINDER, max_results=2**31),
    _search("no experiments"),
    _search("an empty list of experiments", experiment_ids=[]),
    _search("an unknown experiment", experiment_ids=["987654321"]),
    _search("an experiment that is no number", experiment_ids=["abc"]),
    _search("two experiments", experiment_ids=["${finder}", "${finder2}"]),
    _search("an experiment twice", experiment_ids=["${finder2}", "${finder2}"]),
    _search("an experiment outside a list", experiment_ids="${finder2}"),
    _search("order_by outside a list", experiment_ids=_IN_FINDER, order_by="run_name"),
    _search("a filter that is a number", experiment_ids=_IN_FINDER, filter=5),
    _search("a filter that is null", experiment_ids=["${finder2}"], filter=None),
    post("search: delete one", "runs/delete", {"run_id": "${s3}"}),
    _search("active runs", experiment_ids=_IN_FINDER, run_view_type="ACTIVE_ONLY"),
    _search("deleted runs", experiment_ids=_IN_FINDER, run_view_type="DELETED_ONLY"),
    _search("all runs", experiment_ids=_IN_FINDER, run_view_type="ALL"),
    _search("a view as a number", experiment_ids=_IN_FINDER, run_view_type=2),
    _search("an unknown view", experiment_ids=_IN_FINDER, run_view_type="SOME"),
    _search(
        "lifecycle_stage beside a view",
        experiment_ids=_IN_FINDER,
        run_view_type="ALL",
        filter="lifecycle_stage = 'deleted'",
    ),
]

REQUESTS = [
    *_MAKE,
    *(_find(text) for text in _FILTERS),
    *(_order(*columns) for columns in _ORDERS),
    *_PAGES,
]
