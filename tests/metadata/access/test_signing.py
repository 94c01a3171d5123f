"""Keys that sign grants: made by each process, published by all."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest

from tandem_metadata.access import opening
from tandem_metadata.access.signing import PUBLISHED_MS, SIGNS_MS, Signer
from tandem_metadata.database.database import Database
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.settings import Settings
from tandem_metadata.store.accounts import signing_keys
from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action, Grant, PublicKey
from tandem_shared.clock import now_ms
from tandem_shared.errors import Unavailable

GRANT = Grant("ann", "1/abc", frozenset({Action.READ}))


@pytest.fixture
def accounts_settings(settings: Settings) -> Settings:
    return dataclasses.replace(settings, auth="basic", auth_admin_password="correct horse battery")


class Clock:
    def __init__(self) -> None:
        self.now = now_ms()

    def __call__(self) -> int:
        return self.now


def signing(settings: Settings, test: Callable[[Context, Signer, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database(settings)
        opening.prepare(database, settings)
        context, clock = Context(settings, database), Clock()
        async with context:
            await test(context, Signer(context.read, context.write, clock), clock)
        database.close()

    asyncio.run(run())


async def checked(token: str, signer: Signer) -> Grant:
    keys = {each.id: each for each in map(PublicKey, await signer.public_keys())}
    return grants.verify(token, keys.get)


def test_every_process_publishes_the_keys_of_all(accounts_settings: Settings) -> None:
    async def test(context: Context, signer: Signer, _: Clock) -> None:
        other = Signer(context.read, context.write)
        for one, two in ((signer, other), (other, signer)):
            assert await checked(await one.sign(GRANT), two) == GRANT
        assert len(await signer.public_keys()) == 2

    signing(accounts_settings, test)


def test_requests_at_once_make_one_key(accounts_settings: Settings) -> None:
    async def test(_: Context, signer: Signer, __: Clock) -> None:
        tokens = await asyncio.gather(*(signer.sign(GRANT) for _ in range(20)))
        assert len({grants.key_id(token) for token in tokens}) == 1
        assert len(await signer.public_keys()) == 1

    signing(accounts_settings, test)


def test_a_key_gives_way_to_the_next_one_while_its_grants_hold(accounts_settings: Settings) -> None:
    async def test(_: Context, signer: Signer, clock: Clock) -> None:
        first = await signer.sign(GRANT)
        clock.now += SIGNS_MS - 1
        assert grants.key_id(await signer.sign(GRANT)) == grants.key_id(first)
        clock.now += 1
        second = await signer.sign(GRANT)
        assert grants.key_id(second) != grants.key_id(first)
        for token in (first, second):
            assert await checked(token, signer) == GRANT
        assert PUBLISHED_MS - SIGNS_MS > grants.SECONDS * 1000

    signing(accounts_settings, test)


def test_expired_keys_are_not_published_and_go(accounts_settings: Settings) -> None:
    async def test(context: Context, signer: Signer, _: Clock) -> None:
        await context.write(signing_keys.publish, "old", "x" * 43, now_ms() - 1)
        assert await signer.public_keys() == []
        await signer.sign(GRANT)

        def count(conn: object) -> int:
            return len(conn.exec_driver_sql("SELECT * FROM tandem_signing_keys").all())  # type: ignore[attr-defined]

        assert await context.read(count) == 1

    signing(accounts_settings, test)


def test_a_key_that_cannot_be_published_signs_nothing(accounts_settings: Settings) -> None:
    async def test(context: Context, _: Signer, __: Clock) -> None:
        async def write(*_: object) -> None:
            raise Unavailable("away")

        signer = Signer(context.read, write)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await signer.sign(GRANT)
        assert await signer.public_keys() == []

    signing(accounts_settings, test)


def test_the_database_has_no_private_key(accounts_settings: Settings) -> None:
    async def test(context: Context, signer: Signer, _: Clock) -> None:
        token = await signer.sign(GRANT)

        def row(conn: object) -> tuple[object, ...]:
            [found] = conn.exec_driver_sql("SELECT * FROM tandem_signing_keys").all()  # type: ignore[attr-defined]
            return tuple(found)

        key_id, public, _ = await context.read(row)
        assert key_id == grants.key_id(token)
        assert signer._key
        assert public == signer._key.public.jwk["x"]
        private = signer._key._key.as_dict(private=True)["d"]
        assert private not in (key_id, public)

    signing(accounts_settings, test)
