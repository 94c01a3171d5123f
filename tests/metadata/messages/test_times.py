"""Times and durations, written and read as protobuf's JSON mapping has them."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tandem_metadata.messages import times
from tandem_shared.errors import InvalidParameter


@pytest.mark.parametrize("ms", [0, 1, 697, 1000, 1_795_885_063_697, -1, -1500, 253402300799999])
def test_times_are_written_and_read_as_by_protobuf(ms: int) -> None:
    expected = Timestamp()
    expected.FromMilliseconds(ms)
    assert times.time(ms) == expected.ToJsonString()
    assert times.time_ms(times.time(ms), "t") == ms


@pytest.mark.parametrize("ms", [0, 1, 96, 1000, 2000, 1500, -1, -1000, -1500, 315_576_000_000_000])
def test_durations_are_written_and_read_as_by_protobuf(ms: int) -> None:
    expected = Duration()
    expected.FromMilliseconds(ms)
    assert times.duration(ms) == expected.ToJsonString()
    assert times.duration_ms(times.duration(ms), "d") == ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T16:57:43Z",
        "2026-11-28T16:57:43.6Z",
        "2026-11-28T16:57:43.697123456Z",
        "2026-11-28T18:57:43.697+02:00",
        "1969-12-31T23:59:59.999999Z",
    ],
)
def test_all_times_of_protobuf_are_read(text: str) -> None:
    expected = Timestamp()
    expected.FromJsonString(text)
    assert times.time_ms(text, "t") == expected.ToMilliseconds()


@pytest.mark.parametrize("text", ["1s", "0.5s", "-0.0005s", "1.123456789s", "-3.9s"])
def test_all_durations_of_protobuf_are_read(text: str) -> None:
    expected = Duration()
    expected.FromJsonString(text)
    assert times.duration_ms(text, "d") == expected.ToMilliseconds()


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-28", "2026-02-30T00:00:00Z", "2026-11-28T16:57:43", "5"]
)
def test_what_is_no_time_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidParameter, match="'request_time'"):
        times.time_ms(text, "request_time")


@pytest.mark.parametrize("text", ["", "5", "5m", "s", "1.s5", "315576000001s", "1e3s"])
def test_what_is_no_duration_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidParameter, match="'execution_duration'"):
        times.duration_ms(text, "execution_duration")


@pytest.mark.parametrize("ms", [2**62, -(2**62)])
def test_what_is_too_far_away_becomes_the_last_or_the_first_time(ms: int) -> None:
    assert times.time(ms) in ("9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z")
    assert times.duration(ms) in ("315576000000s", "-315576000000s")
