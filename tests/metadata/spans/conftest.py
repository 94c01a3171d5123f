from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _prices_of_the_wheel() -> Iterator[None]:
    """MLflow looks prices up in the internet, before it looks into its wheel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_MODEL_CATALOG_URI", "")
        yield
