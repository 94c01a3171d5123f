"""What a new version may be made of: what it copies must be readable to its creator."""

from typing import Any

import pytest

from tests.metadata.guarded import ADMIN, DENIED, Guarded


def _made(service: Guarded, source: str) -> tuple[int, Any]:
    given = {"name": "own", "source": source}
    return service.ask("ann", "POST", "model-versions/create", **given)


@pytest.fixture
def world(service: Guarded) -> Guarded:
    """Model `fraud`, whose version 1 is `champ`, and ann, who reads experiments and has `own`."""
    service.registered("fraud")
    service.version("fraud")
    alias = {"name": "fraud", "alias": "champ", "version": "1"}
    service.call(ADMIN, "POST", "registered-models/alias", **alias)
    service.user("ann", ("experiment", "*", "READ"))
    service.registered("own", "ann")
    return service


def test_version_is_made_of_a_readable_model_by_number_and_alias(world: Guarded) -> None:
    world.grant("ann", ("registered_model", "fraud", "READ"))
    for source in ("models:/fraud/1", "models:/fraud@champ"):
        assert _made(world, source)[0] == 200, source


@pytest.mark.parametrize(
    "source",
    [
        "models:/fraud/1",
        "models:/fraud@champ",
        "MODELS:/fraud/1",
        "MODELS:/fraud@champ",
        "models:/fraud@champ?x",
        "models:/fraud@champ?x/1",
        "models:///fraud@champ",
        " models:/fraud@champ",
    ],
)
def test_version_of_a_denied_model_is_refused_by_the_model_s_name(
    world: Guarded, source: str
) -> None:
    world.registered("fraud@champ?x", "ann")
    world.grant("ann", ("registered_model", "fraud", "DENY"))
    status, body = _made(world, source)
    assert (status, body["error_code"]) == DENIED
    assert "READ on registered model 'fraud', which user 'ann' lacks" in body["message"]
