"""Who sends a request: what is checked, how often, and for how long it counts."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tandem_metadata.access import passwords
from tandem_metadata.access.account import Account
from tandem_metadata.access.authentication import (
    LISTED_SECONDS,
    REMEMBERED_SECONDS,
    Authenticator,
)
from tandem_metadata.access.changes import Changes
from tandem_metadata.database.database import Database
from tandem_metadata.rules.permissions import EXPERIMENT, REGISTERED_MODEL, Action, Key, Level
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import grants, tokens, users
from tandem_shared.clock import now_ms
from tandem_shared.errors import Unauthenticated, Unavailable
from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import PASSWORD, hashed

pytestmark = only_sqlite


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Home:
    """A database of users, and an authenticator over it that counts hashes."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.clock = Clock()
        self.hashes: list[str] = []
        check = passwords.check_password_hash

        def counted(hash: str, password: str) -> bool:
            self.hashes.append(hash)
            return check(hash, password)

        monkeypatch.setattr(passwords, "check_password_hash", counted)

    def run(self, steps: Callable[[Authenticator], Awaitable[None]]) -> None:
        """Await a test's steps, which are given a new authenticator."""

        async def read(function: Callable[..., Any], *args: Any) -> Any:
            await asyncio.sleep(0)
            with self.database.read() as conn:
                return function(conn, *args)

        async def write(function: Callable[..., Any], *args: Any) -> Any:
            with self.database.write() as conn:
                return function(conn, *args)

        async def begin() -> None:
            authenticator = Authenticator(
                read, write, Level.NO_PERMISSIONS, Changes(), clock=self.clock
            )
            try:
                await steps(authenticator)
            finally:
                await authenticator.aclose()

        asyncio.run(begin())

    def user(self, name: str, password_hash: str | None = "") -> int:
        with self.database.write() as conn:
            return users.create(conn, name, hashed() if password_hash == "" else password_hash)

    def token(self, name: str, **given: Any) -> bytes:
        with self.database.write() as conn:
            return b"Bearer " + tokens.create(conn, name, "t", **given)[1].encode()


@pytest.fixture
def home(guarded_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    database = Database(guarded_settings)
    yield Home(database, monkeypatch)
    database.close()


def basic(name: str, password: str = PASSWORD) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


async def refused(authenticator: Authenticator, header: bytes) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.account(header)
    return refusal.value.message


def test_users_and_strangers_cost_one_hash_of_the_same_kind_each(home: Home) -> None:
    """Else the time of an answer would tell which names there are."""
    home.user("ann")
    home.user("pipeline", None)

    async def steps(authenticator: Authenticator) -> None:
        told = {
            await refused(authenticator, basic(name, "wrong"))
            for name in ("ann", "pipeline", "nobody")
        }
        assert len(told) == 1

    home.run(steps)
    assert len(home.hashes) == 3
    assert len({each.partition("$")[0] for each in home.hashes}) == 1
    assert home.hashes[0] == hashed()


def test_requests_that_come_at_once_share_one_hash(home: Home) -> None:
    home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        found = await asyncio.gather(*(authenticator.account(basic("ann")) for _ in range(20)))
        assert {each.name for each in found} == {"ann"}

    home.run(steps)
    assert len(home.hashes) == 1


def test_requests_whose_first_is_cancelled_are_answered(home: Home) -> None:
    home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        first, second = (
            asyncio.ensure_future(authenticator.account(basic("ann"))) for _ in range(2)
        )
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).name == "ann"

    home.run(steps)


def test_password_is_hashed_once_until_it_changes(home: Home) -> None:
    user_id = home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        for _ in range(3):
            await authenticator.account(basic("ann"))
            home.clock.now += REMEMBERED_SECONDS + 1
        assert len(home.hashes) == 1
        with home.database.write() as conn:
            grants.grant(conn, user_id, EXPERIMENT, "1", Level.READ)
        account = await authenticator.account(basic("ann"))
        assert account.permits(Action.READ, Key(EXPERIMENT, "1"))
        assert len(home.hashes) == 1
        home.clock.now += REMEMBERED_SECONDS + 1
        with home.database.write() as conn:
            users.set_password(conn, "ann", passwords.hashed("another"))
        await refused(authenticator, basic("ann"))
        assert (await authenticator.account(basic("ann", "another"))).name == "ann"

    home.run(steps)


def test_password_of_a_user_who_is_gone_is_refused_after_some_seconds(home: Home) -> None:
    home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        account = await authenticator.account(basic("ann"))
        with home.database.write() as conn:
            users.remove(conn, "ann")
        home.clock.now += REMEMBERED_SECONDS - 1
        assert (await authenticator.account(basic("ann"))).name == "ann"
        with pytest.raises(Unauthenticated):
            await authenticator.again(account)
        home.clock.now += 2
        await refused(authenticator, basic("ann"))

    home.run(steps)


def test_password_that_is_wrong_is_never_remembered(home: Home) -> None:
    home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        await authenticator.account(basic("ann"))
        for _ in range(2):
            await refused(authenticator, basic("ann", "wrong"))
        assert (await authenticator.account(basic("ann"))).name == "ann"

    home.run(steps)
    assert len(home.hashes) == 3


def test_user_who_has_changed_is_read_again_at_once(home: Home) -> None:
    user_id = home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        async def permitted() -> bool:
            account = await authenticator.account(basic("ann"))
            return account.permits(Action.READ, Key(EXPERIMENT, "1"))

        assert not await permitted()
        with home.database.write() as conn:
            grants.grant(conn, user_id, EXPERIMENT, "1", Level.READ)
        authenticator.changed.note("bob")
        assert not await permitted()
        authenticator.changed.note("ann")
        assert await permitted()
        with home.database.write() as conn:
            grants.take(conn, [EXPERIMENT], "1")
        authenticator.changed.note()
        assert not await permitted()
        assert len(home.hashes) == 1
        with home.database.write() as conn:
            users.set_password(conn, "ann", passwords.hashed("another long password"))
        authenticator.changed.note("ann")
        await refused(authenticator, basic("ann"))

    home.run(steps)


def test_request_does_not_share_a_check_that_was_begun_before_a_change(home: Home) -> None:
    user_id = home.user("ann")
    header = home.token("ann")

    async def steps(authenticator: Authenticator) -> None:
        early = asyncio.ensure_future(authenticator.account(header))
        await asyncio.sleep(0)
        with home.database.write() as conn:
            grants.grant(conn, user_id, EXPERIMENT, "1", Level.READ)
        authenticator.changed.note("ann")
        late = await authenticator.account(header)
        assert late.permits(Action.READ, Key(EXPERIMENT, "1"))
        await early
        assert await authenticator.account(header) is late

    home.run(steps)


def test_grants_count_for_listings_as_long_as_is_said(home: Home) -> None:
    home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        account = await authenticator.account(basic("ann"))
        home.clock.now += LISTED_SECONDS / 2
        assert authenticator.is_for_listings(account)
        home.clock.now += LISTED_SECONDS
        assert not authenticator.is_for_listings(account)
        again = await authenticator.again(account)
        assert authenticator.is_for_listings(again)
        assert await authenticator.account(basic("ann")) is again

    home.run(steps)


def test_what_another_service_takes_away_counts_no_longer_than_is_said(home: Home) -> None:
    user_id = home.user("ann")
    with home.database.write() as conn:
        grants.grant(conn, user_id, REGISTERED_MODEL, "fraud", Level.READ)

    async def steps(authenticator: Authenticator) -> None:
        async def permitted() -> bool:
            account = await authenticator.account(basic("ann"))
            return account.permits(Action.READ, Key(REGISTERED_MODEL, "fraud"))

        assert await permitted()
        with home.database.write() as conn:
            grants.take(conn, [REGISTERED_MODEL], "fraud")
        assert await permitted()
        home.clock.now += REMEMBERED_SECONDS + 1
        assert not await permitted()

    home.run(steps)


def test_grants_that_are_read_again_count_from_then_on(home: Home) -> None:
    user_id = home.user("ann")

    async def steps(authenticator: Authenticator) -> None:
        before = await authenticator.account(basic("ann"))
        with home.database.write() as conn:
            grants.grant(conn, user_id, EXPERIMENT, "1", Level.EDIT)
        assert not (await authenticator.account(basic("ann"))).permits(
            Action.READ, Key(EXPERIMENT, "1")
        )
        again = await authenticator.again(before)
        assert again.permits(Action.UPDATE, Key(EXPERIMENT, "1"))
        assert await authenticator.account(basic("ann")) is again

    home.run(steps)


def test_token_that_expired_or_was_revoked_is_refused(home: Home) -> None:
    home.user("pipeline", None)
    good, revoked = home.token("pipeline"), home.token("pipeline")
    expired = home.token("pipeline", expires_at=now_ms() - 1)
    later = home.token("pipeline", expires_at=now_ms() + 3_600_000)
    with home.database.write() as conn:
        found = tokens.find(conn, revoked.decode().removeprefix("Bearer "))
        assert found
        assert tokens.revoke(conn, found.token_id)

    async def steps(authenticator: Authenticator) -> None:
        for header in (good, later):
            assert (await authenticator.account(header)).name == "pipeline"
        told = {await refused(authenticator, header) for header in (expired, revoked)}
        assert {await refused(authenticator, b"Bearer tandem_x")} == told

    home.run(steps)
    assert not home.hashes


def test_token_of_a_user_who_is_gone_is_refused(home: Home) -> None:
    home.user("ann")
    header = home.token("ann")

    async def steps(authenticator: Authenticator) -> None:
        await authenticator.account(header)
        with home.database.write() as conn:
            users.remove(conn, "ann")
        home.clock.now += REMEMBERED_SECONDS + 1
        await refused(authenticator, header)

    home.run(steps)


def test_token_keeps_its_restrictions_when_grants_are_read_again(home: Home) -> None:
    user_id = home.user("ann")
    header = home.token("ann", read_only=True, experiments=["1"])

    async def steps(authenticator: Authenticator) -> None:
        before = await authenticator.account(header)
        with home.database.write() as conn:
            for each in ("1", "2"):
                grants.grant(conn, user_id, EXPERIMENT, each, Level.MANAGE)
            users.set_admin(conn, "ann", admin=True)
        again: Account = await authenticator.again(before)
        assert (again.read_only, again.admin) == (True, False)
        assert again.permits(Action.DELETE, Key(EXPERIMENT, "1"))
        assert not again.permits(Action.READ, Key(EXPERIMENT, "2"))

    home.run(steps)


def test_passwords_that_wait_for_their_check_are_bounded(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.user("ann")
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)

    async def steps(authenticator: Authenticator) -> None:
        flood = [
            asyncio.ensure_future(authenticator.account(basic("ann", str(number))))
            for number in range(101)
        ]
        *waiting, last = await asyncio.gather(*flood, return_exceptions=True)
        assert all(isinstance(each, Unauthenticated) for each in waiting)
        assert isinstance(last, Unavailable)
        assert last.retry_after

    home.run(steps)
