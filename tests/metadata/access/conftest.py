"""The service with authentication, over an empty database of either kind."""

import pytest

from tandem_metadata.settings import Settings
from tests.metadata.accounts_api import Accounts


@pytest.fixture
def accounts(settings: Settings) -> Accounts:
    return Accounts(settings)
