"""Limits of keys, names, values and batches."""

import pytest

from tandem_metadata.store import limits
from tandem_shared.errors import InvalidParameter


@pytest.mark.parametrize("key", ["a", "a/b", "a.b", "a b", "a:b", "a-b_c", "é", "a...", "x" * 250])
def test_a_usual_key_is_taken(key: str) -> None:
    limits.check_key("key", key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "/a",
        "a/",
        "a//b",
        "./a",
        "a/../b",
        "../a",
        "...",
        "a$",
        "a\n",
        "\t",
        "x" * 251,
    ],
)
def test_a_key_that_would_not_be_a_file_of_that_name_is_refused(key: str) -> None:
    with pytest.raises(InvalidParameter, match=r"'metrics\[3\].key'"):
        limits.check_key("metrics[3].key", key)


def test_values_are_cut_or_refused_at_their_limit() -> None:
    for fit, limit in ((limits.param_value, 6000), (limits.tag_value, 8000)):
        for truncate in (True, False):
            assert fit("value", "v" * limit, truncate=truncate) == "v" * limit
        assert fit("value", "v" * (limit + 1), truncate=True) == "v" * limit
        with pytest.raises(InvalidParameter, match=str(limit)):
            fit("value", "v" * (limit + 1), truncate=False)


@pytest.mark.parametrize(
    ("metrics", "params", "tags"), [(1000, 0, 0), (800, 100, 100), (0, 100, 100), (0, 0, 0)]
)
def test_a_batch_within_the_limits_is_taken(metrics: int, params: int, tags: int) -> None:
    limits.check_batch(range(metrics), range(params), range(tags))


@pytest.mark.parametrize(
    ("metrics", "params", "tags"), [(1001, 0, 0), (0, 101, 0), (0, 0, 101), (801, 100, 100)]
)
def test_a_batch_over_a_limit_is_refused(metrics: int, params: int, tags: int) -> None:
    with pytest.raises(InvalidParameter, match="split"):
        limits.check_batch(range(metrics), range(params), range(tags))


def test_a_message_shows_the_beginning_of_a_long_key_only() -> None:
    with pytest.raises(InvalidParameter) as caught:
        limits.check_key("key", "k" * 100_000)
    assert len(caught.value.message) < 300
