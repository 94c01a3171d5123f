"""Single sign-on: logins of browsers at the provider, their sessions, and the provider's tokens."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, NamedTuple

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from tandem_metadata.access.oidc import Attempt, Identity, Provider
from tandem_metadata.access.reads import Reads
from tandem_metadata.rules import accounts
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import load, members, sessions
from tandem_metadata.store.accounts.load import User
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, Unauthenticated, Unavailable

CALLBACK: Final = "/oidc/callback"
_AGAIN_MS: Final = 60_000
"""A provider that does not answer is asked again so much later; meanwhile the session goes on."""
_LOGGED_OUT: Final = "The session has ended; log in again."


class _Begun(msgspec.Struct):
    state: str
    nonce: str
    verifier: str
    next: str


class Opened(NamedTuple):
    """A session that a login has opened, and where the browser goes on."""

    session_id: str
    next: str


class Logins:
    """Of one process; the event loop calls all methods."""

    def __init__(self, settings: Settings, read: Reads, write: Reads) -> None:
        self._read = read
        self._write = write
        self._base = (settings.public_url or "").rstrip("/")
        self.provider = Provider(settings, self._base + CALLBACK)
        self._roles = _pairs(settings)
        self._admins = frozenset(settings.oidc_admin_groups or ())
        self._links = settings.oidc_link_users
        self._session_ms = int(settings.oidc_session_seconds * 1000)
        self._refresh_ms = int(settings.oidc_refresh_seconds * 1000)
        self.secure = self._base.startswith("https://")
        """Whether cookies are for TLS alone."""

    async def begin(self, next: str) -> tuple[str, str]:
        """Where a browser logs in, and the id of the login, which its cookie holds meanwhile.

        `next` is a path of this service, to which the browser goes afterwards.
        """
        attempt = Attempt.new()
        url = await self.provider.login_url(attempt)
        begun = _Begun(**asdict(attempt), next=next)
        login_id: str = await self._write(sessions.begin, msgspec.json.encode(begun).decode())
        return url, login_id

    async def end(self, login_id: str | None, state: str, code: str) -> Opened:
        """The session of a login whose browser has come back.

        Raises Unauthenticated for a login that is not known, has come back already, took too long,
        or was begun by another browser.
        """
        data = await self._write(sessions.end_login, login_id) if login_id else None
        begun = msgspec.json.decode(data, type=_Begun) if data else None
        if begun is None or not state or begun.state != state:
            raise Unauthenticated("This login took too long, or was begun elsewhere; log in again.")
        attempt = Attempt(begun.state, begun.nonce, begun.verifier)
        identity, refresh_token = await self.provider.redeem(code, attempt)
        user = await self.admit(identity)
        session_id = sessions.new_id()
        now = now_ms()
        await self._write(
            sessions.create,
            session_id,
            user.id,
            now + self._session_ms,
            now + self._refresh_ms if refresh_token else None,
            _seal(session_id, refresh_token),
        )
        return Opened(session_id, begun.next)

    async def user_of_session(self, session_id: str) -> User:
        """The user of a session, of whom the provider is asked again now and then.

        Raises Unauthenticated for one that has ended, here or at the provider.
        """
        found: sessions.Session | None = await self._read(sessions.find, session_id)
        if found is None or found.user_id is None:
            raise Unauthenticated(_LOGGED_OUT)
        if found.refresh_at is not None and found.refresh_at <= now_ms():
            await self._refresh(session_id, found)
        user: User | None = await self._read(load.by_id, found.user_id)
        if user is None:
            raise Unauthenticated(_LOGGED_OUT)
        return user

    async def log_out(self, session_id: str) -> str | None:
        """End a session; returns where the browser logs out of the provider, if it can."""
        await self._write(sessions.end, session_id)
        try:
            return await self.provider.logout_url(self._base + "/")
        except Unavailable:
            return None

    async def user_of_token(self, token: str) -> User:
        """The user whom a token of the provider is about."""
        return await self.admit(await self.provider.identify(token))

    async def admit(self, identity: Identity) -> User:
        """The user of that name, created where he is missing, in the roles of his groups.

        Raises Unauthenticated for the name of a user who has a password, unless such are linked,
        and for a new name that no user may have.
        """
        wanted = {role for group, role in self._roles.items() if group in identity.groups}
        mapped = set(self._roles.values())
        admin = bool(self._admins & identity.groups) if self._admins else None
        user: User | None = await self._read(load.by_name, identity.name)
        if user and user.password_hash and not self._links:
            raise Unauthenticated(
                f"There is a user '{identity.name}' with a password here already, who need not be "
                "the same person: an administrator deletes him, or sets --oidc-link-users."
            )
        if user is None:
            _check_name(identity.name)
        held = await self._read(members.roles_of, user.id, mapped) if user and mapped else set()
        if members.differs(user, held, wanted, admin):
            user = await self._write(members.admit, identity.name, wanted, mapped, admin)
        assert user is not None
        return user

    async def _refresh(self, session_id: str, session: sessions.Session) -> None:
        """Ask the provider whether the user is still one; raises Unauthenticated if he is not."""
        token = _unseal(session_id, session.data)
        later = now_ms() + self._refresh_ms
        try:
            identity, newer = await self.provider.refresh(token) if token else (None, None)
            if identity is not None:
                await self.admit(identity)
        except Unauthenticated:
            await self._write(sessions.end, session_id)
            raise Unauthenticated(_LOGGED_OUT) from None
        except Unavailable:
            newer, later = None, now_ms() + _AGAIN_MS
        data = _seal(session_id, newer) if newer else session.data
        await self._write(sessions.refresh, session_id, later, data)


def _check_name(name: str) -> None:
    try:
        accounts.check_distinct(name)
    except InvalidParameter as error:
        raise Unauthenticated(
            f"The provider names this user as nobody may be called here. {error.message}"
        ) from None


def _pairs(settings: Settings) -> Mapping[str, str]:
    return dict(each.rsplit("=", 1) for each in settings.oidc_group_roles or ())


def _sealing(session_id: str) -> Fernet:
    """The key is in the browser's cookie alone: who reads the database has no refresh token."""
    key = hashlib.sha256(b"tandem refresh token\0" + session_id.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def _seal(session_id: str, token: str | None) -> str:
    return _sealing(session_id).encrypt(token.encode()).decode() if token else ""


def _unseal(session_id: str, sealed: str) -> str | None:
    try:
        return _sealing(session_id).decrypt(sealed).decode() if sealed else None
    except InvalidToken:
        return None
