"""What the servers are that Tandem's are compared with."""

from pathlib import Path

import pytest
import urllib3
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.benchmark import limits
from tests.undelayed import is_undelayed


def _tell(request: Request) -> Response:
    assert request.client
    return JSONResponse(is_undelayed(request.client))


app = Starlette(routes=[Route("/", _tell)])


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_asgi_limit_sends_answers_at_once(server: str, tmp_path: Path) -> None:
    with limits.asgi(tmp_path, server, "tests.benchmark.test_limits:app") as process:
        assert urllib3.request("GET", process.url).json() is True
