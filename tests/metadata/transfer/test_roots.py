"""Roots of artifact locations: their spellings, and what a location becomes below another root."""

import pytest

from tandem_metadata.transfer.roots import Moves
from tandem_shared.settings import SettingsError

HOST = "mlflow-artifacts://artifacts.example.com"


@pytest.mark.parametrize(
    ("old", "new", "location", "expected"),
    [
        (
            "mlflow-artifacts:/",
            f"{HOST}/",
            "mlflow-artifacts:/1/r/artifacts",
            f"{HOST}/1/r/artifacts",
        ),
        ("mlflow-artifacts:/", f"{HOST}/", "mlflow-artifacts:///1/r", f"{HOST}/1/r"),
        ("mlflow-artifacts:/", f"{HOST}/", "mlflow-artifacts:/", f"{HOST}/"),
        ("mlflow-artifacts:/", f"{HOST}/", "mlflow-artifacts://other.example.com/1", None),
        ("mlflow-artifacts:/", f"{HOST}/", f"{HOST}/1", None),
        (
            f"{HOST}/",
            "mlflow-artifacts:/",
            f"{HOST}/1/r/artifacts",
            "mlflow-artifacts:/1/r/artifacts",
        ),
        (f"{HOST}/", "mlflow-artifacts:/", HOST, "mlflow-artifacts:/"),
        (HOST, f"{HOST}:5500", f"{HOST}/1", f"{HOST}:5500/1"),
        (HOST, f"{HOST}:5500", f"{HOST}:80/1", None),
        (HOST, f"{HOST}:5500", f"{HOST}?a=b", f"{HOST}:5500/?a=b"),
        (f"{HOST}/a", f"{HOST}/b/", f"{HOST}/a/1", f"{HOST}/b/1"),
        (f"{HOST}/a", f"{HOST}/b/", f"{HOST}/a", f"{HOST}/b"),
        (f"{HOST}/a", f"{HOST}/b/", f"{HOST}/ab/1", None),
        (f"{HOST}/a", f"{HOST}/b/", f"{HOST}/A/1", None),
        ("s3://bucket/ml", f"{HOST}/ml", "s3://bucket/ml/1?x=y", f"{HOST}/ml/1?x=y"),
        ("s3://bucket/ml", f"{HOST}/ml", "s3://bucket/ml-old/1", None),
        ("s3://Bucket", f"{HOST}/", "s3://bucket/1", None),
        ("dbfs:/mlflow", "s3://bucket", "dbfs:/mlflow/1", "s3://bucket/1"),
        ("wasbs://c@a.example.com/p", f"{HOST}/", "wasbs://c@a.example.com/p/1", f"{HOST}/1"),
        (
            "https://old.example.com/api/2.0/mlflow-artifacts/artifacts",
            f"{HOST}/",
            "https://old.example.com/api/2.0/mlflow-artifacts/artifacts/1/r",
            f"{HOST}/1/r",
        ),
        ("./mlruns", f"{HOST}/", "./mlruns/0", f"{HOST}/0"),
        ("./mlruns", f"{HOST}/", "mlruns/0/r/artifacts", f"{HOST}/0/r/artifacts"),
        ("mlruns/", f"{HOST}/", "./mlruns/0", f"{HOST}/0"),
        ("./mlruns", f"{HOST}/", "./mlruns2/0", None),
        ("/srv/mlruns", "/data/mlruns", "/srv/mlruns/0", "/data/mlruns/0"),
        ("/srv/mlruns", "/data/mlruns", "/srv/mlruns?/0", None),
        ("C:\\ml\\mlruns", f"{HOST}/", "file:///C:/ml/mlruns/0", f"{HOST}/0"),
        ("models", f"{HOST}/", "models:/m/1", None),
    ],
)
def test_a_location_moves_with_the_whole_segments_of_its_root(
    old: str, new: str, location: str, expected: str | None
) -> None:
    assert Moves([(old, new)]).apply(location) == expected


SPELLINGS = [
    "/srv/my runs",
    "file:///srv/my runs",
    "file:///srv/my%20runs",
    "file:/srv/my%20runs",
    "file://localhost/srv/my%20runs",
]


@pytest.mark.parametrize("old", SPELLINGS)
@pytest.mark.parametrize("found", SPELLINGS)
def test_one_spelling_of_a_folder_stands_for_all(old: str, found: str) -> None:
    assert Moves([(f"{old}/", f"{HOST}/")]).apply(f"{found}/1/r/artifacts") == (
        f"{HOST}/1/r/artifacts"
    )


@pytest.mark.parametrize(
    ("old", "new", "location", "expected"),
    [
        ("/srv/ml", f"{HOST}/", "/srv/ml/1/a%b #1?.txt", f"{HOST}/1/a%25b %231%3F.txt"),
        ("/srv/ml", f"{HOST}/", "file:///srv/ml/1/a%25b", f"{HOST}/1/a%25b"),
        ("/srv/ml", "s3://b", "file:///srv/ml/1/a%20b", "s3://b/1/a b"),
        ("/srv/ml", "s3://b", "/srv/ml/1/a%20b", "s3://b/1/a%20b"),
        ("s3://b", f"{HOST}/", "s3://b/1/100%", f"{HOST}/1/100%25"),
    ],
)
def test_what_one_root_encodes_and_the_other_does_not_is_spelled_anew(
    old: str, new: str, location: str, expected: str
) -> None:
    assert Moves([(old, new)]).apply(location) == expected


def test_the_longest_root_counts_and_none_moves_twice() -> None:
    moves = Moves([("/a", "/b"), ("/b", "/a"), ("/a/b", "/c")])
    assert [moves.apply(each) for each in ("/a/1", "/b/1", "/a/b/1")] == ["/b/1", "/a/1", "/c/1"]


@pytest.mark.parametrize(
    ("old", "new", "repeats"),
    [
        (f"{HOST}/", f"{HOST}/old/", True),
        ("mlflow-artifacts:/", f"{HOST}/", False),
        ("/srv/ml", "file:///srv/ml", False),
        ("/srv", "file:///srv/ml", True),
    ],
)
def test_a_root_below_the_old_one_would_be_moved_again(old: str, new: str, repeats: bool) -> None:
    assert Moves([(old, new)]).repeats is repeats


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "/b", "--from must not be empty"),
        ("/a", "", "--to must not be empty"),
        ("/", f"{HOST}/", "names no folder"),
        ("./", f"{HOST}/", "names no folder"),
        ("file:///", f"{HOST}/", "names no folder"),
        ("models:/m", f"{HOST}/", "whose own location is rewritten"),
        ("runs:/r", f"{HOST}/", "whose own location is rewritten"),
        ("s3://b?x=y", f"{HOST}/", "neither query nor fragment"),
        ("s3:b", f"{HOST}/", "a slash must follow"),
        ("http://[", f"{HOST}/", "no URI"),
        ("/a", "mlruns", "--to mlruns cannot be used: it is no URI with a scheme"),
        ("/a", "runs:/r", "whose own location is rewritten"),
        ("/a", "s3:/bucket", "Did you mean s3://bucket?"),
        ("/a", "mlflow-artifacts:/artifacts.example.com:5500/", "Did you mean mlflow-artifacts://"),
        ("/a", "mlflow-artifacts://me:secret@h/", "user name or password"),
    ],
)
def test_what_is_no_root_is_refused_with_a_sentence(old: str, new: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Moves([(old, new)])
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_root_in_two_spellings_is_refused() -> None:
    with pytest.raises(SettingsError, match="given twice"):
        Moves([("/srv/ml", "/a"), ("file:///srv/ml/", "/b")])


def test_refusals_name_the_flag_of_the_command() -> None:
    with pytest.raises(SettingsError, match=r"^--artifacts-root mlruns cannot"):
        Moves([("/a", "mlruns")], "--artifacts-root")
