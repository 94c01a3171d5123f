"""registered-models/search and model-versions/search, of models and of prompts.

Later rows have the smaller names and the larger numbers: so orders by time agree with those of rows
that were made within one millisecond.
"""

from collections.abc import Mapping
from typing import Any

from tests.system.peer.ask import Ask, get, post

_MODELS = "registered-models/search"
_VERSIONS = "model-versions/search"
_PROMPT = "tags.`mlflow.prompt.is_prompt`"
_IS_PROMPT = {"mlflow.prompt.is_prompt": "true"}
_RUN_ID = "0123456789abcdef0123456789abcdef"


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _model(name: str, tags: Mapping[str, str] | None = None, **fields: str) -> Ask:
    body = {"name": name, "tags": _tags(tags or {}), **fields}
    return post(f"make {name}", "registered-models/create", body)


def _version(name: str, number: int, tags: Mapping[str, str] | None = None, **fields: str) -> Ask:
    body = {"name": name, "source": "s3://bucket/one", "tags": _tags(tags or {}), **fields}
    return post(f"make version {number} of {name}", "model-versions/create", body)


def _prompt_version(name: str, number: int, **tags: str) -> Ask:
    text = {"mlflow.prompt.text": f"Hello {number}"}
    return _version(name, number, {**_IS_PROMPT, **text, **tags}, source="dummy-source")


def _stage(name: str, version: str, stage: str) -> Ask:
    body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": False}
    return post(f"move {name} {version} to {stage}", "model-versions/transition-stage", body)


def _delete(name: str, version: str) -> Ask:
    body = {"name": name, "version": version}
    path = "/api/2.0/mlflow/model-versions/delete"
    return Ask(f"delete {name} {version}", "DELETE", path, body)


def _alias(name: str, alias: str, version: str) -> Ask:
    body = {"name": name, "alias": alias, "version": version}
    return post(f"call {name} {version} {alias}", "registered-models/alias", body)


_SETUP = [
    _model("rs-prompt-z", {**_IS_PROMPT, "rs_team": "red", "_mlflow_experiment_ids": ",1,12,"}),
    _prompt_version("rs-prompt-z", 1, rs_ok="yes"),
    _prompt_version("rs-prompt-z", 2),
    _model("rs-prompt-y", {**_IS_PROMPT, "_mlflow_experiment_ids": ",2,"}, description="empty"),
    _model("rs-e", {"mlflow.prompt.is_prompt": "false"}),
    _model("rs-d 100%", {"rs_team": "it's", "rs key": "v"}),
    _version("rs-d 100%", 1, {"rs key": "v"}, run_id=_RUN_ID),
    _model("rs-c", {"rs_team": "Red", "rs.dot": "x", "rs_order": ""}, description="third"),
    _version("rs-c", 1, {"rs_ok": "yes", "rs.dot": "x"}, run_id=_RUN_ID),
    _version("rs-c", 2, {"rs_ok": "YES"}, source="s3://bucket/Two_%"),
    _version("rs-c", 3, {"rs_ok": "yes"}),
    _delete("rs-c", "3"),
    _model("RS-B", {"rs_team": "blue"}),
    _model("rs-a", {"rs_team": "red", "rs_other": "x"}),
    *(_version("rs-a", number, {"rs_ok": f"no {number}"}) for number in range(1, 12)),
    _stage("rs-a", "2", "Production"),
    _stage("rs-a", "4", "Archived"),
    _stage("rs-a", "3", "Staging"),
    _alias("rs-a", "champion", "2"),
    _alias("rs-a", "challenger", "11"),
    _delete("rs-a", "5"),
]

_MODEL_FILTERS = (
    "name = 'rs-a'", "name='rs-a'", 'name = "rs-a"', "attribute.name = 'rs-a'",
    "attributes.name = 'rs-a'", "name != 'rs-a' AND name LIKE 'rs-%'", "name LIKE 'RS-%'",
    "name ILIKE 'RS-%'", "name ilike '%-b'", "name LIKE 'rs-_'", "name LIKE '% 100!%'",
    "name LIKE '%100%'", "name IN ('rs-a', 'RS-B', 'none')", "name in ('rs-a')",
    "name NOT IN ('rs-a') AND name LIKE 'rs-%'", "name IN ('rs-a', 5)", "name IN ()",
    "name IN ('rs-a'", "name = ('rs-a')", "name NOT LIKE 'rs-%'", "name > 'rs-a'",
    "name IS NULL", "name IS NOT NULL", "name = rs-a", "name = `rs-a`", "name = 5", "name =",
    "name", "= 'rs-a'", "`name` = 'rs-a'", '"name" = \'rs-a\'', "attribute.`name` = 'rs-a'",
    "NAME = 'rs-a'", "nosuch = 'x'", "description = 'third'", "run_id = 'x'",
    "creation_timestamp > 0", "last_updated_timestamp > 0", "timestamp > 0", "metrics.a > 1",
    "params.a = '1'", "name = 'rs-a' OR name = 'rs-c'", "name = 'rs-a' AND", "AND name = 'rs-a'",
    "(name = 'rs-a' OR tags.rs_ok = 'no') AND NOT name = 'x'",
    "NOT tags.rs_team = 'red' AND name LIKE 'rs-%'", f"name = 'rs-a' OR {_PROMPT} = 'true'",
    "name = 'rs-a' AND name = 'rs-c'", "name = 'rs-a", "name = 'rs-a';", "name = 'rs-a' x",
    "name = 'rs-prompt-z'", "name LIKE 'rs-%' AND name LIKE '%a'",
    "tags.rs_team = 'red'", "tag.rs_team = 'red'", "tags.rs_team != 'red'",
    "tags.rs_team LIKE 'R%'", "tags.rs_team ILIKE 'R%'", 'tags.rs_team = "it\'s"',
    "tags.rs_team = 'red' AND tags.rs_other = 'x'", "tags.rs_team = 'red' AND tags.rs_team != 'x'",
    "tags.rs_team != 'red' AND tags.rs_team != 'blue'", "tags.rs_team = 'red' AND name = 'rs-a'",
    "tags.rs.dot = 'x'", "tags.`rs.dot` = 'x'", 'tags."rs.dot" = \'x\'', "tags.'rs key' = 'v'",
    "tags.`rs key` = 'v'", "tags.rs key = 'v'", "tags.rs_order = ''", "tags.rs_order != 'x'",
    "tags.rs_team IN ('red')", "tags.rs_team IS NULL", "tags.rs_team IS NOT NULL",
    "tags.rs_team > 'a'", "tags.rs_team = 5", "tags.rs_team = red", "tags.rs_none = 'x'",
    "tags.rs_none != 'x'", "`tags`.rs_team = 'red'", "Tags.rs_team = 'red'",
    f"{_PROMPT} = 'true' AND name LIKE 'rs-%'", f"name LIKE 'rs-%' AND {_PROMPT} = 'true'",
    f"{_PROMPT} = \"true\" AND name LIKE 'rs-%'", f"{_PROMPT} != 'true' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'false' AND name LIKE 'rs-%'", f"{_PROMPT} != 'false' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'True' AND name LIKE 'rs-%'", f"{_PROMPT} = 'maybe' AND name LIKE 'rs-%'",
    f"{_PROMPT} LIKE 'tr%' AND name LIKE 'rs-%'", f"{_PROMPT} ILIKE 'TRUE' AND name LIKE 'rs-%'",
    f"{_PROMPT} != 'true' AND {_PROMPT} = 'true' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'true' AND {_PROMPT} != 'true'",
    f"{_PROMPT} != 'true' AND tags.rs_team = 'red'", f"{_PROMPT} = 'true' AND tags.rs_team = 'red'",
    f"{_PROMPT} = 'true' AND tags._mlflow_experiment_ids LIKE '%,1,%' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'true' AND tags.`_mlflow_experiment_ids` ILIKE '%,12,%' AND name LIKE 'rs-%'",
    "tag.`mlflow.prompt.is_prompt` = 'true' AND name ILIKE '%RS-PROMPT%'",
    "tags.mlflow.prompt.is_prompt = 'true' AND name LIKE 'rs-%'", f"{_PROMPT} = true",
    f"{_PROMPT} IS NULL",
)  # fmt: skip

_MODEL_ORDERS = (
    ["name"], ["name ASC"], ["name DESC"], ["name desc"], ["`name` DESC"], ["`name`"],
    ["attribute.name"], ["timestamp DESC"], ["last_updated_timestamp DESC"],
    ["last_updated_timestamp DESC", "name DESC"], ["name", "name DESC"],
    ["timestamp", "last_updated_timestamp"], ["creation_timestamp"], ["creation_timestamp DESC"],
    ["tags.rs_team"], ["nosuch"], ["name SIDEWAYS"], ["name ASC DESC"], ["name, timestamp"], [""],
    ["name", ""], ["Name"],
)  # fmt: skip

_VERSION_FILTERS = (
    "name = 'rs-a'", "name='rs-c'", "name != 'rs-a' AND name LIKE 'rs-%'", "name LIKE 'RS-%'",
    "name ILIKE 'RS-C'", "name IN ('rs-c', 'rs-d 100%')",
    "name NOT IN ('rs-a') AND name LIKE 'rs-%'",
    f"run_id = '{_RUN_ID}'", f"run_id='{_RUN_ID}'", f"run_id != '{_RUN_ID}' AND name LIKE 'rs-%'",
    f"run_id IN ('{_RUN_ID}', 'x')", f"run_id NOT IN ('{_RUN_ID}') AND name LIKE 'rs-%'",
    "run_id LIKE '0123%'",
    "run_id ILIKE '0123%DEF'", "run_id = '' AND name LIKE 'rs-%'", "run_id = 5",
    "run_id IN ('a', 5)", "run_id IN (a)",
    "run_id IN (('a'))", "run_id IN ('a' 'b')", "run_id IS NULL", "run_id > 'a'",
    "source_path = 's3://bucket/Two_%'", "source_path != 's3://bucket/one' AND name LIKE 'rs-%'",
    "source_path LIKE '%two%'", "source_path ILIKE '%two%'", "source_path IN ('s3://bucket/one')",
    "source = 's3://bucket/one'", "version_number = 2 AND name LIKE 'rs-%'",
    "version_number = '2' AND name LIKE 'rs-%'", "version_number != 2 AND name LIKE 'rs-%'",
    "version_number > 9 AND name LIKE 'rs-%'", "version_number >= 10 AND name LIKE 'rs-%'",
    "version_number < 2 AND name LIKE 'rs-%'", "version_number <= '2' AND name LIKE 'rs-%'",
    "version_number > 2 AND version_number < 5 AND name = 'rs-a'",
    "version_number > -1 AND name LIKE 'rs-%'",
    "version_number = 3 AND name = 'rs-c'", "version_number = 2.0", "version_number = 1.5",
    "version_number = 'two'", "version_number = ''", "version_number > 4294967296",
    "version_number > 99999999999999999999", "version_number = 1e3", "version_number LIKE '1%'",
    "version_number IN (1, 2)", "version_number IN ('1')", "version_number IS NULL",
    "version = '1'", "version = 1", "current_stage = 'Production'", "creation_timestamp > 0",
    "last_updated_timestamp > 0", "user_id = 'x'", "status = 'READY'", "nosuch = 'x'",
    "attribute.version_number = 11 AND name = 'rs-a'", "attributes.name = 'rs-a'",
    "`name` = 'rs-c'", "attribute.`name` = 'rs-c'", "\"name\" = 'rs-c'", "metrics.a > 1",
    "name = 'rs-c' OR name = 'rs-a'", "name = 'rs-c", "name", "name = 'rs-c' AND", "name > 'rs'",
    "(name = 'rs-c' OR tags.rs_ok = 'yes') AND NOT run_id = ''",
    "name = 'rs-c' AND run_id IS NOT NULL",
    "tags.rs_ok = 'yes'", "tag.rs_ok != 'yes' AND name = 'rs-c'", "tags.rs_ok LIKE 'y%'",
    "tags.rs_ok ILIKE 'y%'", "tags.`rs.dot` = 'x'", "tags.rs.dot = 'x'", "tags.'rs key' = 'v'",
    "tags.rs_ok = 'yes' AND tags.`rs.dot` = 'x'", "tags.rs_ok LIKE 'no%' AND tags.rs_ok != 'no 1'",
    "tags.rs_ok IS NULL", "tags.rs_ok IN ('yes')", "tags.rs_ok = 5", "tags.rs_none != 'x'",
    "name = 'rs-prompt-z'", "name = 'rs-prompt-y'", f"name = 'rs-prompt-z' AND {_PROMPT} = 'true'",
    "name = 'rs-prompt-z' AND tag.`mlflow.prompt.is_prompt` = 'true'",
    f"{_PROMPT} = 'true' AND name LIKE 'rs-%'", f"{_PROMPT} != 'true' AND name = 'rs-c'",
    f"{_PROMPT} = 'false' AND name = 'rs-c'", f"{_PROMPT} != 'false' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'True' AND name LIKE 'rs-%'", f"{_PROMPT} LIKE '%' AND name LIKE 'rs-%'",
    f"{_PROMPT} = 'true' AND tags.rs_ok = 'yes'",
    f"{_PROMPT} = 'true' AND tags.`mlflow.prompt.text` ILIKE \"%HELLO 2%\"",
    f"{_PROMPT} = 'true' AND tags.`mlflow.prompt.run_ids` ILIKE \"%{_RUN_ID}%\"",
)  # fmt: skip

_VERSION_ORDERS = (
    ["name"], ["name DESC"], ["version_number"], ["version_number DESC"], ["`version_number` DESC"],
    ["`name`"], ["name DESC", "version_number ASC"], ["version_number ASC", "name DESC"],
    ["attribute.name DESC"], ["attributes.name"], ["creation_timestamp DESC"],
    ["last_updated_timestamp DESC", "version_number DESC"], ["creation_timestamp DESC", "name"],
    ["name", "name DESC"], ["version_number", "version_number"], ["version DESC"], ["run_id"],
    ["timestamp"], ["tags.rs_ok"], ["tags.name"], ["nosuch"], ["name SIDEWAYS"], [""],
    ["name, version_number"],
)  # fmt: skip


def _models(name: str, **query: Any) -> Ask:
    return get(name, _MODELS, {"filter": "name LIKE 'rs-%'", "order_by": ["name"], **query})


def _versions(name: str, **query: Any) -> Ask:
    return get(name, _VERSIONS, {"filter": "name LIKE 'rs-%'", "order_by": ["name"], **query})


REQUESTS = [
    *_SETUP,
    *(_models(f"models where {text}", filter=text, max_results=1000) for text in _MODEL_FILTERS),
    *(_models(f"models ordered by {order}", order_by=order) for order in _MODEL_ORDERS),
    get("models in MLflow's order", _MODELS, {"filter": "name LIKE 'rs-%'"}),
    _models("models by time", filter="name IN ('rs-a', 'rs-e')", order_by=["timestamp"]),
    _models("models with an empty token", page_token=""),
    _models("1 model", max_results=1),
    _models("1000 models", max_results=1000),
    _models("1001 models", max_results=1001),
    _models("0 models", max_results=0),
    _models("-1 models", max_results=-1),
    _models("ten models", max_results="ten"),
    get("a page of models", _MODELS, {"filter": "name LIKE 'rs-%'", "max_results": 2},
        rspage="next_page_token"),
    get("the next page of models", _MODELS,
        {"filter": "name LIKE 'rs-%'", "max_results": 2, "page_token": "${rspage}"}),
    _models("models by a token that is none", page_token="nonsense"),
    _models("models of an empty page", filter="name = 'rs-nosuch'"),
    get("models by the ajax twin", "/ajax-api/2.0/mlflow/registered-models/search",
        {"filter": "name ilike '%rs-%'", "max_results": 25, "order_by": ["name ASC"]}),
    get("models with a filter twice", _MODELS, {"filter": ["name = 'rs-a'", "name = 'rs-c'"]}),
    post("models by POST", _MODELS, {"filter": "name LIKE 'rs-%'"}),
    *(_versions(f"versions where {text}", filter=text, max_results=1000, order_by=["name"])
      for text in _VERSION_FILTERS),
    *(_versions(f"versions ordered by {order}", order_by=order) for order in _VERSION_ORDERS),
    get("versions in MLflow's order", _VERSIONS, {"filter": "name IN ('rs-d 100%', 'rs-c')"}),
    _versions("versions with an empty token", page_token=""),
    _versions("1 version", max_results=1),
    _versions("200000 versions", max_results=200_000),
    _versions("200001 versions", max_results=200_001),
    _versions("0 versions", max_results=0),
    _versions("-1 versions", max_results=-1),
    _versions("ten versions", max_results="ten"),
    get("a page of versions", _VERSIONS,
        {"filter": "name LIKE 'rs-%'", "max_results": 3, "order_by": ["version_number DESC"]},
        rvpage="next_page_token"),
    get("the next page of versions", _VERSIONS,
        {"filter": "name LIKE 'rs-%'", "max_results": 5, "order_by": ["version_number DESC"],
         "page_token": "${rvpage}"}),
    _versions("versions by a token that is none", page_token="nonsense"),
    post("versions by POST", _VERSIONS, {"filter": "name LIKE 'rs-%'"}),
]  # fmt: skip
