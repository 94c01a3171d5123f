"""A request of the corpus, and how it is sent.

Strings may hold `${symbol}`: the value that an earlier request kept under that name from this very
server's answer. So one corpus runs on servers that hand out different ids.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/"

_SYMBOL = re.compile(r"\$\{(\w+)\}")
_TIMEOUT = 60


@dataclass(frozen=True)
class Ask:
    """One request; `keep` maps symbols to places in the answer (`run.info.run_id`)."""

    name: str
    method: str
    path: str
    body: Any = None
    """Something for JSON, or bytes to send as they are."""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is decoded where it is JSON."""

    status: int
    kind: str
    """The media type without its parameters."""
    body: Any


class UnknownSymbol(LookupError):
    """A request refers to something that no earlier answer gave."""


def post(name: str, path: str, body: Any = None, **keep: str) -> Ask:
    """A POST of JSON below `/api/2.0/mlflow/`, or to an absolute path."""
    return Ask(name, "POST", _absolute(path), {} if body is None else body, keep=keep)


def get(name: str, path: str, query: Mapping[str, Any] | None = None, **keep: str) -> Ask:
    """A GET below `/api/2.0/mlflow/`, or of an absolute path; a list repeats its parameter."""
    pairs = []
    for key, value in (query or {}).items():
        values = value if isinstance(value, list) else [value]
        pairs += [(key, str(each)) for each in values]
    return Ask(name, "GET", _absolute(path), query=tuple(pairs), keep=keep)


def patch(name: str, path: str, body: Any = None, **keep: str) -> Ask:
    """A PATCH of JSON, as `post`."""
    return Ask(name, "PATCH", _absolute(path), {} if body is None else body, keep=keep)


def delete(name: str, path: str, body: Any = None, **keep: str) -> Ask:
    """A DELETE with JSON, as `post`."""
    return Ask(name, "DELETE", _absolute(path), {} if body is None else body, keep=keep)


class Conversation:
    """Sends a corpus to one server (or to the two that make one) and remembers what is kept."""

    def __init__(self, metadata: str, artifacts: str) -> None:
        self.symbols: dict[str, str] = {}
        self._urls = {True: artifacts.rstrip("/"), False: metadata.rstrip("/")}
        self._http = requests.Session()
        self._http.trust_env = False

    def send(self, ask: Ask) -> Answer:
        """Send one request; raises UnknownSymbol when an earlier answer lacked what it needs."""
        url = self._urls["/mlflow-artifacts/" in ask.path] + self._fill(ask.path)
        if ask.query:
            url += "?" + urlencode([(key, self._fill(value)) for key, value in ask.query])
        headers = {name: self._fill(value) for name, value in ask.headers.items()}
        data = ask.body
        if data is not None and not isinstance(data, bytes):
            data = self._fill(json.dumps(data)).encode()
            headers.setdefault("Content-Type", "application/json")
        # Prepared by hand: requests would tidy `..` and `//` away.
        prepared = requests.Request(ask.method, url, data=data, headers=headers).prepare()
        prepared.url = url
        response = self._http.send(prepared, timeout=_TIMEOUT, allow_redirects=False)
        answer = _answer(response)
        if answer.status >= 500:
            self._http.close()  # MLflow's server drops the connection after some of its failures
        for symbol, place in ask.keep.items():
            value = _find(answer.body, place)
            if value is not None:
                self.symbols[symbol] = str(value)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _fill(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            try:
                return self.symbols[match[1]]
            except KeyError:
                raise UnknownSymbol(match[1]) from None

        return _SYMBOL.sub(value, text)


def _absolute(path: str) -> str:
    return path if path.startswith("/") else API + path


def _answer(response: requests.Response) -> Answer:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    body: Any = response.content
    if kind == "application/json" and body:
        body = response.json()
    return Answer(response.status_code, kind, body)


def _find(body: Any, place: str) -> Any:
    for name in place.split("."):
        if isinstance(body, list):
            body = body[int(name)] if int(name) < len(body) else None
        elif isinstance(body, dict):
            body = body.get(name)
        else:
            return None
    return body
