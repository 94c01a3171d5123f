"""Tests that share services run in one process, or each process would start them all."""

import os

import pytest


def test_the_file_of_a_test_is_its_group(request: pytest.FixtureRequest) -> None:
    group = request.node.get_closest_marker("xdist_group")
    assert group.args == ("test_grouping.py",)
    if "PYTEST_XDIST_WORKER" in os.environ and request.config.getoption("dist") == "loadgroup":
        assert request.node.nodeid.endswith("@test_grouping.py")
