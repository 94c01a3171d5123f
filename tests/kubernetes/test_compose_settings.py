"""deploy/compose/prepare: settings that would let anybody in, or nobody, end in a sentence."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kubernetes import compose
from tests.kubernetes.tools import ROOT

OPEN = {"TANDEM_BIND": "0.0.0.0:80", "TANDEM_BIND_TLS": "0.0.0.0:443"}
NAMED = {**OPEN, "TANDEM_HOST": "mlflow.example.com"}
ACME = {**NAMED, "TANDEM_TLS": "acme", "TANDEM_ACME_MAIL": "ops@example.com"}
BASIC = {"TANDEM_EDGE_AUTH": "basic"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder as deploy/compose/private, with users and a certificate."""
    folder = tmp_path / "private"
    folder.mkdir()
    for name in ("users", "tls.crt", "tls.key"):
        (folder / name).write_text("something")
        (folder / name).chmod(0o644)
    return folder


def prepare(private: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The container's command, as Compose would run it with these variables."""
    service = compose.read({**compose.SECRETS, **variables})["services"]["prepare"]
    (mounted,) = (each for each in service["volumes"] if each.endswith(":/etc/tandem/prepare:ro"))
    script = (ROOT / "deploy" / mounted.partition(":")[0]).read_text()
    certificates = private.parent / "certificates"
    certificates.mkdir(exist_ok=True)
    for inside, here in {"/etc/traefik/private": private, "/certificates": certificates}.items():
        script = script.replace(inside, str(here))
    here = private.parent / "prepare"
    here.write_text(script)
    here.chmod(0o755)
    return subprocess.run(
        [here], env={**os.environ, **service["environment"]}, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"TANDEM_BIND": "[::1]:8080"},
        {**NAMED, **BASIC, "TANDEM_TLS": "files"},
        {**NAMED, **BASIC, "TANDEM_TLS": "off"},
        {
            **NAMED,
            "TANDEM_TLS": "files",
            "TANDEM_EDGE_AUTH": "forward",
            "TANDEM_EDGE_AUTH_URL": "http://a",
        },
    ],
    ids=["as it comes", "loopback of IPv6", "files", "off", "forward"],
)
def test_settings_that_are_safe_pass(private: Path, variables: dict[str, str]) -> None:
    done = prepare(private, **variables)
    assert done.returncode == 0, done.stderr


def test_acme_passes_and_its_volume_becomes_traefik_s(private: Path) -> None:
    done = prepare(private, **ACME, **BASIC)
    if os.geteuid() != 0:
        assert "/certificates cannot be given to Traefik" in done.stderr.replace(str(private), "")
        return
    assert done.returncode == 0, done.stderr
    assert (private.parent / "certificates").stat().st_uid == 65534


def test_open_port_without_authentication_is_said_loudly_when_it_is_meant(private: Path) -> None:
    done = prepare(private, **NAMED, TANDEM_EDGE_AUTH="none")
    assert done.returncode == 0
    assert done.stderr.startswith("WARNING: whoever reaches 0.0.0.0:80 may read, change and")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (OPEN, "0.0.0.0:80 is open to other machines, and Tandem asks nobody who he is"),
        ({"TANDEM_BIND": "8080"}, "8080 is open to other machines"),
        (ACME, "0.0.0.0:443 is open to other machines"),
        ({**NAMED, **BASIC}, "passwords would cross the network in clear text"),
        ({**ACME, **BASIC, "TANDEM_HOST": "localhost:8443"}, "needs TANDEM_HOST"),
        ({**ACME, **BASIC, "TANDEM_ACME_MAIL": ""}, "needs TANDEM_ACME_MAIL"),
        (
            {**NAMED, "TANDEM_EDGE_AUTH": "forward", "TANDEM_TLS": "off"},
            "needs TANDEM_EDGE_AUTH_URL",
        ),
        ({"TANDEM_TLS": "yes"}, "TANDEM_TLS must be off, files or acme, not 'yes'"),
        (
            {"TANDEM_EDGE_AUTH": "oidc"},
            "TANDEM_EDGE_AUTH must be basic, forward or none, not 'oidc'",
        ),
        ({"TANDEM_LAYOUT": "three"}, "TANDEM_LAYOUT must be single-host or two-hosts"),
    ],
)
def test_settings_that_would_let_anybody_in_or_nobody_are_refused(
    private: Path, variables: dict[str, str], sentence: str
) -> None:
    done = prepare(private, **variables)
    assert done.returncode == 1
    assert done.stderr.startswith("refused: ")
    assert sentence in done.stderr


@pytest.mark.parametrize("name", ["users", "tls.crt", "tls.key"])
def test_files_that_traefik_cannot_read_are_refused(private: Path, name: str) -> None:
    variables = {**NAMED, **BASIC, "TANDEM_TLS": "files"}
    (private / name).chmod(0o600)
    assert f"{name} is closed to Traefik: chown 65534" in prepare(private, **variables).stderr
    (private / name).write_text("")
    assert f"{name} is missing or empty" in prepare(private, **variables).stderr
    (private / name).unlink()
    assert prepare(private, **variables).returncode == 1
