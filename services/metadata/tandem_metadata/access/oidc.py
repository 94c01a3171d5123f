"""The OpenID Connect provider: where its endpoints are, what its tokens say, and codes for them.

A token counts if the provider has signed it for this client, and it has not expired. Its keys are
kept, and read again when a token names one that is not known.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tandem_metadata.settings import Settings
from tandem_shared.errors import Unauthenticated, Unavailable
from tandem_shared.observability.logs import REQUEST_ID

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
"""Signatures by a private key. Those by the client's secret, and none, are never taken."""

_LEEWAY_SECONDS: Final = 30
_KEYS_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 10.0
"""Tokens with unknown keys, which anybody can send, make no more requests than one in this time."""
_TIMEOUT_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
_ABOUT: Final = "/.well-known/openid-configuration"


class _About(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None


class _Tokens(msgspec.Struct):
    id_token: str | None = None
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token is about."""

    name: str
    groups: frozenset[str]
    expires_at: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that has begun: what the browser's return is compared with."""

    state: str
    nonce: str
    verifier: str
    """PKCE: whoever brings the code must know it."""

    @classmethod
    def new(cls) -> "Attempt":
        """One with fresh random values."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class Provider:
    """Of one process; the event loop calls all methods.

    All raise Unavailable when the provider does not answer, and Unauthenticated for a token or code
    that it, or this client, does not accept.
    """

    def __init__(self, settings: Settings, redirect_uri: str) -> None:
        self._issuer = settings.oidc_issuer or ""
        self._client_id = settings.oidc_client_id or ""
        self._secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._audiences = [self._client_id, *(settings.oidc_audiences or ())]
        self._name_claim = settings.oidc_username_claim
        self._groups_claim = settings.oidc_groups_claim
        self._redirect_uri = redirect_uri
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False)
        self._about: _About | None = None
        self._keys: KeySet | None = None
        self._keys_read = -_KEYS_SECONDS

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def login_url(self, attempt: Attempt) -> str:
        """Where a browser logs in; it comes back to the redirect URI with a code."""
        about = await self._configuration()
        hashed = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        joined = "&" if "?" in about.authorization_endpoint else "?"
        return f"{about.authorization_endpoint}{joined}{urlencode(query)}"

    async def logout_url(self, back: str) -> str | None:
        """Where a browser logs out of the provider as well; None if that has no such page."""
        end = (await self._configuration()).end_session_endpoint
        if end is None:
            return None
        query = {"client_id": self._client_id, "post_logout_redirect_uri": back}
        return f"{end}{'&' if '?' in end else '?'}{urlencode(query)}"

    async def redeem(self, code: str, attempt: Attempt) -> tuple[Identity, str | None]:
        """Whom a code is about, and the refresh token, if the provider gives one."""
        tokens = await self._tokens(
            grant_type="authorization_code",
            code=code,
            redirect_uri=self._redirect_uri,
            code_verifier=attempt.verifier,
        )
        if tokens.id_token is None:
            raise Unauthenticated("The provider answered without an ID token.")
        claims = await self._claims(tokens.id_token, [self._client_id])
        if not secrets.compare_digest(str(claims.get("nonce", "")), attempt.nonce):
            raise Unauthenticated("The ID token belongs to another login.")
        return self._identity(claims), tokens.refresh_token

    async def refresh(self, refresh_token: str) -> tuple[Identity | None, str | None]:
        """Whom a refresh token is about, if the provider says so, and the next one."""
        tokens = await self._tokens(grant_type="refresh_token", refresh_token=refresh_token)
        if tokens.id_token is None:
            return None, tokens.refresh_token
        claims = await self._claims(tokens.id_token, [self._client_id])
        return self._identity(claims), tokens.refresh_token

    async def identify(self, token: str) -> Identity:
        """Whom a token is about that a program sends."""
        return self._identity(await self._claims(token, self._audiences))

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        name = claims.get(self._name_claim)
        if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME:
            raise Unauthenticated(
                f"The token has no user's name in its claim '{self._name_claim}'."
            )
        if self._name_claim == "email" and claims.get("email_verified") is False:
            raise Unauthenticated("The provider has not verified the user's e-mail address.")
        found = claims.get(self._groups_claim) if self._groups_claim else None
        groups = found if isinstance(found, list) else [found] if isinstance(found, str) else []
        return Identity(name, frozenset(map(str, groups)), int(claims["exp"]))

    async def _claims(self, token: str, audiences: Collection[str]) -> Mapping[str, Any]:
        try:
            decoded = jwt.decode(token, await self._key_set(), algorithms=[*ALGORITHMS])
        except (JoseError, ValueError):
            if not await self._keys_are_newer():
                raise Unauthenticated(_WRONG, _CHALLENGE) from None
            try:
                decoded = jwt.decode(token, await self._key_set(), algorithms=[*ALGORITHMS])
            except (JoseError, ValueError):
                raise Unauthenticated(_WRONG, _CHALLENGE) from None
        expected = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "values": [*audiences]},
            exp={"essential": True},
        )
        try:
            expected.validate(decoded.claims)
        except JoseError:
            raise Unauthenticated(_WRONG, _CHALLENGE) from None
        return decoded.claims

    async def _key_set(self) -> KeySet:
        now = time.monotonic()
        if self._keys is None or now - self._keys_read > _KEYS_SECONDS:
            uri = (await self._configuration()).jwks_uri
            answer = await self._asked("GET", uri)
            try:
                self._keys = KeySet.import_key_set(msgspec.json.decode(answer))
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise Unavailable("The provider's keys cannot be read.") from error
            self._keys_read = now
        return self._keys

    async def _keys_are_newer(self) -> bool:
        """Forget the keys, unless they have only just been read."""
        if time.monotonic() - self._keys_read < _AGAIN_SECONDS:
            return False
        self._keys = None
        return True

    async def _configuration(self) -> _About:
        if self._about is None:
            answer = await self._asked("GET", self._issuer.rstrip("/") + _ABOUT)
            try:
                about = msgspec.json.decode(answer, type=_About)
            except msgspec.DecodeError as error:
                raise Unavailable("The provider's configuration cannot be read.") from error
            if about.issuer != self._issuer:
                raise Unavailable(
                    "The provider names another issuer than --oidc-issuer: give it exactly so.",
                    reason=f"the provider's issuer is {about.issuer!r}",
                )
            self._about = about
        return self._about

    async def _tokens(self, **form: str) -> _Tokens:
        about = await self._configuration()
        form["client_id"] = self._client_id
        if self._secret:
            form["client_secret"] = self._secret
        answer = await self._asked("POST", about.token_endpoint, form)
        try:
            return msgspec.json.decode(answer, type=_Tokens)
        except msgspec.DecodeError as error:
            raise Unavailable("The provider's answer cannot be read.") from error

    async def _asked(self, method: str, url: str, form: Mapping[str, str] | None = None) -> bytes:
        headers = {"Accept": "application/json", "X-Request-Id": REQUEST_ID.get()}
        try:
            answer = await self._http.request(method, url, data=form, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(
                "The identity provider does not answer; try again later.", retry_after=5
            ) from error
        if form is not None and answer.status_code in (400, 401, 403):
            raise Unauthenticated("The identity provider refuses this login; log in again.")
        if answer.status_code != httpx.codes.OK or len(answer.content) > _MOST_BYTES:
            raise Unavailable(
                "The identity provider does not answer as it should; try again later.",
                reason=f"{url}: status {answer.status_code}",
                retry_after=5,
            )
        return answer.content


_LONGEST_NAME: Final = 255
_WRONG: Final = "The token is not one of the identity provider for this service, or has expired."
_CHALLENGE: Final = 'Bearer realm="mlflow", error="invalid_token"'
