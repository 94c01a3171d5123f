"""Tests skip without Debian's programs, unless they are required."""

from pathlib import Path

import pytest

from tests import debian


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "tandem-made-up"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_on_the_path(program: Path) -> None:
    assert debian.find(program.name, package="made-up") == str(program)
    assert debian.find_any(["tandem-no-such", program.name], package="made-up") == str(program)


def test_a_server_is_found_where_the_path_does_not_lead(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(debian, "_SYSTEM", (str(program.parent),))
    assert debian.find(program.name, package="made-up") == str(program)


def test_without_it_tests_skip_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(debian.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no tandem-no-such .* install made-up"):
        debian.find("tandem-no-such", package="made-up")


def test_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(debian.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match=r"no tandem-no-such .* install made-up"):
        debian.find("tandem-no-such", package="made-up")
