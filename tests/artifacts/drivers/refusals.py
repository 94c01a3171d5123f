"""What a driver answers with while its store refuses everything."""

from collections.abc import Awaitable

import pytest

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import ApiError
from tests.artifacts.drivers.content import fetch, stream


async def refusals(driver: Driver) -> list[ApiError]:
    """The error of every operation that the driver has."""
    operations: list[Awaitable[object]] = [
        driver.check(),
        driver.stat("object"),
        fetch(driver, "object"),
        driver.write("object", stream(b"x")),
        driver.write("object", stream(bytes(PART_BYTES + 1))),
        anext(aiter(driver.list(""))),
        driver.delete("object"),
    ]
    if driver.multipart:
        operations.append(driver.create_multipart("object", 1))
    errors = []
    for operation in operations:
        with pytest.raises(ApiError) as raised:
            await operation
        errors.append(raised.value)
    return errors
