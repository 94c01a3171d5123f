"""The index of artifact locations by path."""

from tandem_metadata.access.artifact_locations import Locations


def path_of(uri: str) -> str | None:
    return uri.removeprefix("at:") if uri.startswith("at:") else None


def locations(*rows: tuple[str, str]) -> Locations:
    made = Locations(path_of, lambda: 0.0)
    read(made, -1, *rows)
    return made


def read(known: Locations, above: int, *rows: tuple[str, str]) -> None:
    known.learn(known.compare(above, rows))


def test_experiments_of_one_location_are_all_found() -> None:
    known = locations(("1", "at:a"), ("2", "at:a"), ("3", "s3://a"), ("4", "at:a/b"))
    assert known.at("a") == ("1", "2")
    assert known.at("b") == ()


def test_what_lies_below_is_found_without_names_that_only_begin_alike() -> None:
    known = locations(
        ("1", "at:a"),
        ("2", "at:a/b"),
        ("3", "at:a/b/c"),
        ("4", "at:ab"),
        ("5", "at:a0"),
        ("6", "at:"),
    )
    assert known.below("a") == ["2", "3"]
    assert sorted(known.below("")) == ["1", "2", "3", "4", "5"]
    assert known.any_below("a")
    assert not known.any_below("a/b/c")
    assert not known.any_below("ab")


def test_new_rows_are_added_and_a_hundred_ids_read_again() -> None:
    known = locations(*((str(number), f"at:{number}") for number in range(500)))
    assert known.above == 399
    read(known, 399, ("500", "at:x"))
    assert known.at("x") == ("500",)
    assert known.above == 400
    assert known.at("7") == ("7",)


def test_all_is_read_again_after_a_while_and_what_has_moved_or_gone_is_forgotten() -> None:
    clock = 0.0
    known = Locations(path_of, lambda: clock)
    read(known, -1, ("1", "at:a"), ("2", "at:a"), ("3", "at:c"))
    assert known.above == -1  # of three, all are read again
    clock = 300.0
    assert known.above == -1
    read(known, -1, ("1", "at:b"), ("2", "at:a"))
    assert (known.at("a"), known.at("b"), known.at("c")) == (("2",), ("1",), ())
    assert known.below("") == ["2", "1"]


def test_a_path_of_nothing_has_all_read_again_once_in_ten_seconds() -> None:
    clock = 0.0
    known = Locations(path_of, lambda: clock)
    rows = [(str(number), f"at:{number}") for number in range(500)]
    read(known, -1, *rows)
    clock = 9.0
    assert not known.expire()
    assert known.above == 399
    clock = 10.0
    assert known.expire()
    assert known.above == -1
    read(known, -1, ("7", "at:moved"), *rows[8:])
    assert known.at("moved") == ("7",)
    assert not known.expire()
    assert known.above == 399
