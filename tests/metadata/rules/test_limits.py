"""Limits of keys, names, values and batches."""

import pytest

from tandem_metadata.rules import limits
from tandem_shared.errors import InvalidParameter


@pytest.mark.parametrize(
    "key", ["a", "a/b", "a.b", "a b", "a:b", "a-b_c", "é", "a...", "a\n", "x" * 250]
)
def test_key_that_is_usual_is_accepted(key: str) -> None:
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
        "a\r\n",
        "a\nb",
        "\n",
        "\t",
        "x" * 251,
    ],
)
def test_key_that_is_no_file_name_is_refused(key: str) -> None:
    with pytest.raises(InvalidParameter, match=r"'metrics\[3\].key'"):
        limits.check_key("metrics[3].key", key)


def test_value_is_cut_or_refused_at_its_limit() -> None:
    for fit, limit in ((limits.param_value, 6000), (limits.tag_value, 8000)):
        for truncate in (True, False):
            assert fit("value", "k", "v" * limit, truncate=truncate) == "v" * limit
        assert fit("value", "k", "v" * (limit + 1), truncate=True) == "v" * limit
        with pytest.raises(InvalidParameter, match=f"'k' exceeds .* {limit} .* it has {limit + 1}"):
            fit("value", "k", "v" * (limit + 1), truncate=False)


def test_prompt_text_that_is_too_long_is_told_as_mlflow_does() -> None:
    with pytest.raises(InvalidParameter, match="Prompt text exceeds max length of 10 characters"):
        limits.check_tag_value("value", "mlflow.prompt.text", "v" * 11, 10)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("mlflow.note.content", "The description"),
        ("mlflow.runName", "The name of the run"),
        ("stage", "The value of the tag 'stage'"),
    ],
)
def test_tag_that_is_too_long_is_named_by_its_meaning_to_users(key: str, what: str) -> None:
    limits.check_tag_value("tags[2].value", key, "v" * 10, 10)
    with pytest.raises(InvalidParameter) as refused:
        limits.check_tag_value("tags[2].value", key, "v" * 11, 10)
    assert refused.value.message == (
        f"{what} exceeds the maximum length of 10 characters: it has 11. "
        "It is parameter 'tags[2].value'."
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t", "\nb"])
def test_name_with_white_space_is_accepted(end: str) -> None:
    limits.check_text("name", f"a{end}", 10)
    limits.check_free_key("key", f"a{end}")


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f"])
def test_name_with_another_control_character_is_refused(character: str) -> None:
    for check in (limits.check_text, limits.check_uri):
        with pytest.raises(InvalidParameter, match="control character"):
            check("name", f"a{character}", 10)


def test_uri_with_a_line_end_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="control character"):
        limits.check_uri("source", "s3://b/a\n", 10)


@pytest.mark.parametrize(
    ("metrics", "params", "tags"), [(1000, 0, 0), (800, 100, 100), (0, 100, 100), (0, 0, 0)]
)
def test_batch_within_the_limits_is_accepted(metrics: int, params: int, tags: int) -> None:
    limits.check_batch(range(metrics), range(params), range(tags))


@pytest.mark.parametrize(
    ("metrics", "params", "tags"), [(1001, 0, 0), (0, 101, 0), (0, 0, 101), (801, 100, 100)]
)
def test_batch_over_a_limit_is_refused(metrics: int, params: int, tags: int) -> None:
    with pytest.raises(InvalidParameter, match="split"):
        limits.check_batch(range(metrics), range(params), range(tags))


def test_key_that_is_long_is_cut_in_the_error() -> None:
    with pytest.raises(InvalidParameter) as caught:
        limits.check_key("key", "k" * 100_000)
    assert len(caught.value.message) < 300
