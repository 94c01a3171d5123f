"""Requests to a service inside the test, and what tests expect of their answers."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

Answer = tuple[int, Any]
"""The status and the decoded body, which is None where there is none."""


def send(
    http: httpx.Client, method: str, url: str, fields: Mapping[str, Any], **options: Any
) -> httpx.Response:
    """The answer to a request whose fields are the query of a GET, and else the JSON body."""
    if method in ("GET", "HEAD"):
        return http.request(method, url, params=fields, **options)
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    return http.request(method, url, content=json.dumps(fields), headers=headers, **options)


def read(response: httpx.Response) -> Answer:
    return response.status_code, response.json() if response.content else None


def accepted(answer: Answer) -> Any:
    """The body; the status must be 200."""
    status, body = answer
    assert status == 200, body
    return body


def refusal(answer: Answer) -> tuple[int, str, str]:
    """The status of an error, its code and its message."""
    status, body = answer
    assert set(body) == {"error_code", "message"}, body
    assert body["message"]
    return status, body["error_code"], body["message"]


def refused(answer: Answer) -> tuple[int, str]:
    """The status of an error and its code."""
    return refusal(answer)[:2]
