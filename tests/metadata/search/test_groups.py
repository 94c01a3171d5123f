"""AND, OR, NOT and parentheses: the tree that the parser makes of them, and its limits."""

from typing import Any

import pytest

from tandem_metadata.search.language import parser
from tandem_metadata.search.language.experiment_fields import EXPERIMENTS
from tandem_metadata.search.language.groups import Group, leaves
from tandem_metadata.search.language.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.language.parser import Comparison, parse_filter
from tandem_metadata.search.language.run_fields import RUNS
from tandem_shared.errors import InvalidParameter

NAMES = "abcdef"


def _shown(part: Any) -> str:
    """A tree as text: `a` is a comparison, `-a` a negated one, and groups are in brackets."""
    if isinstance(part, Group):
        return f"[{(' | ' if part.any else ' & ').join(map(_shown, part.parts))}]"
    assert isinstance(part, Comparison)
    return "-" * part.negated + part.identifier.key


def _tree(text: str) -> str:
    """The tree of a filter in which a letter is a comparison of the param of that name."""
    words = [f"params.{word} = '1'" if word in NAMES else word for word in text.split()]
    return " & ".join(map(_shown, parse_filter(" ".join(words))))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a OR b", "[a | b]"),
        ("a or b oR c", "[a | b | c]"),
        ("a AND b OR c", "[[a & b] | c]"),
        ("a OR b AND c", "[a | [b & c]]"),
        ("a OR b AND c OR d", "[a | [b & c] | d]"),
        ("( a OR b ) AND c", "[a | b] & c"),
        ("( ( a ) )", "a"),
        ("( a AND b ) AND c", "a & b & c"),
        ("a AND ( b AND ( c AND d ) )", "a & b & c & d"),
        ("a OR ( b OR ( c OR d ) )", "[a | b | c | d]"),
        ("( a AND ( b OR c ) ) OR d", "[[a & [b | c]] | d]"),
        ("NOT a", "-a"),
        ("not NOT a", "a"),
        ("NOT a AND b", "-a & b"),
        ("NOT a OR b", "[-a | b]"),
        ("NOT ( a AND b )", "[-a | -b]"),
        ("NOT ( a OR b )", "-a & -b"),
        ("NOT ( a OR b AND c )", "-a & [-b | -c]"),
        ("NOT ( a AND NOT ( b OR c ) )", "[-a | b | c]"),
        ("a AND NOT ( b AND NOT c )", "a & [-b | c]"),
        ("( a AND AND b ) OR c", "[[a & b] | c]"),
        ("AND a OR b AND", "[a | b]"),
    ],
)
def test_groups_follow_precedence_and_parentheses(text: str, tree: str) -> None:
    assert _tree(text) == tree


def test_groups_need_no_blanks() -> None:
    text = "(params.a='x'OR params.b='y')AND NOT(params.c='z')"
    assert " & ".join(map(_shown, parse_filter(text))) == "[a | b] & -c"


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        ("'x OR y'", "x OR y"),
        ("') OR ('", ") OR ("),
        ("'it''s'", "it''s"),
        (r"'it\'s'", r"it\'s"),
        (r"'a\nb'", r"a\nb"),
        ('"NOT"', "NOT"),
        ("'a`b'", "a`b"),
    ],
)
def test_groups_leave_quoted_text_unchanged(quoted: str, value: str) -> None:
    """Parentheses do not make a list, whose strings have escapes."""
    found = list(leaves(parse_filter(f"(NOT (params.`a) OR (b` = {quoted} OR tags.c = 'd'))")))
    assert [(each.identifier.key, each.value) for each in found] == [
        ("a) OR (b", value),
        ("c", "d"),
    ]


def test_groups_may_begin_with_a_quoted_attribute() -> None:
    (group,) = parse_filter("""("status" = 'x' OR "attributes"."run_id" IN ('a\\'b'))""")
    first, second = leaves([group])
    assert (first.identifier.key, first.value) == ("status", "x")
    assert (second.identifier.entity, second.value) == ("attributes", ("a'b",))


@pytest.mark.parametrize(
    ("text", "negated", "operator"),
    [
        ("params.a NOT LIKE 'x'", True, "LIKE"),
        ("params.a not ilike 'x'", True, "ILIKE"),
        ("NOT params.a NOT LIKE 'x'", False, "LIKE"),
        ("NOT params.a = 'x'", False, "!="),
        ("NOT params.a IN ('x')", False, "NOT IN"),
        ("NOT params.a IS NULL", False, "IS NOT NULL"),
        ("NOT metrics.a < 1", True, "<"),
        ("NOT start_time < 1", True, "<"),
        ("NOT dataset.name = 'x'", True, "="),
        ("NOT dataset.name NOT IN ('x')", True, "NOT IN"),
        ("NOT dataset.name IS NULL", False, "IS NOT NULL"),
    ],
)
def test_negated_comparisons_use_the_opposite_operator_where_it_means_the_same(
    text: str, negated: bool, operator: str
) -> None:
    (condition,) = leaves(RUNS.criteria(parse_filter(text)))
    assert (condition.negated, condition.operator) == (negated, operator)


def test_lists_are_converted_value_by_value() -> None:
    (ids,) = leaves(EXPERIMENTS.criteria(parse_filter("experiment_id IN ('1', '-2')")))
    assert ids.value == (1, -2)
    (numbers,) = leaves(RUNS.criteria(parse_filter("metrics.a IN (1, 0.5)")))
    assert [type(each) for each in numbers.value] == [float, float]  # type: ignore[union-attr]
    (words,) = leaves(LOGGED_MODELS.criteria(parse_filter("params.a NOT IN ('1', 'x')")))
    assert words.value == ("1", "x")


def test_the_deepest_filter_is_accepted_and_a_deeper_one_refused() -> None:
    def nested(depth: int) -> str:
        text = "params.a = '1'"
        for level in range(depth):
            text = f"NOT {text}" if level % 3 == 2 else f"(tags.b = '{level}' OR {text})"
        return text

    assert len(list(leaves(parse_filter(nested(parser.MAX_DEPTH))))) == 23
    with pytest.raises(InvalidParameter) as caught:
        parse_filter(nested(parser.MAX_DEPTH + 1))
    assert "at most 32 parentheses and NOTs may be within each other" in caught.value.message
    with pytest.raises(InvalidParameter, match="character 33, near"):
        parse_filter("(" * 5_000)
    with pytest.raises(InvalidParameter, match="character 129, near `NOT`"):
        parse_filter("NOT " * 5_000)


def test_comparisons_are_counted_through_all_groups() -> None:
    pair = "(params.a = '1' OR NOT params.b = '2')"
    most = " AND ".join([pair] * (parser.MAX_COMPARISONS // 2))
    assert len(list(leaves(parse_filter(most)))) == parser.MAX_COMPARISONS
    with pytest.raises(InvalidParameter, match="at most 500 comparisons"):
        parse_filter(f"{most} OR (params.c = '3')")


def test_a_tree_is_no_larger_than_its_text() -> None:
    """No group is multiplied out: 60 pairs would become 2 to the power of 60 comparisons."""
    pairs = [f"(params.a{n} = '1' AND params.b{n} = '2')" for n in range(60)]
    text = f"NOT ({' OR '.join(pairs)}) OR NOT ({' OR '.join(pairs)})"
    assert len(list(leaves(parse_filter(text)))) == 240
