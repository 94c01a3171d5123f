"""The contract of a wheel: what all the readers find in it."""

from tests.contract import database, graphql_types, operation, pages, server_routes
from tests.contract.entries import KINDS, Contract
from tests.contract.wheel import Wheel


def read(wheel: Wheel) -> Contract:
    """The contract of the wheel's release.

    Raises ValueError when the wheel lacks what the readers look for: they have to be mended then.
    """
    contract = Contract(
        wheel.version,
        {
            **server_routes.read(wheel),
            "info": operation.info(wheel),
            "graphql": graphql_types.types(wheel),
            "variable": operation.variables(wheel),
            "command": operation.commands(wheel),
            "revision": database.revisions(wheel),
            "table": database.tables(wheel),
            "page": pages.requests(wheel),
        },
    )
    for kind in KINDS:
        if kind != "unread" and not contract.of(kind):
            raise ValueError(
                f"no {kind} was found in the wheel: mend what reads it in tests/contract/"
            )
    database.head(contract.of("revision"))
    return contract
