"""Registered models, their tags and aliases."""

from collections.abc import Mapping
from typing import Any

from tests.system.peer.ask import Ask, delete, get, patch, post

_LATEST = "registered-models/get-latest-versions"
_ALIAS = "registered-models/alias"


def _create(title: str, /, **fields: Any) -> Ask:
    return post(title, "registered-models/create", fields)


def _rename(name: str, model: str, new_name: str) -> Ask:
    return post(name, "registered-models/rename", {"name": model, "new_name": new_name})


def _tag(title: str, /, **fields: Any) -> Ask:
    return post(title, "registered-models/set-tag", fields)


def _get(name: str, model: str) -> Ask:
    return get(name, "registered-models/get", {"name": model})


def _alias(title: str, /, **fields: Any) -> Ask:
    return post(title, _ALIAS, fields)


def _by_alias(name: str, query: Mapping[str, str]) -> Ask:
    return get(name, _ALIAS, query)


def _version(name: str, model: str, **fields: Any) -> Ask:
    return post(name, "model-versions/create", {"name": model, "source": "s3://b/c", **fields})


REQUESTS = [
    _create("create", name="rm1", description="a model"),
    _create("create with tags", name="rm2", tags=[{"key": "k", "value": "v"}, {"key": "e"}]),
    _create("create with a tag twice", name="rm3", tags=[
        {"key": "k", "value": "1"}, {"key": "k", "value": "2"},
    ]),
    _create("create a taken name", name="rm1"),
    _create("create without a name"),
    _create("create with an empty name", name=""),
    _create("create with a blank name", name="  "),
    _create("create with a number for a name", name=5),
    _create("create with a slash", name="a/b"),
    _create("create with a colon", name="a:b"),
    _create("create with a dot", name="."),
    _create("create with two dots first", name="..x"),
    _create("create with a dot first", name=".rm"),
    _create("create with odd characters", name="rm ☃ #?@%20"),
    _create("create with 256 characters", name="n" * 256),
    _create("create with 257 characters", name="n" * 257),
    _create("create with a description of 5001", name="rm-long", description="d" * 5001),
    _create("create with a description that is a number", name="rm-number", description=5),
    _create("create with tags that are no list", name="rm-tags", tags={"k": "v"}),
    _create("create with a tag without a key", name="rm-tags", tags=[{"value": "v"}]),
    _create("create with a bad key", name="rm-tags", tags=[{"key": "a$b", "value": "v"}]),
    _create("create with a key of 251", name="rm-tags", tags=[{"key": "k" * 251, "value": "v"}]),
    _create("create with an unknown field", name="rm-unknown", more=1),
    _create("create with null for tags", name="rm-null", tags=None, description=None),
    _get("get", "rm1"),
    _get("get the tags", "rm3"),
    _get("get the odd characters", "rm ☃ #?@%20"),
    _get("get an unknown one", "nobody"),
    _get("get a name that cannot be", "a/b"),
    _get("get an empty name", ""),
    get("get without a name", "registered-models/get"),
    get("get under ajax", "/ajax-api/2.0/mlflow/registered-models/get", {"name": "rm1"}),
    post("get by POST", "registered-models/get", {"name": "rm1"}),
    patch("update", "registered-models/update", {"name": "rm1", "description": "new"}),
    patch("update to nothing", "registered-models/update", {"name": "rm1"}),
    _get("get the updated one", "rm1"),
    patch("update with a number", "registered-models/update", {"name": "rm1", "description": 5}),
    patch("update an unknown one", "registered-models/update", {"name": "no", "description": ""}),
    patch("update without a name", "registered-models/update", {"description": "d"}),
    post("update by POST", "registered-models/update", {"name": "rm1", "description": "d"}),
    _tag("set a tag", name="rm1", key="k", value="v"),
    _tag("set it again", name="rm1", key="k", value="w"),
    _tag("set a tag without a value", name="rm1", key="empty"),
    _tag("set a dotted key", name="rm1", key="a.b/c d:e-f_g", value="x"),
    _tag("set a tag without a key", name="rm1", value="x"),
    _tag("set a tag without a name", key="k", value="x"),
    _tag("set a bad key", name="rm1", key="a$b", value="x"),
    _tag("set a key that climbs", name="rm1", key="../x", value="x"),
    _tag("set a key of 251", name="rm1", key="k" * 251, value="x"),
    _tag("set a value of 5000", name="rm1", key="long", value="v" * 5000),
    _tag("set a value of 100001", name="rm1", key="longer", value="v" * 100_001),
    _tag("set a number", name="rm1", key="n", value=5),
    _tag("tag an unknown one", name="nobody", key="k", value="v"),
    _get("get all the tags", "rm1"),
    delete("delete a tag", "registered-models/delete-tag", {"name": "rm1", "key": "k"}),
    delete("delete it again", "registered-models/delete-tag", {"name": "rm1", "key": "k"}),
    delete("delete a tag without a key", "registered-models/delete-tag", {"name": "rm1"}),
    delete("delete a bad key", "registered-models/delete-tag", {"name": "rm1", "key": "a$b"}),
    delete("delete a tag of nobody", "registered-models/delete-tag", {"name": "no", "key": "k"}),
    _get("get the tags that stay", "rm1"),
    get("latest versions of none", _LATEST, {"name": "rm1"}),
    *(_version(f"version {number}", "rm1", tags=[{"key": "n", "value": str(number)}])
      for number in range(1, 5)),
    _alias("set an alias", name="rm1", alias="champion", version="2"),
    _alias("set it to another version", name="rm1", alias="champion", version="3"),
    _alias("set a second alias", name="rm1", alias="b-2_x", version="3"),
    _alias("set an alias of letters", name="rm1", alias="größe", version="1"),
    _alias("set an alias with a space", name="rm1", alias="a b", version="1"),
    _alias("set an alias with a dot", name="rm1", alias="a.b", version="1"),
    _alias("set the alias latest", name="rm1", alias="latest", version="1"),
    _alias("set the alias Latest", name="rm1", alias="Latest", version="1"),
    _alias("set the alias v1", name="rm1", alias="v1", version="1"),
    _alias("set the alias V12", name="rm1", alias="V12", version="1"),
    _alias("set the alias v", name="rm1", alias="v", version="1"),
    _alias("set an alias of 255", name="rm1", alias="a" * 255, version="1"),
    _alias("set an alias of 256", name="rm1", alias="a" * 256, version="1"),
    _alias("set an alias without a version", name="rm1", alias="a"),
    _alias("set an alias without a name", alias="a", version="1"),
    _alias("set an alias that is empty", name="rm1", alias="", version="1"),
    _alias("set an alias of no version", name="rm1", alias="a", version="99"),
    _alias("set an alias of a word", name="rm1", alias="a", version="one"),
    _alias("set an alias of a number", name="rm1", alias="a", version=1),
    _alias("set an alias of nobody", name="nobody", alias="a", version="1"),
    _by_alias("get by alias", {"name": "rm1", "alias": "champion"}),
    _by_alias("get by an alias in another case", {"name": "rm1", "alias": "Champion"}),
    _by_alias("get by the alias latest", {"name": "rm1", "alias": "LATEST"}),
    _by_alias("get by an unknown alias", {"name": "rm1", "alias": "nobody"}),
    _by_alias("get by a bad alias", {"name": "rm1", "alias": "a b"}),
    _by_alias("get by an alias of 256", {"name": "rm1", "alias": "a" * 256}),
    _by_alias("get by the alias v1", {"name": "rm1", "alias": "v1"}),
    _by_alias("get by alias without an alias", {"name": "rm1"}),
    _by_alias("get by alias without a name", {"alias": "champion"}),
    _by_alias("get by alias of nobody", {"name": "nobody", "alias": "a"}),
    _by_alias("get by the alias latest of nobody", {"name": "nobody", "alias": "latest"}),
    _by_alias("get by the alias latest of none", {"name": "rm2", "alias": "latest"}),
    _get("get all the aliases", "rm1"),
    delete("delete an alias", _ALIAS, {"name": "rm1", "alias": "b-2_x"}),
    delete("delete it once more", _ALIAS, {"name": "rm1", "alias": "b-2_x"}),
    delete("delete a bad alias", _ALIAS, {"name": "rm1", "alias": "a b"}),
    delete("delete the alias latest", _ALIAS, {"name": "rm1", "alias": "latest"}),
    delete("delete an alias without an alias", _ALIAS, {"name": "rm1"}),
    delete("delete an alias of nobody", _ALIAS, {"name": "nobody", "alias": "a"}),
    post("to staging", "model-versions/transition-stage", {
        "name": "rm1", "version": "4", "stage": "Staging",
    }),
    get("latest versions", _LATEST, {"name": "rm1"}),
    get("latest versions of a stage", _LATEST, {"name": "rm1", "stages": "staging"}),
    get("latest versions of stages", _LATEST, {"name": "rm1", "stages": ["None", "Production"]}),
    get("latest versions of a wrong stage", _LATEST, {"name": "rm1", "stages": "prod"}),
    get("latest versions without a name", _LATEST),
    get("latest versions of nobody", _LATEST, {"name": "nobody"}),
    post("latest versions by POST", _LATEST, {"name": "rm1", "stages": ["Staging"]}),
    post("latest versions of an empty list", _LATEST, {"name": "rm1", "stages": []}),
    post("latest versions of a word", _LATEST, {"name": "rm1", "stages": "Staging"}),
    post("latest versions of a number", _LATEST, {"name": "rm1", "stages": [1]}),
    post("latest versions of a deleted stage", _LATEST, {
        "name": "rm1", "stages": ["Deleted_Internal"],
    }),
    _rename("rename", "rm1", "rm1-renamed"),
    _get("get the new name", "rm1-renamed"),
    _get("the old name is gone", "rm1"),
    get("versions come along", "model-versions/get", {"name": "rm1-renamed", "version": "3"}),
    _by_alias("aliases come along", {"name": "rm1-renamed", "alias": "champion"}),
    _rename("rename to the same name", "rm1-renamed", "rm1-renamed"),
    _rename("rename to a taken name", "rm1-renamed", "rm2"),
    _rename("rename to an empty name", "rm1-renamed", ""),
    _rename("rename to a blank name", "rm1-renamed", " "),
    _rename("rename to a bad name", "rm1-renamed", "a/b"),
    _rename("rename nobody", "nobody", "somebody"),
    post("rename without a name", "registered-models/rename", {"new_name": "x"}),
    post("rename without a new name", "registered-models/rename", {"name": "rm2"}),
    delete("delete", "registered-models/delete", {"name": "rm1-renamed"}),
    delete("delete it twice", "registered-models/delete", {"name": "rm1-renamed"}),
    _get("get the deleted one", "rm1-renamed"),
    get("its versions are gone", "model-versions/get", {"name": "rm1-renamed", "version": "1"}),
    _create("create the deleted name", name="rm1-renamed"),
    _version("its versions begin anew", "rm1-renamed"),
    delete("delete without a name", "registered-models/delete"),
    delete("delete a bad name", "registered-models/delete", {"name": "a/b"}),
    post("delete by POST", "registered-models/delete", {"name": "rm2"}),
    _create("create one for what is too long", name="rm-wide"),
    patch("update a description of 5001", "registered-models/update", {
        "name": "rm-wide", "description": "d" * 5001,
    }),
    _tag("set a value of 5001", name="rm-wide", key="long", value="v" * 5001),
    _rename("rename to 257 characters", "rm-wide", "m" * 257),
    _create("a prompt", name="rp1", tags=[
        {"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "own", "value": "1"},
    ]),
    _create("a prompt of a taken name", name="rp1", tags=[
        {"key": "mlflow.prompt.is_prompt", "value": "true"},
    ]),
    _create("a prompt of a model's name", name="rm2", tags=[
        {"key": "mlflow.prompt.is_prompt", "value": "true"},
    ]),
    _create("a model of a prompt's name", name="rp1"),
    _get("get a prompt", "rp1"),
    _tag("tag a prompt", name="rp1", key="k", value="v"),
    _rename("rename a prompt to a model's name", "rp1", "rm2"),
    _rename("rename a model to a prompt's name", "rm2", "rp1"),
    _rename("rename a prompt", "rp1", "rp2"),
    get("latest versions of a prompt", _LATEST, {"name": "rp2"}),
    delete("delete a prompt", "registered-models/delete", {"name": "rp2"}),
]  # fmt: skip
