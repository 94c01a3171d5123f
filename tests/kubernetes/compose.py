"""deploy/compose.yaml as `docker compose` reads it."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.kubernetes import dockerfile
from tests.kubernetes.tools import ROOT

PATH = ROOT / "deploy" / "compose.yaml"
SECRETS = {"POSTGRES_PASSWORD": "of-postgresql", "S3_SECRET_KEY": "of-the-object-store"}

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<else>[-?])(?P<text>[^${}]*))?\}")


class Missing(ValueError):
    """A variable that must be given is not; the message is the file's own."""


def read(variables: Mapping[str, str] = SECRETS) -> dict[str, Any]:
    """The file with merges and variables resolved; raises Missing."""
    resolved: dict[str, Any] = _resolved(_raw(), variables)
    return resolved


@cache
def _raw() -> Any:
    return yaml.safe_load(PATH.read_text())


def started(services: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the services that run without a profile."""
    return {name: each for name, each in services.items() if "profiles" not in each}


def image(service: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Entry point and variables of the image that a service is built from."""
    path = (PATH.parent / service["build"]["context"] / service["build"]["dockerfile"]).resolve()
    stage = dockerfile.stages(dockerfile.read(path))[-1]
    (entrypoint,) = (each.words for each in stage if each.name == "ENTRYPOINT")
    words = " ".join(each.value for each in stage if each.name == "ENV").split()
    return entrypoint, dict(word.split("=", 1) for word in words)


def _resolved(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    while match := _VARIABLE.search(value):  # the innermost first: defaults may be variables
        given = variables.get(match["name"], "")
        if not given and match["else"] == "?":
            raise Missing(f"{match['name']} {match['text']}")
        value = value[: match.start()] + (given or match["text"] or "") + value[match.end() :]
    return value
