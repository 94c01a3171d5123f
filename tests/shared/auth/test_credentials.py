"""What an Authorization header holds."""

import base64
import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem_shared.auth import credentials
from tandem_shared.auth.credentials import Password, Token
from tandem_shared.errors import Unauthenticated


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(
    st.text(st.characters(exclude_characters=":\0", codec="utf-8"), min_size=1),
    st.text(st.characters(exclude_characters="\0", codec="utf-8")),
)
@example("ann", "a:b:c")
@example("ann", "")
def test_credentials_of_basic_are_name_and_password(name: str, password: str) -> None:
    for scheme in ("Basic", "basic", "BASIC "):
        header = f"{scheme} {encoded(f'{name}:{password}')}"
        assert credentials.parse(header) == Password(name, password)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_credentials_of_bearer_are_a_token(scheme: str) -> None:
    assert credentials.parse(f"{scheme} tandem_x.y-z ") == Token("tandem_x.y-z")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !",
        "Basic YQ",  # without its padding
        f"Basic {encoded('ann')}",
        f"Basic {encoded(':password')}",
        f"Basic {encoded('a' + chr(0) + 'b:c')}",
        f"Basic {encoded('a:b' + chr(0))}",
        f"Basic {base64.b64encode(bytes([255, 58, 254])).decode()}",
        f"Basic {encoded('a:b')} {encoded('a:b')}",
        "Bearer",
        "Bearer  ",
        "Digest username=ann",
        "ann:password",
        "Basic\tYTpi",
    ],
)
def test_credentials_that_are_malformed_are_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        credentials.parse(header)


@given(st.text(st.characters(max_codepoint=255)))
def test_credentials_of_any_text_are_read_or_refused(header: str) -> None:
    with contextlib.suppress(Unauthenticated):
        assert isinstance(credentials.parse(header), Password | Token) == bool(header)


def test_key_of_a_cache_tells_headers_apart() -> None:
    headers = [b"", b"Basic YTpi", b"Basic YTpj", b"basic YTpi", b"Basic YTpi "]
    keys = [credentials.digest(header) for header in headers]
    assert len(set(keys)) == len(headers)
    assert credentials.digest(b"Basic YTpi") == keys[1]
    assert all(header not in key for header, key in zip(headers[1:], keys[1:], strict=True))
