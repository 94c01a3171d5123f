import os
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    "a\\b",
    "..\\a",
    "C:/a",
    "c:",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a#b",
    "\ud800",
    "\udcff",
    "a\ufffd",
    "x" * 256,
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
@pytest.mark.parametrize(
    "path", ["..", "a/../b", "/etc", "a//b", "a\\b", "a\nb", "a\0", "c:/x", "#"]
)
def test_encoding_does_not_hide_a_bad_path(path: str, layers: int) -> None:
    for _ in range(layers):
        path = "".join(f"%{byte:02x}" for byte in path.encode())
    if len(path) <= paths.MAX_NAME_BYTES:
        with pytest.raises(InvalidParameter):
            paths.check(path)
    else:
        pytest.fail("the case says nothing: it is refused for its length")


@pytest.mark.parametrize(
    "path", ["%2e%2e/a", "a/%2E%2E", "%252e%252e", "a%2fb/%2e", "%5c", "%25%32%66"]
)
def test_mixed_encodings_do_not_hide_a_bad_path(path: str) -> None:
    with pytest.raises(InvalidParameter):
        paths.check(path)


@pytest.mark.parametrize("path", GOOD)
def test_a_harmless_path_is_returned_as_it_is(path: str) -> None:
    assert paths.check(path) == path


PIECES = st.lists(
    st.sampled_from(["..", ".", "/", "\\", "%2e", "%2f", "%25", "%5c", "a", "C:", "\0", "é", "#"])
    | st.characters(),
    max_size=8,
).map("".join)


@given(PIECES | st.text(max_size=20))
def test_an_accepted_path_stays_inside_its_root(path: str) -> None:
    root = "/srv/root"
    try:
        accepted = paths.check(path)
    except InvalidParameter:
        return
    joined = os.path.normpath(os.path.join(root, accepted))
    assert joined == f"{root}/{accepted}"
    assert os.path.commonpath([root, joined]) == root


@given(st.text(st.characters(exclude_characters="/\\#%", exclude_categories=["C"]), min_size=1))
def test_a_plain_name_is_accepted_encoded_or_not(name: str) -> None:
    if name in (".", "..") or name[1:2] == ":" or "\ufffd" in name or len(quote(name)) > 255:
        return
    assert paths.check(name) == name
    assert paths.check(quote(name, safe="")) == quote(name, safe="")


@pytest.mark.parametrize("path", [None, ""])
def test_no_path_is_the_root_of_a_listing(path: str | None) -> None:
    assert paths.check_optional(path) == ""


def test_a_listing_takes_one_slash_at_the_end() -> None:
    assert paths.check_optional("a/b/") == "a/b"


@pytest.mark.parametrize("path", ["/", "a//", "../", "/a/"])
def test_a_listing_refuses_what_a_file_would(path: str) -> None:
    with pytest.raises(InvalidParameter):
        paths.check_optional(path)
