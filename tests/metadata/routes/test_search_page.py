"""The JSON of a page of runs."""

import json
from typing import Any

import pytest

from tandem_metadata.routes import runs

_A, _B = {"info": {"run_id": "a"}}, {"info": {"run_id": "b"}}


@pytest.mark.parametrize("token", [None, "next"])
@pytest.mark.parametrize("found", [[], [_A], [_A, _B]])
def test_search_page_has_its_runs_and_its_token(found: list[Any], token: str | None) -> None:
    """The token is there even if all runs of the page were deleted after they were found."""
    written = runs._page([json.dumps(run).encode() for run in found], token)
    runs_of = {"runs": found} if found else {}
    assert json.loads(written) == runs_of | ({"next_page_token": token} if token else {})
