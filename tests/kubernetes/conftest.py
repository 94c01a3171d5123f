"""What the tests of manifests share."""

from functools import partial
from pathlib import Path

import pytest

from tests.kubernetes import overlays
from tests.kubernetes.overlays import Overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    """Renders one overlay of a user's, of these components and settings."""
    return partial(overlays.render_users, tmp_path)
