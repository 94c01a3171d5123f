"""The edges of the filter language: quoting, patterns, spaces, and what is no filter at all."""

from typing import Any

from tests.system.peer.ask import Ask, post

_AT = 1640000000000

_VALUES = (
    "plain", "PLAIN", "it's", 'say "hi"', "a`b", "a\\b", "100%", "a_b", "a*b", "a?b", "[ab]", "été",
    "x AND y", "",
)  # fmt: skip
"""Values of the param `name`, one run each."""


def _make(index: int, value: str) -> list[Ask]:
    symbol = f"y{index}"
    start = {"experiment_id": "${syntax}", "run_name": symbol, "start_time": _AT + index}
    log = {
        "run_id": f"${{{symbol}}}",
        "params": [{"key": "name", "value": value}, {"key": "my key", "value": f"v{index}"}],
        "metrics": [
            {"key": "m", "value": index - 5, "timestamp": _AT, "step": 0},
            {"key": "val/acc top-5", "value": index / 10, "timestamp": _AT, "step": 0},
        ],
        "tags": [{"key": "group.x", "value": f"g{index % 3}"}],
    }
    return [
        post(f"make a run for {value!r}", "runs/create", start, **{symbol: "run.info.run_id"}),
        post(f"log {value!r}", "runs/log-batch", log),
    ]


def _runs(filter: str) -> Ask:
    body: dict[str, Any] = {"experiment_ids": ["${syntax}"], "filter": filter}
    return post(f"runs where {filter}", "runs/search", body)


def _ordered(column: str) -> Ask:
    body = {"experiment_ids": ["${syntax}"], "order_by": [column]}
    return post(f"runs ordered by {column}", "runs/search", body)


_FILTERS = (
    # Numbers
    "metrics.m > 1E0", "metrics.m > -.5", "metrics.m < 3.", "metrics.m > +1", "metrics.m > 0x10",
    "metrics.m > 1e999", "metrics.m > 99999999999999999999999", "metrics.m => 1", "metrics.m > '1'",
    "metrics.m > metrics.other", "start_time < 1640000000002.5", "start_time IN (1640000000002)",
    "start_time IS NULL", "attributes.Created <= 1640000000003", "end_time = 0",
    # Keys and entities
    "`metrics`.m > 1", "metrics.'m' > 1", "metrics.`m`>1", "METRICS.m > 1", "metrics. > 1",
    "metrics.`val/acc top-5` > 0.5", 'metrics."val/acc top-5" <= 0.5', "metrics.val/acc > 1",
    "parameter.name = 'plain'", 'params."name" = \'plain\'', "params.my key = 'v1'",
    "params.'my key' = 'v1'", "params.`my key` = 'v1'", "params.my-key = 'x'", "params.class = 'x'",
    "params.order = 'x'", "params.`` = 'x'", "tags.\"group.x\" != 'g1'", "tags.`group.x` = 'g1'",
    "attributes.`status` = 'RUNNING'", '"status" = \'RUNNING\'', "`status` = 'RUNNING'",
    "'status' = 'RUNNING'", "attributes.Status = 'RUNNING'", "Attributes.status = 'RUNNING'",
    "attributes.`Run Name` = 'y1'", "\"run name\" LIKE 'y%'", "Run name = 'y1'", "model.name = 'x'",
    # Quoting
    'params.name = "it\'s"', "params.name = 'it''s'", "params.name = 'it\\'s'",
    "params.name = 'say \"hi\"'", 'params.name = "say \\"hi\\""', "params.name = 'a`b'",
    "params.name = 'a\\b'", "params.name = 'a\\\\b'", "params.name = 'a\\'", "params.name = ''",
    'params.name = ""', "params.name != ''", "params.name = 'x AND y'",
    "params.name = 'x AND y' AND metrics.m > 0", "params.name = 'été'", "params.name = `plain`",
    "params.name = \"plain", "params.name 'plain'", "'",
    # Patterns
    "params.name LIKE 'PL%'", "params.name ILIKE 'PL%'", "params.name ILIKE '%É%'",
    "params.name LIKE '%\\%%'", "params.name LIKE '%_%'", "params.name LIKE 'a_b'",
    "params.name LIKE 'a*b'", "params.name LIKE 'a?b'", "params.name LIKE '[ab]'",
    "params.name LIKE '[%'", "params.name LIKE '%]'", "params.name LIKE 'a\\b'",
    "params.name LIKE '%'", "params.name LIKE ''", "params.name LIKE '__'",
    "params.name LIKE '%a%b%'", "params.name LIKE '_t_'", 'params.name LIKE "%\'%"',
    "params.name NOT LIKE 'pl%'", "params.name RLIKE 'pl.*'",
    # Null
    "params.name IS  NOT  NULL", "params.name is null", "params.name NOT NULL",
    "params.name = NULL", "status IS NULL",
    # Lists
    "run_id in (\"${y1}\", '${y2}')", "run_id IN ( '${y1}' , '${y2}' )", "run_id IN (1)",
    "run_id IN ('a', 1)", "run_id IN ('a' 'b')", "run_id IN ('a',,'b')", "run_id IN ('a'",
    "run_id IN 'a')", "run_id NOT ('a')", "run_id IN (('a'))", "run_id IN (a)",
    "run_id = ('${y1}')", "status ILIKE 'running'", "artifact_uri ILIKE '%ARTIFACTS'",
    # Sentences
    "metrics.m>1AND metrics.m<5", "metrics.m > 1 And metrics.m < 5", "metrics.m\n>\t1",
    "metrics.m > 1;", "metrics.m > 1; metrics.m > 2", "metrics.m > 1,", "metrics.m > 1 # x",
    "metrics.m > 1 AND AND metrics.m < 3", "AND metrics.m > 1", "metrics.m > 1 foo",
    "%", "=", "*", "  ", "\n",
)  # fmt: skip

_ORDERS = (
    "metrics.`val/acc top-5` DESC", "`metrics.m` DESC", "`metrics`.`m` DESC",
    "params.`my key` DESC", "params.name", "tag.`group.x`", "run.start_time",
    "metrics.m NULLS LAST", "metrics.m > 1", "metrics.`m ASC", "1", "metrics.", "metrics.m asc;",
    "METRICS.m", "experiment_id", "lifecycle_stage", " metrics.m", "metrics.m  DESC ",
    "(metrics.m)", "dataset.digest", " ",
)  # fmt: skip

REQUESTS = [
    post("an experiment", "experiments/create", {"name": "syntax"}, syntax="experiment_id"),
    *(ask for index, value in enumerate(_VALUES) for ask in _make(index, value)),
    *(_runs(text) for text in _FILTERS),
    *(_ordered(column) for column in _ORDERS),
]
