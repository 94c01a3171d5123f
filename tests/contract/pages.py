"""Requests that the scripts of MLflow's web UI send, as far as strings in them tell."""

import re

from tests.contract.wheel import Wheel

_SCRIPTS = "mlflow/server/js/build/static/js"
_API = re.compile(
    r"""(?P<quote>["'`])(?P<path>/?(?:ajax-api/\d\.0/|graphql(?=["'`?])|(?:model-versions/)?get-artifact"""
    r"""|gateway/mlflow/)[^"'`\s<>]*)(?P=quote)"""
)
_PLACE = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")
_FIELD = re.compile(
    r"""kind:"Field"(?:,alias:\w+)?,name:\{kind:"Name",value:"(?P<name>mlflow\w+)"\}"""
)

Entries = dict[str, tuple[str, ...]]


def requests(wheel: Wheel) -> Entries:
    """Paths that the scripts name, `{}` for what is filled in, and fields that GraphQL asks for."""
    found: set[str] = set()
    for name in wheel.names(_SCRIPTS, ".js"):
        text = wheel.text(name)
        for match in _API.finditer(text):
            if path := _path(match["path"]):
                found.add(path)
        found |= {f"graphql:{match['name']}" for match in _FIELD.finditer(text)}
    return dict.fromkeys(found, ())


def _path(text: str) -> str | None:
    text = _PLACE.sub("{}", text).partition("?")[0].partition("#")[0]
    if "${" in text or "\\" in text:
        return None
    return "/" + text.strip("/")
