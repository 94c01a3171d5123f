"""Range headers that nobody would write: a part that was asked for, or all, never anything else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.artifacts.service import ARTIFACTS, client
from tests.faults.scale import scaled

CONTENT = bytes(range(200))
_SIMPLE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
_SENT = re.compile(r"bytes (\d+)-(\d+)/200")

_number = st.one_of(st.integers(0, 250), st.integers(0, 10**30)).map(str)
_simple = st.one_of(
    st.builds("bytes={}-{}".format, _number, st.one_of(st.just(""), _number)),
    st.builds("bytes=-{}".format, _number),
)
_odd = st.text("bytes=-, 0123456789\t;/*+.eE", max_size=30)
_ranges = st.one_of(_simple, _odd, _odd.map("bytes={}".format))


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    directory: Path = tmp_path_factory.mktemp("ranges")
    with client(directory) as opened:
        assert opened.put(f"{ARTIFACTS}/a", content=CONTENT).status_code == 200
        yield opened


@given(asked=_ranges)
@settings(max_examples=scaled(200, 5000), deadline=None)
def test_range_of_any_kind_gets_the_part_or_all_or_416(http: TestClient, asked: str) -> None:
    answer = http.get(f"{ARTIFACTS}/a", headers={"Range": asked})
    assert answer.status_code == _status(asked, answer.status_code)
    if answer.status_code == 416:
        assert answer.headers["content-range"] == "bytes */200"
        return
    start, end = 0, 199
    if answer.status_code == 206:
        sent = _SENT.fullmatch(answer.headers["content-range"])
        assert sent
        start, end = int(sent[1]), int(sent[2])
        if simple := _SIMPLE.fullmatch(asked):
            assert (start, end) == _part(simple)
    assert answer.content == CONTENT[start : end + 1]
    assert answer.headers["content-length"] == str(end + 1 - start)


def _status(asked: str, otherwise: int) -> int:
    """The status due to the simple form; other forms may be refused, or not count as a range."""
    if not (simple := _SIMPLE.fullmatch(asked)):
        assert otherwise in (200, 206, 416)
        return otherwise
    first, last, suffix = simple.groups()
    if suffix is not None:
        return 206 if int(suffix) else 416
    if last and int(last) < int(first):
        return 200
    return 206 if int(first) < 200 else 416


def _part(simple: "re.Match[str]") -> tuple[int, int]:
    first, last, suffix = simple.groups()
    if suffix is not None:
        return max(0, 200 - int(suffix)), 199
    return int(first), min(199, int(last or 199))
