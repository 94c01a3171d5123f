"""Messages of tokens. Only the answer that creates a token holds its text."""

from typing import ClassVar

from msgspec import Struct

from tandem_shared.wire.codec import Int64, Required


class Token(Struct, omit_defaults=True):
    """A token in an answer; times count milliseconds since 1970."""

    token_id: str
    username: str
    name: str
    created_at: int
    expires_at: int | None = None
    """When it ends; absent for never."""
    used_at: int | None = None
    """When it was last used, to the minute; absent for never."""
    read_only: bool = False
    experiments: list[str] | None = None
    """The experiments that it is for; absent for no restriction."""


class CreateToken(Struct):
    """Request of `tokens/create`: exact, because a misspelt restriction would be none."""

    EXACT: ClassVar[bool] = True

    name: Required
    username: str | None = None
    """Whose; without it, the sender's."""
    expires_in: Int64 | None = None
    """Seconds."""
    read_only: bool = False
    experiments: list[str] | None = None


class CreateTokenResponse(Struct):
    """Answer of `tokens/create`."""

    token: Token
    text: str
    """What clients send; it is shown this once."""


class ListTokens(Struct):
    """Request of `tokens/list`; without a name, the sender's."""

    username: str | None = None


class ListTokensResponse(Struct):
    """Answer of `tokens/list`."""

    tokens: list[Token]


class RevokeToken(Struct):
    """Request of `tokens/revoke`."""

    token_id: Required
