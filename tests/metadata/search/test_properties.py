"""Properties of the search language for any text (hypothesis)."""

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.model_version_fields import MODEL_VERSIONS
from tandem_metadata.search.language.parser import parse_filter, parse_sort_key
from tandem_metadata.search.language.registered_model_fields import REGISTERED_MODELS
from tandem_metadata.search.language.run_fields import RUNS
from tandem_metadata.search.sql import page_token
from tandem_metadata.search.sql.order import order_experiments, order_runs
from tandem_metadata.search.sql.registry_order import order_model_versions, order_registered_models
from tandem_shared.errors import InvalidParameter

_WORDS = """metrics. params. tags. attributes. dataset. run_id start_time `a` "b" 'c' ' " ` \\ ( )
    version_number , ; . = != < <= > >= LIKE ILIKE IN NOT IS NULL AND 1 -1.5 1e9 -- é %"""
_PIECES = st.sampled_from([*_WORDS.split(), "\0", "\ud800"])
_TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(_PIECES, max_size=12).map(" ".join),
    st.lists(_PIECES).map("".join),
)
_STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)

_STEADY = settings(deadline=None, database=None)
"""No deadline, for busy machines, and no database of examples in the tree."""


@_STEADY
@given(_TEXTS)
@example("a\\")
@example('"a\\".b"')
def test_any_text_as_a_filter_is_parsed_or_refused(text: str) -> None:
    for resource in (RUNS, EXPERIMENTS, LOGGED_MODELS, REGISTERED_MODELS, MODEL_VERSIONS):
        with contextlib.suppress(InvalidParameter):
            resource.criteria(parse_filter(text))


@_STEADY
@given(_TEXTS)
def test_any_text_as_order_by_is_parsed_or_refused(text: str) -> None:
    for order in (order_runs, order_experiments, order_registered_models, order_model_versions):
        with contextlib.suppress(InvalidParameter):
            order([text])


@_STEADY
@given(_STORABLE.filter(lambda key: "`" not in key), _STORABLE.filter(lambda it: "'" not in it))
def test_any_quoted_key_and_value_are_parsed_unchanged(key: str, value: str) -> None:
    quoted = value.rstrip("\\")  # a final backslash would escape the closing quote
    (comparison,) = parse_filter(f"tags.`{key}` = '{quoted}'")
    assert (comparison.identifier.key, comparison.value) == (key, quoted)
    assert parse_sort_key(f"tags.`{key}` DESC").identifier.key == key


@_STEADY
@given(st.lists(_STORABLE, min_size=1, max_size=5))
def test_any_list_written_by_python_is_parsed_unchanged(values: list[str]) -> None:
    (comparison,) = parse_filter(f"run_id IN {tuple(values)}")
    assert comparison.value == tuple(values)


@_STEADY
@given(st.lists(st.tuples(st.integers(-1, 2), st.none() | _STORABLE)))
def test_any_page_token_of_another_ordering_is_refused(
    position: list[tuple[int, str | None]],
) -> None:
    token = page_token.write("search", position)
    with contextlib.suppress(InvalidParameter):
        page_token.continuation(token, "search", order_runs(["metrics.a", "params.b"]))
    with contextlib.suppress(InvalidParameter):
        page_token.continuation(token, "search", order_model_versions(["name"]))


@_STEADY
@given(_TEXTS)
def test_any_text_as_a_page_token_is_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert page_token.continuation(text, "search", order_runs([])) == []
