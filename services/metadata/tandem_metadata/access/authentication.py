"""Who sends a request, by its credentials; what was checked is remembered for some seconds."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from tandem_metadata.access import changes, passwords
from tandem_metadata.access.account import Account
from tandem_metadata.access.changes import Changes
from tandem_metadata.access.logins import Logins
from tandem_metadata.access.reads import Reads
from tandem_metadata.rules.accounts import OLD_DEFAULT
from tandem_metadata.rules.permissions import Grants, Level
from tandem_metadata.store.accounts import load, tokens
from tandem_shared.auth import credentials
from tandem_shared.auth.credentials import Credentials, Password, SessionCookie, Token, Vouched
from tandem_shared.clock import now_ms
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import ApiError, Unauthenticated, Unavailable

T = TypeVar("T")

REMEMBERED_SECONDS: Final = 10.0
"""How long a check counts. A change by another service is seen after so many seconds at most."""

LISTED_SECONDS: Final = 1.0
"""How long grants count for listings of what is granted: these cannot tell what they lack."""

_KEPT: Final = 10_000
_WAITING: Final = 100
"""The most passwords that wait for their check, which takes some 60 ms each."""

_WRONG: Final = "The user name or the password is wrong, or the user does not exist."
_EVERYBODYS: Final = (
    "The password is the default of old releases of MLflow, which everybody knows: administrators "
    "cannot sign in with it. Start the service with a new one in MLFLOW_AUTH_ADMIN_PASSWORD, or "
    "have another administrator set one."
)
_NO_TOKEN: Final = "The token is not known, is revoked, or has expired."


Given = bytes | Vouched | SessionCookie
"""What a request has: an Authorization header, a user for whom somebody vouches, or a session."""


@dataclass(slots=True)
class _Checked:
    account: Account
    until: float
    place: int
    mark: bytes
    """What `Changes` had at the user's place before he was read; another one ends the check."""
    password_hash: str | None = None
    """What a password was checked against: while that is stored, it need not be checked again."""


@dataclass(slots=True)
class _Flight:
    """A check under way, and the marks of `Changes` from before it."""

    marks: bytes
    task: "asyncio.Future[_Checked]"


class Authenticator:
    """Of one process; the event loop calls all methods."""

    def __init__(
        self,
        read: Reads,
        write: Reads,
        default: Level,
        changed: Changes,
        logins: Logins | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` and `write` run functions of the store; `default` is the default permission.

        `changed` tells when what is remembered no longer counts. With `logins`, sessions and tokens
        of the identity provider count as well.
        """
        self.logins = logins
        self.read = read
        """Runs functions of the store of accounts."""
        self._write = write
        self._default = default
        self._checked: dict[bytes, _Checked] = {}
        self._under_way: dict[bytes, _Flight] = {}
        self._hashing = Threads("passwords", 1)
        self._clock = clock
        self.changed = changed
        """To be told of each change, once it is committed."""

    async def aclose(self) -> None:
        """End the thread, and the connections to the provider."""
        await self._hashing.aclose()
        if self.logins:
            await self.logins.provider.aclose()

    async def account(self, given: Given) -> Account:
        """The user who proves himself so.

        Raises Unauthenticated for wrong credentials, and for a header that holds none.
        """
        key = _key(given)
        checked = self._checked.get(key)
        if (
            checked
            and checked.until > self._clock()
            and checked.mark == self.changed.mark(checked.place)
        ):
            return checked.account
        return await self._once(key, given)

    async def is_password_of(self, name: str, password: str) -> bool:
        """Whether a user has this password; it is read and checked anew."""
        user = await self.read(load.by_name, name)
        stored = user.password_hash if user else None
        return await self._hash(lambda: passwords.matches(stored, password))

    async def hashed(self, password: str) -> str:
        """A new hash of a password, to be stored."""
        return await self._hash(lambda: passwords.hashed(password))

    def is_for_listings(self, account: Account) -> bool:
        """Whether what a user is granted was read lately enough to list it; else see `again`."""
        return self._clock() < account.read_at + LISTED_SECONDS

    async def again(self, account: Account) -> Account:
        """The same user, with what he is granted now; raises Unauthenticated if he is gone."""
        place = changes.place_of(account.name)
        mark = self.changed.mark(place)
        read_at = self._clock()
        user = await self.read(load.by_id, account.id)
        if user is None or user.name != account.name:  # SQLite gives ids of deleted users again
            raise Unauthenticated("The user does not exist any more.")
        now = self._of(
            user,
            read_only=account.read_only,
            token_id=account.token_id,
            expires_at=account.expires_at,
        )
        if account.experiments is not None:
            now = now.restricted_to(account.experiments)
        now = replace(now, credentials=account.credentials, read_at=read_at)
        checked = self._checked.get(account.credentials)
        if checked and checked.account == account and self.changed.mark(place) == mark:
            checked.account = now
        return now

    async def _hash(self, work: Callable[[], T]) -> T:
        if self._hashing.busy >= _WAITING:
            raise Unavailable("Too many sign in at once; try again later.", retry_after=1)
        return await self._hashing.start(work)

    async def _once(self, key: bytes, given: Given) -> Account:
        """Check credentials; requests that come meanwhile with the same ones share the check.

        They do not share one that was begun before a change: it may not have seen it.
        """
        marks = self.changed.now()
        flight = self._under_way.get(key)
        if flight is None or flight.marks != marks:
            held = _parsed(given) if isinstance(given, bytes) else given
            before = self._checked.get(key)
            check = self._check(key, held, before.password_hash if before else None, marks)
            flight = self._under_way[key] = _Flight(marks, asyncio.ensure_future(check))
            flight.task.add_done_callback(partial(self._end, key, flight))
        return (await asyncio.shield(flight.task)).account

    async def _check(
        self, key: bytes, given: Credentials, matched: str | None, marks: bytes
    ) -> _Checked:
        """Check credentials; `matched` is the hash that the same password matched before."""
        read_at = self._clock()  # from before the look, which may take a while
        password_hash = None
        match given:
            case Password():
                user = await self._by_password(given, matched)
                found, password_hash = self._of(user), user.password_hash
            case Token():
                found = await self._by_token(given)
            case Vouched():
                found = await self._by_name(given)
            case SessionCookie():
                if self.logins is None:
                    raise Unauthenticated("There are no sessions here.")
                found = self._of(await self.logins.user_of_session(given.id))
        until = read_at + REMEMBERED_SECONDS
        if found.expires_at is not None:
            until = min(until, self._clock() + (found.expires_at - now_ms()) / 1000)
        found = replace(found, credentials=key, read_at=read_at)
        place = changes.place_of(found.name)
        return _Checked(found, until, place, changes.mark_in(marks, place), password_hash)

    def _end(self, key: bytes, flight: _Flight, _: "asyncio.Future[_Checked]") -> None:
        if self._under_way.get(key) is not flight:
            if not flight.task.cancelled():
                flight.task.exception()  # Whoever waited has got it; nobody may have.
            return
        del self._under_way[key]
        if flight.task.cancelled() or flight.task.exception():
            self._checked.pop(key, None)
            return
        if len(self._checked) >= _KEPT:
            del self._checked[next(iter(self._checked))]
        self._checked[key] = flight.task.result()

    async def _by_password(self, given: Password, matched: str | None) -> load.User:
        user: load.User | None = await self.read(load.by_name, given.username)
        stored = user.password_hash if user else None
        right = matched is not None and matched == stored
        if not right:
            right = await self._hash(lambda: passwords.matches(stored, given.password))
        if not right or user is None:
            raise Unauthenticated(_WRONG)
        if user.admin and given.password == OLD_DEFAULT:
            raise Unauthenticated(_EVERYBODYS)
        return user

    async def _by_name(self, given: Vouched) -> Account:
        user = await self.read(load.by_name, given.username)
        if user is None:
            raise Unauthenticated(
                f"{given.by} vouches for '{given.username}', who is no user here: an administrator "
                "creates users."
            )
        return self._of(user)

    async def _by_token(self, given: Token) -> Account:
        if self.logins and not given.text.startswith(tokens.PREFIX):
            return self._of(await self.logins.user_of_token(given.text))
        found = await self.read(tokens.find, given.text)
        user = await self.read(load.by_id, found.user_id) if found else None
        if found is None or user is None or not _is_good(found, user):
            raise Unauthenticated(_NO_TOKEN, 'Bearer realm="mlflow", error="invalid_token"')
        if tokens.is_use_worth_noting(found):
            with contextlib.suppress(ApiError):  # a database that takes no writes may be read
                await self._write(tokens.note_use, found.token_id)
        account = self._of(
            user,
            read_only=found.read_only,
            token_id=found.token_id,
            expires_at=found.expires_at,
        )
        if found.experiments is None:
            return account
        return account.restricted_to(found.experiments)

    def _of(self, user: load.User, **more: Any) -> Account:
        grants = Grants.of(user.grants, self._default)
        return Account(name=user.name, admin=user.admin, id=user.id, grants=grants, **more)


def _is_good(token: tokens.Token, user: load.User) -> bool:
    """Whether a token has not expired, and its user is the one for whom it was made."""
    ended = token.expires_at is not None and token.expires_at <= now_ms()
    return not ended and token.username == user.name


def _parsed(header: bytes) -> Credentials:
    if held := credentials.parse(header.decode("latin-1")):
        return held
    raise Unauthenticated("The Authorization header is empty.")


def _key(given: Given) -> bytes:
    match given:
        case bytes():
            return credentials.digest(b"header " + given)
        case Vouched():
            return credentials.digest(f"{given.by} vouched {given.username}".encode())
        case SessionCookie():
            return credentials.digest(b"session " + given.id.encode())
