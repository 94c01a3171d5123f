"""Grants: what a user may do with artifacts, signed by the metadata service for less than a minute.

A grant is a JSON Web Token (RFC 7519) with an Ed25519 signature (RFC 9864). The artifacts service
checks it with a public key of the metadata service, so the two share no secret.
"""

import enum
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Struct

from tandem_shared.errors import Unauthenticated

SECONDS: Final = 45
"""How long a grant holds. With the 10 seconds for which the metadata service remembers checked
credentials, and `_LEEWAY`, that is a minute at most."""

HEADER: Final = "x-tandem-grant"
"""Header of a request that carries a grant instead of credentials."""

PARAMETER: Final = "grant"
"""Query parameter of a URL that carries a grant."""

_ALGORITHM: Final = "Ed25519"
_TYPE: Final = "tandem-grant+jwt"
_AUDIENCE: Final = "tandem-artifacts"
_LEEWAY: Final = 5
"""Seconds by which the clocks of the two services may differ."""

_LONGEST: Final = 8192
"""Characters of a grant at most: a path of 1,024 bytes, escaped and in base64, and the rest."""


class Action(enum.StrEnum):
    """What is done to artifacts."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


class Grant(Struct, frozen=True):
    """What a user may do with the artifacts at and below a path."""

    sub: str
    """The user's name."""
    prefix: str
    """A canonical path; "" for all artifacts."""
    actions: frozenset[Action]
    exact: bool = False
    """Whether it is for the path alone, not for what lies below."""

    def covers(self, path: str, action: Action) -> bool:
        """Whether it permits an action on what is at a canonical path."""
        if action not in self.actions:
            return False
        if path == self.prefix:
            return True
        return not self.exact and (not self.prefix or path.startswith(f"{self.prefix}/"))


class _Claims(Struct):
    sub: str
    prefix: str
    actions: frozenset[Action]
    exact: bool
    iat: int
    exp: int
    aud: str


class UnknownKey(Exception):
    """A grant names a key that is not among those given."""


class PublicKey:
    """What checks the signatures of one `SigningKey`."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        """Takes a JSON Web Key (RFC 8037); raises ValueError for one of another kind."""
        if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
            raise ValueError("not an Ed25519 key")
        try:
            public = {name: jwk[name] for name in ("kty", "crv", "x")}
            self.key: OKPKey = OKPKey.import_key(public)
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise ValueError("not an Ed25519 key") from error
        self.id = self.key.thumbprint()
        """Its thumbprint (RFC 7638): no other key can have the same."""

    @property
    def jwk(self) -> dict[str, Any]:
        """The key as the metadata service publishes it."""
        own = {"kid": self.id, "use": "sig", "alg": _ALGORITHM}
        return {**self.key.as_dict(private=False), **own}


class SigningKey:
    """A new key. Its private half is in the memory of this process, and nowhere else."""

    def __init__(self) -> None:
        self._key: OKPKey = OKPKey.generate_key("Ed25519", auto_kid=False)
        self.public = PublicKey(self._key.as_dict(private=False))

    def sign(self, grant: Grant, *, now: float | None = None) -> str:
        """The grant as a token that holds for `SECONDS`; `now` is in seconds since 1970."""
        issued = int(time.time() if now is None else now)
        claims = _Claims(
            grant.sub,
            grant.prefix,
            grant.actions,
            grant.exact,
            iat=issued,
            exp=issued + SECONDS,
            aud=_AUDIENCE,
        )
        header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": self.public.id}
        return jwt.encode(header, msgspec.to_builtins(claims), self._key, algorithms=[_ALGORITHM])


def key_id(token: str) -> str:
    """The id of the key that a token names, unchecked; raises Unauthenticated for no grant."""
    if len(token) > _LONGEST or not token.isascii():
        raise _invalid()
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError):
        raise _invalid() from None
    key = header.get("kid")
    if header.get("alg") != _ALGORITHM or header.get("typ") != _TYPE or not isinstance(key, str):
        raise _invalid()
    return key


def verify(
    token: str,
    keys: Callable[[str], PublicKey | None],
    *,
    now: float | None = None,
    fresh: bool = False,
) -> Grant:
    """The grant that a token holds.

    `keys` finds a key by its id. `fresh`: the metadata service has just answered with it, so that
    no clocks are compared. Raises UnknownKey, and Unauthenticated for a token that is forged, has
    expired, or is no grant.
    """
    key = keys(key_id(token))
    if key is None:
        raise UnknownKey
    try:
        decoded = jwt.decode(token, key.key, algorithms=[_ALGORITHM])
        claims = msgspec.convert(decoded.claims, _Claims)
    except (JoseError, ValueError, TypeError):
        raise _invalid() from None
    if claims.aud != _AUDIENCE or claims.exp - claims.iat > SECONDS:
        raise _invalid()
    clock = time.time() if now is None else now
    if not fresh and not claims.iat - _LEEWAY <= clock <= claims.exp + _LEEWAY:
        raise Unauthenticated("The grant has expired; ask for the file again where you got it.")
    return Grant(claims.sub, claims.prefix, claims.actions, claims.exact)


def _invalid() -> Unauthenticated:
    return Unauthenticated("This is no grant of this server's metadata service.")
