"""Grants: what they hold, and every way in which one is not one of ours."""

import base64
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from tandem_shared.auth import grants
from tandem_shared.auth.grants import Action, Grant, PublicKey, SigningKey, UnknownKey
from tandem_shared.errors import Unauthenticated

GRANT = Grant("ann", "1/abc", frozenset({Action.READ, Action.WRITE}))
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey()


def verified(token: str, key: SigningKey, now: float = NOW, **options: Any) -> Grant:
    keys = {key.public.id: key.public}
    return grants.verify(token, keys.get, now=now, **options)


def refused(token: str, key: SigningKey, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        verified(token, key, now)
    return refusal.value.message


def segments(token: str) -> list[Any]:
    """Header and claims, decoded."""
    parts = token.split(".")[:2]
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts]


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_a_grant_comes_back_as_it_was_signed(key: SigningKey) -> None:
    token = key.sign(GRANT, now=NOW)
    assert verified(token, key) == GRANT
    header, claims = segments(token)
    assert header == {"alg": "Ed25519", "typ": "tandem-grant+jwt", "kid": key.public.id}
    assert claims["exp"] - claims["iat"] == grants.SECONDS
    assert claims["sub"] == "ann"


def test_a_grant_of_the_longest_path_and_name_comes_back(key: SigningKey) -> None:
    grant = Grant("ü" * 255, "é" * 512, frozenset(Action), exact=True)
    assert verified(key.sign(grant, now=NOW), key) == grant


@pytest.mark.parametrize(
    ("prefix", "exact", "path", "covered"),
    [
        ("1/abc", False, "1/abc", True),
        ("1/abc", False, "1/abc/artifacts/x", True),
        ("1/abc", False, "1/abcd", False),
        ("1/abc", False, "1", False),
        ("1/abc", False, "", False),
        ("1/abc", True, "1/abc", True),
        ("1/abc", True, "1/abc/x", False),
        ("", False, "2/x", True),
        ("", False, "", True),
        ("", True, "2/x", False),
    ],
)
def test_a_grant_covers_its_path_and_what_lies_below(
    prefix: str, exact: bool, path: str, covered: bool
) -> None:
    grant = Grant("ann", prefix, frozenset({Action.READ}), exact)
    assert grant.covers(path, Action.READ) is covered
    assert not grant.covers(path, Action.WRITE)


def test_a_grant_expires_but_for_the_difference_of_clocks(key: SigningKey) -> None:
    token = key.sign(GRANT, now=NOW)
    assert verified(token, key, NOW + grants.SECONDS + 5) == GRANT
    assert "expired" in refused(token, key, NOW + grants.SECONDS + 6)
    assert verified(token, key, NOW - 5) == GRANT
    assert refused(token, key, NOW - 6)


def test_no_clock_is_compared_for_an_answer(key: SigningKey) -> None:
    token = key.sign(GRANT, now=NOW)
    assert verified(token, key, NOW + 10_000, fresh=True) == GRANT


def test_a_grant_of_an_unknown_key_says_so(key: SigningKey) -> None:
    with pytest.raises(UnknownKey):
        verified(SigningKey().sign(GRANT, now=NOW), key)


def test_a_grant_that_another_key_signed_is_refused(key: SigningKey) -> None:
    header, claims, _ = SigningKey().sign(GRANT, now=NOW).split(".")
    given = segments(f"{header}.{claims}")[0]
    other = SigningKey()
    forged = jwt.encode(
        {**given, "kid": key.public.id},
        segments(f"{header}.{claims}")[1],
        other._key,
        algorithms=["Ed25519"],
    )
    assert "no grant" in refused(forged, key)


def test_altered_claims_are_refused(key: SigningKey) -> None:
    header, claims, signature = key.sign(GRANT, now=NOW).split(".")
    wider = {**segments(f"{header}.{claims}")[1], "prefix": ""}
    assert "no grant" in refused(f"{header}.{encoded(wider)}.{signature}", key)


@pytest.mark.parametrize("name", ["none", "None", "HS256", "EdDSA", "RS256", ""])
def test_another_algorithm_is_refused(key: SigningKey, name: str) -> None:
    header, claims, signature = key.sign(GRANT, now=NOW).split(".")
    given = {**segments(f"{header}.{claims}")[0], "alg": name}
    for signed in ("", signature):
        assert "no grant" in refused(f"{encoded(given)}.{claims}.{signed}", key)


def test_the_public_key_is_no_shared_secret(key: SigningKey) -> None:
    claims = segments(key.sign(GRANT, now=NOW))[1]
    secret = OctKey.import_key(base64.urlsafe_b64decode(key.public.jwk["x"] + "=="))
    header = {"alg": "HS256", "typ": "tandem-grant+jwt", "kid": key.public.id}
    assert "no grant" in refused(jwt.encode(header, claims, secret), key)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": None},
        {"exp": NOW + 3600},
        {"exp": None},
        {"actions": ["read", "administer"]},
        {"actions": "read"},
        {"prefix": None},
        {"sub": 7},
        {"exact": "no"},
    ],
)
def test_claims_of_another_shape_are_refused(key: SigningKey, changes: dict[str, Any]) -> None:
    header, claims = segments(key.sign(GRANT, now=NOW))
    changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    token = jwt.encode(header, changed, key._key, algorithms=["Ed25519"])
    assert "no grant" in refused(token, key)


@pytest.mark.parametrize("name", ["JWT", "at+jwt", None])
def test_a_token_of_another_type_is_refused(key: SigningKey, name: str | None) -> None:
    header, claims = segments(key.sign(GRANT, now=NOW))
    changed = {**header, "typ": name} if name else {"alg": "Ed25519", "kid": header["kid"]}
    token = jwt.encode(changed, claims, key._key, algorithms=["Ed25519"])
    assert "no grant" in refused(token, key)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", "a.b.c", "é.é.é", "." * 9000, "a" * 9000, "{}.{}."]
)
def test_what_is_no_token_is_refused(key: SigningKey, token: str) -> None:
    assert "no grant" in refused(token, key)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": 7},
        {"kty": "oct", "k": "AA"},
    ],
)
def test_other_keys_are_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Ed25519"):
        PublicKey(jwk)


def test_a_public_key_shows_nothing_private(key: SigningKey) -> None:
    assert set(key.public.jwk) == {"kty", "crv", "x", "kid", "use", "alg"}
    private = OKPKey.generate_key("Ed25519").as_dict(private=True)
    assert set(PublicKey(private).jwk) == {"kty", "crv", "x", "kid", "use", "alg"}


def test_now_is_the_clock_of_the_machine(key: SigningKey) -> None:
    keys = {key.public.id: key.public}
    assert grants.verify(key.sign(GRANT), keys.get) == GRANT
    with pytest.raises(Unauthenticated):
        grants.verify(key.sign(GRANT, now=time.time() - 120), keys.get)
