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
FORWARD = {**NAMED, "TANDEM_TLS": "off", "TANDEM_EDGE_AUTH": "forward"}
TWO_HOSTS = {"TANDEM_LAYOUT": "two-hosts", "TANDEM_HOST": "mlflow.example.com:8080"}
MD5 = "$apr1$oD3Zl8VA$UiS5ENvcv3JKnDkPCI2Dn1"
BCRYPT = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
SHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder as deploy/compose/private, with users and a certificate."""
    folder = tmp_path / "private"
    folder.mkdir()
    for name in ("users", "tls.crt", "tls.key"):
        (folder / name).write_text(f"ada:{MD5}\n" if name == "users" else "something")
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
        {**FORWARD, "TANDEM_TLS": "files", "TANDEM_EDGE_AUTH_URL": "http://a"},
        {**FORWARD, "TANDEM_EDGE_AUTH_URL": "https://a.example:4180/auth?x=1"},
        {**TWO_HOSTS, "TANDEM_ARTIFACTS_HOST": "files.example.com:8080"},
        {"TANDEM_HOST": "10.0.0.7:8080"},
        {"TANDEM_HOST": "[::1]:8080"},
    ],
    ids=[
        "as it comes",
        "loopback of IPv6",
        "files",
        "off",
        "forward",
        "forward to a path",
        "two hosts",
        "IPv4 host",
        "IPv6 host",
    ],
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
        (FORWARD, "needs TANDEM_EDGE_AUTH_URL"),
        ({**FORWARD, "TANDEM_EDGE_AUTH_URL": "x"}, "the address to ask, as http://"),
        ({**FORWARD, "TANDEM_EDGE_AUTH_URL": "http://"}, "not 'http://'"),
        ({"TANDEM_BIND": "127.0.0.1"}, "TANDEM_BIND=127.0.0.1 has no port"),
        ({"TANDEM_BIND_TLS": "[::1]"}, "TANDEM_BIND_TLS=[::1] has no port"),
        ({"TANDEM_HOST": "https://mlflow.example.com"}, "TANDEM_HOST must be a host name"),
        ({"TANDEM_HOST": "mlflow.example.com/"}, "no scheme or path, not 'mlflow.example.com/'"),
        ({"TANDEM_ARTIFACTS_HOST": "http://a"}, "TANDEM_ARTIFACTS_HOST must be a host name"),
        ({**ACME, **BASIC, "TANDEM_HOST": "localhost"}, "no authority knows 'localhost'"),
        ({**ACME, **BASIC, "TANDEM_HOST": "10.0.0.7"}, "no authority knows '10.0.0.7'"),
        ({**ACME, **BASIC, "TANDEM_HOST": "[fd00::7]:443"}, "no authority knows '[fd00::7]:443'"),
        ({**ACME, **BASIC, "TANDEM_ARTIFACTS_HOST": "10.0.0.7"}, "needs TANDEM_ARTIFACTS_HOST"),
        (TWO_HOSTS, "both are 'mlflow.example.com': set TANDEM_ARTIFACTS_HOST"),
        ({**TWO_HOSTS, "TANDEM_ARTIFACTS_HOST": "MLflow.example.com:80"}, "needs two names"),
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


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("# nobody yet\n\n", "users names no user: add a line NAME:HASH"),
        ("ada:\n", "line 1 of deploy/compose/private/users is not NAME:HASH"),
        ("ada:plain\n", "a hash that Traefik knows ($apr1$, $2y$, {SHA})"),
        (f"# team\nada:{MD5}\nbob:\n", "line 3 of"),
        (f"ada:{MD5[:-1]}\n", "line 1 of"),
        (f"ada:{MD5}:admin\n", "line 1 of"),
        (f":{MD5}\n", "line 1 of"),
        (f"ada {MD5}", "line 1 of"),
        ("ada:$6$salt$Zm9v\n", "line 1 of"),
        (f"# team\n\nada:{MD5}\r\n bob:{BCRYPT} \neve:{SHA}", None),
    ],
    ids=[
        "only a comment",
        "no hash",
        "plain password",
        "one of two",
        "cut off",
        "a third field",
        "no name",
        "no colon",
        "unknown hash",
        "all hashes",
    ],
)
def test_users_whom_traefik_would_not_let_in_are_refused(
    private: Path, lines: str, sentence: str | None
) -> None:
    (private / "users").write_text(lines)
    done = prepare(private, **NAMED, **BASIC, TANDEM_TLS="off")
    if sentence is None:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not any(secret in done.stderr for secret in ("UiS5", "plain"))


@pytest.mark.parametrize("name", ["users", "tls.crt", "tls.key"])
def test_files_that_traefik_cannot_read_are_refused(private: Path, name: str) -> None:
    variables = {**NAMED, **BASIC, "TANDEM_TLS": "files"}
    (private / name).chmod(0o600)
    assert f"{name} is closed to Traefik: chown 65534" in prepare(private, **variables).stderr
    (private / name).write_text("")
    assert f"{name} is missing or empty" in prepare(private, **variables).stderr
    (private / name).unlink()
    assert prepare(private, **variables).returncode == 1
