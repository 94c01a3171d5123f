import os
import re
from pathlib import PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.uri import validate_path_is_safe

from tandem_shared import paths
from tandem_shared.errors import InvalidParameter

BAD = [
    "",
    "/",
    "/etc/passwd",
    "//host/share",
    ".",
    "..",
    "a/..",
    "a/../b",
    "../a",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "..\\a",
    "a\\..\\b",
    "\\\\host\\share",
    "C:/a",
    "c:\\a",
    "a\nb",
    "a#b",
    "a/;",
    "a/%2f",
    "\ud800",
    "\udcff",
    "x" * 256,
    "\x07" * 100,
    "ä" * 128,
    "/".join(["x" * 200] * 6),
]

GOOD = [
    "a:b.txt",
    "model.pkl",
    "a/b/c.txt",
    "...",
    "..a/b..",
    "a b/ü/模型",
    "100%",
    "50%25",
    "a%20b",
    "ab:c",
    "c:",
    "a\\b",
    "a\0b",
    "a\x7fb",
    "a\ufffd",
    "a?b&c=d",
    "x" * 255,
    ".hidden",
    "~/a",
    "a;b,c'd\"e",
]


@pytest.mark.parametrize("path", BAD)
def test_a_path_that_could_leave_its_root_or_cannot_be_stored_is_refused(path: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^Invalid path: .*\.$"):
        paths.check(path)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("path", ["..", "a/../b", "/etc", "a\\..\\b", "c:/x", "c:\\x", "a#b"])
def test_encoding_does_not_hide_a_bad_path(path: str, layers: int) -> None:
    for _ in range(layers):
        path = "".join(f"%{byte:02x}" for byte in path.encode())
    if len(path) <= paths.MAX_NAME_BYTES:
        with pytest.raises(InvalidParameter):
            paths.check(path)
    else:
        pytest.fail("the case says nothing: it is refused for its length")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "%2e%2e/a",
            "a/%2E%2E",
            "%252e%252e",
            "a/%2e%252e/b",
            "%5c%5c",
            "%25%32%66",
            "a%5c..%5cb",
        ),
        # What a URL loses must not make one.
        *(".%0a./a", ".%250d./a", "a/..%3f", "a/..%3b", "%00%2fetc", "%20%2f/[x"),
    ],
)
def test_mixed_encodings_do_not_hide_a_bad_path(path: str) -> None:
    with pytest.raises(InvalidParameter):
        paths.check(path)


@pytest.mark.parametrize("path", GOOD)
def test_a_harmless_path_is_returned_as_it_is(path: str) -> None:
    assert paths.check(path) == path


PIECES = st.lists(
    st.sampled_from(
        [
            *("..", ".", "/", "\\", "%", "2e", "%2e", "%2f", "%25", "%5c", "%0a", "%07", "%41"),
            *("%ff", "%C3%A9", "a", "C:", "\0", "\t", "é", "#", ";", "?", " "),
        ]
    )
    | st.characters(),
    max_size=10,
).map("".join)
NAMES = PIECES | st.text(max_size=20)


@given(NAMES)
def test_an_accepted_path_stays_inside_its_root_however_often_it_is_decoded(path: str) -> None:
    root = "/srv/root"
    try:
        stored = paths.canonical(path)
    except InvalidParameter:
        return
    joined = os.path.normpath(os.path.join(root, stored))
    assert joined == f"{root}/{stored}"
    for _ in range(20):
        assert ".." not in re.split(r"[/\\]", path)
        assert not os.path.isabs(path)
        assert not PureWindowsPath(path).is_absolute()
        path = unquote(path)


@given(NAMES)
def test_a_canonical_path_is_its_own(path: str) -> None:
    try:
        stored = paths.canonical(f"1/{path}")
    except InvalidParameter:
        return
    assert paths.canonical(stored) == stored
    assert paths.check_stored(stored) == stored


@given(NAMES)
def test_a_path_is_stored_as_mlflow_stores_it(path: str) -> None:
    below = f"1/run/artifacts/{path}"
    assume("\n" not in path and not {"", "."} & set(below.split("/")))
    try:
        expected = validate_path_is_safe(below)
        encoded = expected.encode()
    except (MlflowException, ValueError):  # or more than ten layers, or half a character
        return
    # Its store refuses the first; the other is refused here on purpose.
    assume(not expected.endswith(("/", "/.")) and ".." not in re.split(r"[/\\]", expected))
    assume(max(map(len, encoded.split(b"/"))) <= paths.MAX_NAME_BYTES)
    assert paths.canonical(below) == os.path.normpath(expected)


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("k%step%0%timestamp%1795885658165%07ab.png", "k%step%0%timestamp%1795885658165%07ab.png"),
        ("k%st%41b.png", "k%stAb.png"),
        ("k%st%ffb.png", "k%st\ufffdb.png"),
        ("k%st%5cb.png", "k%st\\b.png"),
        ("k%st%2fb.png", "k%st/b.png"),
        ("a%252f%252fb", "a/b"),
        ("a/%252e/b", "a/b"),
        ("a%1F\x07b", "a%1f%07b"),
        ("a%09b;", "ab"),
        ("100%", "100%"),
    ],
)
def test_an_encoded_name_has_one_form(path: str, stored: str) -> None:
    assert paths.canonical(path) == stored


@pytest.mark.parametrize("path", ["a\0b", "a\x07", "a\tb"])
def test_a_store_is_given_no_control_character(path: str) -> None:
    with pytest.raises(InvalidParameter, match="control"):
        paths.check_stored(path)


@pytest.mark.parametrize("path", [None, ""])
def test_no_path_is_the_root_of_a_listing(path: str | None) -> None:
    assert paths.check_optional(path) == ""


def test_a_listing_takes_one_slash_at_the_end() -> None:
    assert paths.check_optional("a/b/") == "a/b"


@pytest.mark.parametrize("path", ["/", "a//", "../", "/a/"])
def test_a_listing_refuses_what_a_file_would(path: str) -> None:
    with pytest.raises(InvalidParameter):
        paths.check_optional(path)
