"""The parser of filters and order_by clauses."""

import pytest

from tandem_metadata.search.language import lexer, parser
from tandem_metadata.search.language.parser import Comparison, parse_filter, parse_sort_key
from tandem_shared.errors import InvalidParameter


def _parsed(text: str) -> list[tuple[str | None, str, str, parser.Value]]:
    return [
        (found.identifier.entity, found.identifier.key, found.operator, found.value)
        for found in parse_filter(text)
        if isinstance(found, Comparison)
    ]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", None])
def test_parser_reads_no_comparison_in_an_empty_filter(text: str | None) -> None:
    assert parse_filter(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.loss > 1", ("metrics", "loss", ">", 1)),
        ("metrics.loss>=-.5", ("metrics", "loss", ">=", -0.5)),
        ("metrics.loss < 1e-3", ("metrics", "loss", "<", 0.001)),
        ("metrics.loss < 1e+16", ("metrics", "loss", "<", 1e16)),
        ("metrics.loss <= 3.", ("metrics", "loss", "<=", 3.0)),
        ("metrics.a.b.c = 0", ("metrics", "a.b.c", "=", 0)),
        ("metrics.top.5 = 0", ("metrics", "top.5", "=", 0)),
        ("metrics.`a.b` != 0", ("metrics", "a.b", "!=", 0)),
        ("metrics.a.`b c` != 0", ("metrics", "a.b c", "!=", 0)),
        ("`metrics`.`a` = 0", ("metrics", "a", "=", 0)),
        ('params."a b" = "c d"', ("params", "a b", "=", "c d")),
        ("params.'a b' = 'c d'", ("params", "a b", "=", "c d")),
        ("params.`val/acc top-5` = ''", ("params", "val/acc top-5", "=", "")),
        ("params.class = 'x'", ("params", "class", "=", "x")),
        ("params.in = 'x'", ("params", "in", "=", "x")),
        ("status = 'FINISHED'", (None, "status", "=", "FINISHED")),
        ('"status" = "FINISHED"', (None, "status", "=", "FINISHED")),
        ("`run name` = 'x'", (None, "run name", "=", "x")),
        ("tags.é = 'ü'", ("tags", "é", "=", "ü")),
        ("tags.a like 'x%'", ("tags", "a", "LIKE", "x%")),
        ("tags.a iLike 'x%'", ("tags", "a", "ILIKE", "x%")),
        ("tags.a IS NULL", ("tags", "a", "IS NULL", None)),
        ("tags.a is  not\nnull", ("tags", "a", "IS NOT NULL", None)),
        ("run_id IN ('a', \"b\")", (None, "run_id", "IN", ("a", "b"))),
        ("run_id not in('a')", (None, "run_id", "NOT IN", ("a",))),
        ("metrics.loss IN (1, -2.5,1e3,)", ("metrics", "loss", "IN", (1, -2.5, 1000.0))),
        ("params.or = 'x'", ("params", "or", "=", "x")),
        ("params.not IN ('x')", ("params", "not", "IN", ("x",))),
        ("tags.in.and.or = 'x'", ("tags", "in.and.or", "=", "x")),
        ("not.or = 'x'", ("not", "or", "=", "x")),
        ("`or` = 'x'", (None, "or", "=", "x")),
        ("\"not\" = 'x'", (None, "not", "=", "x")),
    ],
)
def test_parser_reads_a_comparison(text: str, expected: object) -> None:
    assert _parsed(text) == [expected]


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        ("'x AND y'", "x AND y"),
        ("'a = 1'", "a = 1"),
        ("'it''s'", "it''s"),
        (r"'it\'s'", r"it\'s"),
        ('"it\'s"', "it's"),
        ("'say \"hi\"'", 'say "hi"'),
        ("'a`b'", "a`b"),
        (r"'a\b'", r"a\b"),
        ("'a\\'", "a\\"),
        ("'(a, b)'", "(a, b)"),
        ("'été'", "été"),
    ],
)
def test_parser_keeps_quoted_text_unchanged(quoted: str, value: str) -> None:
    text = f"params.a = {quoted} AND metrics.b > 0"
    assert _parsed(text) == [("params", "a", "=", value), ("metrics", "b", ">", 0)]


@pytest.mark.parametrize(
    "values",
    [("a",), ("a", "b"), ("it's", 'say "hi"'), ("back\\slash", "\\"), ("tab\t", "\n"), ("x'\"y",)],
)
def test_parser_reads_a_python_tuple_as_a_list(values: tuple[str, ...]) -> None:
    assert _parsed(f"run_id IN {values}") == [(None, "run_id", "IN", values)]


@pytest.mark.parametrize("word", ["AND", "and", "And", "\nAND\t"])
def test_parser_reads_and_in_any_case(word: str) -> None:
    assert _parsed(f"metrics.a>1 {word} params.b='c'") == [
        ("metrics", "a", ">", 1),
        ("params", "b", "=", "c"),
    ]


@pytest.mark.parametrize("text", ["AND {}", "{} AND", "{} AND AND {}"])
def test_parser_accepts_superfluous_ands_as_mlflow_does(text: str) -> None:
    assert set(_parsed(text.replace("{}", "metrics.a > 1"))) == {("metrics", "a", ">", 1)}


def test_parser_needs_no_blank_before_and() -> None:
    assert len(_parsed("params.a='b'AND params.c='d'")) == 2


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("metrics.loss", "at its end", "expected a comparison operator"),
        ("metrics.loss >", "at its end", "expected a number or a quoted string after >"),
        ("metrics.loss == 1", "character 14, near `==`", "expected a comparison operator"),
        ("metrics.loss <> 1", "character 14, near `<>`", "expected a comparison operator"),
        ("metrics.loss BETWEEN 1", "character 14, near `BETWEEN`", "comparison operator"),
        ("metrics. > 1", "character 8, near `. > 1`", "'.' is not understood"),
        ("metrics.a-b > 1", "character 10, near `-b > 1`", "'-' is not understood"),
        ("metrics.a > 0x10", "character 13, near `0x10`", "expected a number"),
        ("metrics.a > 1 XOR metrics.b > 1", "character 15, near `XOR`", "expected AND, OR or the"),
        ("metrics.a > 1 metrics.b > 1", "character 15, near `metrics.b`", "expected AND"),
        ("metrics.a > 1 OR", "at its end", "expected a key"),
        ("OR metrics.a > 1", "character 1, near `OR`", "expected a key"),
        ("metrics.a > 1 OR AND metrics.b > 1", "character 18, near `AND`", "expected a key"),
        ("metrics.a > 1 AND OR metrics.b > 1", "character 19, near `OR`", "expected a key"),
        ("NOT", "at its end", "expected a key"),
        ("NOT AND metrics.a > 1", "character 5, near `AND`", "expected a key"),
        ("()", "character 2, near `)`", "expected a key"),
        ("(metrics.a > 1 AND)", "character 19, near `)`", "expected a key"),
        ("(AND metrics.a > 1)", "character 2, near `AND`", "expected a key"),
        ("(metrics.a > 1", "at its end", "expected AND, OR or the ) of the ( at character 1"),
        ("(metrics.a > 1 AND", "at its end", "expected a key"),
        ("metrics.a > 1)", "character 14, near `)`", "expected AND, OR or the end"),
        ("(metrics.a > 1) (metrics.b > 1)", "character 17, near `(`", "expected AND, OR or"),
        ("NOT (metrics.a > 1 metrics.b > 1)", "near `metrics.b`", "the ) of the ( at character 5"),
        ("(metrics.a) > 1", "character 11, near `)`", "expected a comparison operator"),
        ("metrics.a NOT > 1", "character 15, near `>`", "expected IN, LIKE or ILIKE after NOT"),
        ("metrics.a > 1;", "character 14, near `;`", "';' is not understood"),
        ("metrics.a > 1, metrics.b > 1", "character 14, near `,`", "expected AND"),
        ("1 < metrics.a", "character 1, near `1`", "expected a key"),
        ("'status' = 'x'", "character 1, near `'status'`", "expected a key"),
        ("params.a = 'b", "character 12, near `'b`", "never closed"),
        ('params.a = "b', 'character 12, near `"b`', "never closed"),
        ("params.`a = 'b'", "character 7", "'.' is not understood"),
        ("`a = 'b'", "character 1", "never closed"),
        ("params.a = b", "character 12, near `b`", "expected a number or a quoted string"),
        ("params.a = `b`", "character 12, near ``b``", "expected a number or a quoted string"),
        ("params.a = NULL", "character 12, near `NULL`", "expected a number or a quoted string"),
        ("params.a = (1)", "character 12, near `(`", "expected a number or a quoted string"),
        ("params.a NOT LIKE ('b')", "character 19, near `(`", "expected a number or a quoted"),
        ("params.a IS 'b'", "character 13, near `'b'`", "expected NULL or NOT NULL"),
        ("params.a IS NOT", "at its end", "expected NULL or NOT NULL"),
        ("run_id IN 'a'", "character 11, near `'a'`", "expected a list"),
        ("run_id IN ()", "character 12, near `)`", "expected a quoted string or a number"),
        ("run_id IN (a)", "character 12, near `a`", "expected a quoted string or a number"),
        ("run_id IN (('a'))", "character 12, near `(`", "expected a quoted string or a number"),
        ("run_id IN ('a' 'b')", "character 16, near `'b'`", "expected a comma"),
        ("run_id IN ('a',,'b')", "character 16, near `,`", "expected a quoted string"),
        ("run_id IN ('a'", "at its end", "expected a comma or the end of the list"),
        ("run_id IN ('a", "character 12, near `'a`", "never closed"),
        (r"run_id IN ('a\x00')", r"character 12, near `'a\x00'`", "cannot be stored"),
        (r"run_id IN ('\ud800')", r"character 12, near `'\ud800'`", "cannot be stored"),
    ],
)
def test_parser_errors_name_the_token_and_its_position(text: str, place: str, reason: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_filter(text)
    assert caught.value.message.startswith(("Invalid clause(s) in filter", "Invalid comparator"))
    assert place in caught.value.message
    assert reason in caught.value.message


@pytest.mark.parametrize("text", ["params.a = 'b\0'", "params.a = '\ud800'"])
def test_parser_refuses_text_that_no_database_holds(text: str) -> None:
    with pytest.raises(InvalidParameter, match="NUL"):
        parse_filter(text)


def test_parser_errors_cut_a_long_token() -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_filter(f"params.a = {'b' * 5000}")
    assert len(caught.value.message) < 200


def test_parser_refuses_a_filter_that_is_too_long() -> None:
    with pytest.raises(InvalidParameter, match="at most 400000"):
        parse_filter(" " * (lexer.FILTER_LENGTH + 1))


def test_parser_refuses_an_order_by_clause_that_is_too_long() -> None:
    key = "k" * (lexer.CLAUSE_LENGTH - len("metrics."))
    assert parse_sort_key(f"metrics.{key}").identifier.key == key
    with pytest.raises(InvalidParameter, match="at most 2000"):
        parse_sort_key(f"metrics.{key}k")


@pytest.mark.parametrize("wrong", ["params.a IN ((", "params.a = (", "params.a = 'b' ("])
def test_parser_stops_at_the_first_error(wrong: str) -> None:
    with pytest.raises(InvalidParameter, match=f"at character {len(wrong)}, near `\\(`"):
        parse_filter(f"{wrong} ;")


def test_parser_refuses_too_many_superfluous_words() -> None:
    listed = ",".join(["'0'"] * (parser.MAX_LISTED - parser.MAX_COMPARISONS + 1))
    most = [f"run_id NOT IN ({listed},)", *["run_id NOT IN ('0',)"] * (parser.MAX_COMPARISONS - 1)]
    assert len(parse_filter(" AND ".join(most))) == parser.MAX_COMPARISONS
    assert parse_filter("AND " * parser.MAX_WORDS) == []
    with pytest.raises(InvalidParameter, match="at most 24000 words"):
        parse_filter("AND " * (parser.MAX_WORDS + 1))


def test_parser_refuses_too_many_comparisons() -> None:
    most = " AND ".join(["metrics.a > 1"] * parser.MAX_COMPARISONS)
    assert len(parse_filter(most)) == parser.MAX_COMPARISONS
    with pytest.raises(InvalidParameter, match="at most 500 comparisons"):
        parse_filter(f"{most} AND metrics.a > 1")


def test_parser_refuses_too_many_values_in_lists() -> None:
    half = f"run_id IN ({','.join(['0'.join(chr(39) * 2)] * (parser.MAX_LISTED // 2))})"
    assert len(parse_filter(f"{half} AND {half}")) == 2
    with pytest.raises(InvalidParameter, match="at most 10000 values"):
        parse_filter(f"{half} AND {half} AND run_id IN ('x')")


def test_parser_turns_integers_beyond_64_bits_into_floats() -> None:
    assert _parsed(f"start_time < {2**63 - 1}")[0][3] == 2**63 - 1
    huge = _parsed(f"start_time < {2**63}")[0][3]
    assert huge == 2.0**63
    assert isinstance(huge, float)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("metrics.loss", ("metrics", "loss", True)),
        ("metrics.loss ASC", ("metrics", "loss", True)),
        ("metrics.loss desc", ("metrics", "loss", False)),
        ("metrics.`loss` DESC", ("metrics", "loss", False)),
        ("params.`a b`", ("params", "a b", True)),
        ('tags."a b" DESC', ("tags", "a b", False)),
        ("`metrics.loss` DESC", ("metrics", "loss", False)),
        ("`metrics`.`loss`", ("metrics", "loss", True)),
        ("start_time DESC", (None, "start_time", False)),
        ("metrics.desc DESC", ("metrics", "desc", False)),
    ],
)
def test_parser_reads_a_sort_key(clause: str, expected: object) -> None:
    key = parse_sort_key(clause)
    assert (key.identifier.entity, key.identifier.key, key.ascending) == expected


@pytest.mark.parametrize(
    ("clause", "place"),
    [
        ("", "at its end"),
        (" ", "at its end"),
        ("metrics.loss UP", "character 14, near `UP`"),
        ("metrics.loss ASC DESC", "character 18, near `DESC`"),
        ("metrics.loss DESC NULLS LAST", "character 19, near `NULLS`"),
        ("metrics.a, metrics.b", "character 10, near `,`"),
        ("metrics.a > 1", "character 11, near `>`"),
        ("'metrics.a'", "character 1"),
        ("1", "character 1, near `1`"),
    ],
)
def test_parser_errors_in_a_sort_key_name_the_token(clause: str, place: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_sort_key(clause)
    assert caught.value.message.startswith("Invalid order_by clause at ")
    assert place in caught.value.message
