"""What the tests of faults share.

`tests.system.services` starts the services, for each attack anew: none suffers from another's.
"""

import pytest


@pytest.fixture(params=["hypercorn", "uvicorn"])
def asgi_server(request: pytest.FixtureRequest) -> str:
    """The value of `--asgi-server`: each of them in turn."""
    name: str = request.param
    return name
