"""Metrics, params and tags of file stores that are spoiled."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.metadata.transfer.file_stores import MadeUp, put
from tests.metadata.transfer.odd_stores import GOOD, ONE, Make, Odd, Oddities

ALL: Final = Oddities()
odd: Final = ALL.odd

_METRICS: Final = "SELECT key, value, timestamp, step FROM metrics WHERE key <> 'good'"
_PARAMS: Final = "SELECT key, value FROM params WHERE key <> 'good'"
_LARGEST: Final = 1.7976931348623157e308


# Metrics.


def _metric(content: str | bytes) -> Make:
    def make(store: MadeUp, experiment: Path) -> None:
        put(experiment / GOOD / "metrics" / "odd", content)

    return make


def _odd_metric(name: str, content: str | bytes, skips: Mapping[str, str], *points: Any) -> None:
    make = _metric(content)
    make.__name__ = f"metric_{name}"
    under = {f"1/{GOOD}/metrics/odd{place}": reason for place, reason in skips.items()}
    ALL.append(Odd(make, under, {}, {_METRICS: [("odd", *point) for point in points]} | ONE))


_FIRST: Final = (0.5, 10, 1)
_odd_metric("without_lines", b"", {"": "it is empty"})
_odd_metric("with_a_blank_line", "10 0.5 1\n\n20 1.5 2\n", {":2": "0 fields"}, _FIRST, (1.5, 20, 2))
_odd_metric("with_one_field", "10 0.5 1\n7\n", {":2": "it has 1 fields"}, _FIRST)
_odd_metric("with_two_fields", "10 0.5\n", {}, (0.5, 10, 0))
_odd_metric("with_four_fields", "10 0.5 1\n10 0.5 1 iris\n", {":2": "it has 4 fields"}, _FIRST)
_odd_metric("with_a_dataset", "10 0.5 1 iris d1gest\n", {}, _FIRST)
_odd_metric("with_six_fields", "10 0.5 1\n10 0.5 1 my iris d1\n", {":2": "6 fields"}, _FIRST)
_odd_metric("with_a_time_of_seconds", "1.5 0.5 1\n10 0.5 1\n", {":1": "no time, value"}, _FIRST)
_odd_metric("with_words", "10 0.5 1\n10 high 1\n", {":2": "no time, value"}, _FIRST)
_odd_metric("of_which_the_last_line_has_no_end", "10 0.5 1\n20 1.5 2", {}, _FIRST, (1.5, 20, 2))
_odd_metric("of_which_the_last_line_is_torn", "10 0.5 1\n20", {":2": "it has 1 fields"}, _FIRST)
_odd_metric("with_ends_of_windows", "10 0.5 1\r\n20 1.5 2\r\n", {}, _FIRST, (1.5, 20, 2))
_odd_metric("whose_lines_repeat", "10 0.5 1\n" * 63 + "10 0.25 1\n", {}, (0.25, 10, 1), _FIRST)
_odd_metric("of_binary", bytes(range(256)), {":1": "fields", ":2": "no time, value and step"})
_odd_metric(
    "with_nan_and_infinities",
    "1 nan -1\n1 nan -1\n2 inf 0\n3 -inf 1\n",
    {},
    (-_LARGEST, 3, 1),
    (0.0, 1, -1),
    (_LARGEST, 2, 0),
)
_odd_metric("whose_step_is_huge", f"10 0.5 1\n10 1 {2**63}\n", {":2": "64 bits"}, _FIRST)
_odd_metric(
    "with_many_bad_lines",
    "x\n" * 8 + "10 0.5 1\n",
    {f":{line}": "1 fields" for line in range(1, 6)} | {"": "3 more lines"},
    _FIRST,
)


@odd(skips={f"1/{GOOD}/metrics/.DS_Store": "operating system"}, rows=ONE)
def metrics_with_a_file_of_macos(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "metrics" / ".DS_Store", b"\0\0\0\1Bud1\0")


@odd(rows={_METRICS: [("val/acc - 1", 0.5, 10, 1)]})
def metric_in_a_folder(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "metrics" / "val" / "acc - 1", "10 0.5 1\n")


@odd(skips={f"1/{GOOD}/metrics": "it is no folder"})
def metrics_that_are_a_file(store: MadeUp, experiment: Path) -> None:
    shutil.rmtree(experiment / GOOD / "metrics")
    put(experiment / GOOD / "metrics", "10 0.5 1\n")


# Params and tags.


@odd(mends={f"1/{GOOD}/params/odd": "not UTF-8"}, rows={_PARAMS: [("odd", "caf\ufffd")]})
def param_that_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"caf\xe9")


@odd(mends={f"1/{GOOD}/params/odd": "NUL"}, rows={_PARAMS: [("odd", "a\ufffdb")]})
def param_with_nul(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"a\0b")


@odd(rows={_PARAMS: [("odd", "a\r\nb\n")]})
def param_with_ends_of_lines(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "odd", b"a\r\nb\n")


@odd(rows={_PARAMS: [("empty", ""), ("ünï ✓", "✓")]})
def params_that_are_empty_and_not_ascii(store: MadeUp, experiment: Path) -> None:
    put(experiment / GOOD / "params" / "empty", "")
    put(experiment / GOOD / "params" / "ünï ✓", "✓")


@odd(mends={f"1/{GOOD}/params/": "its name is not UTF-8"}, rows={_PARAMS: [("b\ufffdd", "v")]})
def param_whose_name_is_not_utf8(store: MadeUp, experiment: Path) -> None:
    folder = os.fsencode(experiment / GOOD / "params")
    with open(folder + b"/b\xfdd", "wb") as file:
        file.write(b"v")


@odd(skips={f"1/{GOOD}/params/pipe": "no regular file"}, rows=ONE)
def param_that_is_a_pipe(store: MadeUp, experiment: Path) -> None:
    os.mkfifo(experiment / GOOD / "params" / "pipe")


@odd(skips={f"1/{GOOD}/params/round": "no regular file"}, rows=ONE)
def params_that_lead_round_in_a_circle(store: MadeUp, experiment: Path) -> None:
    (experiment / GOOD / "params" / "round").symlink_to(experiment / GOOD)


@odd(skips={f"1/{GOOD}/tags/gone": "no regular file"}, rows=ONE)
def tag_behind_a_broken_link(store: MadeUp, experiment: Path) -> None:
    (experiment / GOOD / "tags" / "gone").symlink_to(experiment / "nowhere")
