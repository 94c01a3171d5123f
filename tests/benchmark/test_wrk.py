"""What is read from wrk, and what is written for it."""

import pytest

from tests.benchmark import wrk

OUTPUT = """Running 2s test @ http://127.0.0.1:5000
  1 threads and 16 connections
Requests/sec:    500.00
RESULT {"requests":1000,"refused":4,"broken":1,"seconds":2.0,"p50_ms":1.5,"p99_ms":9.0}
"""


def test_good_answers_only_make_the_rate() -> None:
    load = wrk.parse(OUTPUT)
    assert (load.good, load.rate) == (996, 498)


def test_errors_are_a_fault() -> None:
    assert wrk.parse(OUTPUT).fault == "4 of 1000 answers refused, 1 broken"
    whole = OUTPUT.replace('"refused":4,"broken":1', '"refused":0,"broken":0')
    assert wrk.parse(whole).fault is None


def test_output_without_a_result_is_shown() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:5000")


def test_the_best_window_counts_unless_one_met_a_fault() -> None:
    slow, fast, short = _load(120), _load(300), _load(90, seconds=0.1)
    refused = _load(100, refused=1)
    assert wrk.by_worth([fast, slow, short]) == [short, slow, fast]
    assert wrk.by_worth([fast, refused, slow])[-1] == refused
    assert wrk.by_worth([_load(0, broken=16), slow])[-1] == slow


def _load(requests: int, refused: int = 0, broken: int = 0, seconds: float = 1.0) -> wrk.Load:
    return wrk.Load(requests, refused, broken, seconds, 1.0, 2.0)


def test_values_become_lua() -> None:
    data = {"kind": "log-metric", "first": 10, "runs": ["a", "b"], "deep": {"x": 0.5}}
    assert wrk.lua(data) == (
        '{["kind"]="log-metric",["first"]=10,["runs"]={"a","b"},["deep"]={["x"]=0.5}}'
    )
