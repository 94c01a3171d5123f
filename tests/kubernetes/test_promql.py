"""The reader of PromQL, by expressions that say one thing each."""

import pytest

from tests.kubernetes.promql import Matcher, Selector, alternatives, read


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("up", ["up"], set()),
        ("up == 0", ["up"], set()),
        ("rate(a_total[5m])", ["a_total"], set()),
        ("sum by (x, y) (rate(a_total{z='1'}[5m] offset 1h))", ["a_total"], {"x", "y"}),
        ("sum(rate(a[5m])) by (x)", ["a"], {"x"}),
        ("sum without(x)(level:a:rate5m)", ["level:a:rate5m"], {"x"}),
        (
            "a > bool 0 and on (n) group_left (v) b unless ignoring(m) c",
            ["a", "b", "c"],
            set("nvm"),
        ),
        ("topk(10, a) or 0 * count(b) / 1e3 - inf", ["a", "b"], set()),
        ("max_over_time(a[1h30m:1m] @ 100)  # b", ["a"], set()),
        ('absent(a{b="} by (c) d{"})', ["a"], set()),
        ("by_the_way + on_line", ["by_the_way", "on_line"], set()),
    ],
)
def test_metrics_and_labels(expression: str, metrics: list[str], labels: set[str]) -> None:
    query = read(expression)
    assert [each.metric for each in query.selectors] == metrics
    assert query.labels == labels


def test_matchers_are_unquoted() -> None:
    (selector,) = read("""a{b=~"x\\\\.y|\\"", c!='d"', e!~`\\d`,f="",}""").selectors
    assert selector == Selector(
        "a",
        (
            Matcher("b", "=~", 'x\\.y|"'),
            Matcher("c", "!=", 'd"'),
            Matcher("e", "!~", "\\d"),
            Matcher("f", "=", ""),
        ),
    )


@pytest.mark.parametrize("expression", ['{a="b"}', "a{b}", "a ? b", 'a{b="c"'])
def test_what_it_cannot_read_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(expression)


def test_alternatives_are_told_apart_at_the_outermost_level() -> None:
    assert alternatives("/a|.+/(b|c)/.+|[|]x|\\|") == ["/a", ".+/(b|c)/.+", "[|]x", "\\|"]
    assert alternatives("one") == ["one"]
