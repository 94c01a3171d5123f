"""Settings as one typed table: a frozen dataclass whose fields are flags and environment variables.

A service declares its settings as fields made by `setting`. Flags, environment variables, `--help`
and the test that every setting is documented are derived from them. A flag wins over its variable,
which wins over the default. Settings that MLflow's server has keep MLflow's names.
"""

import argparse
import dataclasses
import math
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

S = TypeVar("S", bound="CommonSettings")

_SHAPES = {str: "TEXT", int: "INTEGER", float: "NUMBER", tuple: "LIST"}
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+")
_MOST_WORKERS = 1000
_LONGEST_SECONDS = 1_000_000
"""The longest wait that a setting may ask for; system clocks do not take much more."""

_CREDENTIALS = re.compile(r"//\S*@")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class SettingsError(ValueError):
    """A setting, or a combination of settings, that the service cannot start with."""


def setting(
    default: Any,
    help: str,
    *,
    env: str,
    short: str | None = None,
    switch: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare one setting of a settings dataclass.

    The field's type says how its text is read: `str`, `int`, `float`, `bool` or `tuple[str, ...]`
    (comma-separated), each also `| None`. A `bool` is a switch; `switch` names its opposite, by
    default `--no-` and the name. `repr` leaves a `secret` out.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={"help": help, "env": env, "short": short, "switch": switch},
    )


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """The settings of both services: serving HTTP, security, shutdown and logs."""

    host: str = setting(
        "127.0.0.1", "Address to listen on; 0.0.0.0 for all.", env="MLFLOW_HOST", short="-h"
    )
    port: int = setting(5000, "Port to listen on.", env="MLFLOW_PORT", short="-p")
    workers: int = setting(1, "Worker processes.", env="MLFLOW_WORKERS", short="-w")
    asgi_server: str = setting(
        "hypercorn",
        "hypercorn, or uvicorn, which is faster, speaks HTTP/1 only and has to be installed: it is "
        "the extra of that name.",
        env="TANDEM_ASGI_SERVER",
    )
    h2c: bool = setting(
        False,
        "Let clients speak HTTP/2 under Hypercorn, in clear text (h2c) or by TLS; for trusted "
        "networks.",
        env="TANDEM_H2C",
    )
    tls_cert: str | None = setting(
        None,
        "File in PEM format with the certificate, and those that lead to its root: the service "
        "then speaks HTTPS. Renewed files are taken up within seconds, also those below.",
        env="TANDEM_TLS_CERT",
    )
    tls_key: str | None = setting(
        None,
        "File with the certificate's key, not encrypted. Without it: --tls-cert holds it too.",
        env="TANDEM_TLS_KEY",
    )
    tls_client_ca: str | None = setting(
        None,
        "File with the authorities that certificates of clients must lead to: clients then "
        "present one. Without it: they need none.",
        env="TANDEM_TLS_CLIENT_CA",
    )
    tls_client_auth: str | None = setting(
        None,
        "required, or optional: with --tls-client-ca, whether clients without a certificate are "
        "answered. A certificate of another authority is refused in any case. Without it: "
        "required.",
        env="TANDEM_TLS_CLIENT_AUTH",
    )
    probe_port: int | None = setting(
        None,
        "A further port that answers /health, /ready, /version and /metrics alone, without TLS: "
        "probes and scrapes that have no certificate come there.",
        env="TANDEM_PROBE_PORT",
    )
    static_prefix: str = setting(
        "", "Path put before every path of the service, as /mlflow.", env="MLFLOW_STATIC_PREFIX"
    )
    allowed_hosts: tuple[str, ...] | None = setting(
        None,
        "Host headers to accept, comma-separated, with * as a wildcard. "
        "Without it: localhost and private addresses.",
        env="MLFLOW_SERVER_ALLOWED_HOSTS",
    )
    cors_allowed_origins: tuple[str, ...] | None = setting(
        None,
        "Origins of web pages that may call the service, comma-separated, with * as a wildcard. "
        "Without it: pages of localhost. The service's own web UI needs none.",
        env="MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    )
    x_frame_options: str = setting(
        "SAMEORIGIN",
        "X-Frame-Options header: SAMEORIGIN, DENY or NONE.",
        env="MLFLOW_SERVER_X_FRAME_OPTIONS",
    )
    disable_security_middleware: bool = setting(
        False,
        "Turn the checks of Host and Origin and the security headers off.",
        env="MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
    )
    insecure_no_auth: bool = setting(
        False,
        "Serve without authentication on other addresses than loopback: whoever reaches them may "
        "do everything. For networks where something else authenticates.",
        env="TANDEM_INSECURE_NO_AUTH",
    )
    shutdown_delay: float = setting(
        0.0,
        "Seconds to go on accepting requests after SIGTERM while /ready answers 503, so that load "
        "balancers look away first.",
        env="TANDEM_SHUTDOWN_DELAY",
    )
    graceful_timeout: float = setting(
        30.0,
        "Seconds that requests in flight get to finish after SIGTERM.",
        env="TANDEM_GRACEFUL_TIMEOUT",
    )
    expose_prometheus: str | None = setting(
        None,
        "Directory in which several workers share their metrics; a temporary one by default. "
        "/metrics answers in any case.",
        env="MLFLOW_EXPOSE_PROMETHEUS",
    )
    audit_log: str | None = setting(
        None,
        "File, or - for standard output, that gets one JSON line for each change, each refused "
        "request and each artifact read or written. Without it: none.",
        env="TANDEM_AUDIT_LOG",
    )
    log_level: str = setting(
        "INFO",
        "DEBUG, INFO, WARNING or ERROR; requests are logged at INFO.",
        env="TANDEM_LOG_LEVEL",
    )

    @property
    def authenticates(self) -> bool:
        """Whether requests need credentials."""
        return False

    @classmethod
    def implied(cls, _: Mapping[str, str], /) -> Mapping[str, str]:
        """Texts of settings, by name, that those given imply; what is given wins over them.

        What is given are the texts of flags and variables. Raises SettingsError.
        """
        return {}

    def check(self) -> None:
        """Raise SettingsError, naming the flag, for values that cannot work."""
        if self.insecure_no_auth and self.authenticates:
            raise SettingsError(
                "--insecure-no-auth lets anybody do everything, and --auth asks for users: give "
                "one of them."
            )
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"--port must be between 0 and 65535, not {self.port}.")
        if not 1 <= self.workers <= _MOST_WORKERS:
            raise SettingsError(
                f"--workers must be at least 1 and at most {_MOST_WORKERS}, not {self.workers}."
            )
        if self.asgi_server not in ("hypercorn", "uvicorn"):
            raise SettingsError("--asgi-server must be hypercorn or uvicorn.")
        if self.h2c and self.asgi_server == "uvicorn":
            raise SettingsError("--h2c needs --asgi-server hypercorn; Uvicorn has no HTTP/2.")
        self._check_tls()
        prefix = self.static_prefix
        if prefix and not _PREFIX.fullmatch(prefix):
            raise SettingsError(
                "--static-prefix must be names of letters, digits, '.', '_', '~' and '-', each "
                f"after a '/', as /mlflow, not {prefix!r}."
            )
        if self.x_frame_options.upper() not in ("SAMEORIGIN", "DENY", "NONE"):
            raise SettingsError("--x-frame-options must be SAMEORIGIN, DENY or NONE.")
        if self.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise SettingsError("--log-level must be DEBUG, INFO, WARNING or ERROR.")
        if self.shutdown_delay < 0 or self.graceful_timeout < 0:
            raise SettingsError("--shutdown-delay and --graceful-timeout must not be negative.")
        self._check_pages()
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and value > _LONGEST_SECONDS:
                raise SettingsError(f"{flag(item)} must be at most {_LONGEST_SECONDS:,} seconds.")

    def _check_tls(self) -> None:
        """Raise SettingsError for flags that do not go together; files are read at the start."""
        if not self.tls_cert:
            for name, given in (("key", self.tls_key), ("client-ca", self.tls_client_ca)):
                if given:
                    raise SettingsError(
                        f"--tls-{name} needs --tls-cert: without it there is no TLS."
                    )
        if self.tls_client_auth not in (None, "required", "optional"):
            raise SettingsError("--tls-client-auth must be required or optional.")
        if self.tls_client_auth and not self.tls_client_ca:
            raise SettingsError(
                "--tls-client-auth needs --tls-client-ca, the authorities of the clients: without "
                "it no client is asked for a certificate."
            )
        if self.probe_port is not None and not 0 <= self.probe_port <= 65535:
            raise SettingsError(f"--probe-port must be between 0 and 65535, not {self.probe_port}.")
        if self.probe_port and self.probe_port == self.port:
            raise SettingsError("--probe-port must be another than --port.")

    def _check_pages(self) -> None:
        """Raise SettingsError for hosts and origins that can match no request."""
        for host in self.allowed_hosts or ():
            if "/" in host:
                meant = without_credentials(host).rpartition("://")[2].partition("/")[0]
                raise SettingsError(
                    f"--allowed-hosts must hold hosts, without a scheme and a path. Did you mean "
                    f"{meant}?"
                )
        for origin in self.cors_allowed_origins or ():
            if "*" not in origin and origin != "null" and not _ORIGIN.fullmatch(origin):
                scheme, _, rest = without_credentials(origin).rpartition("://")
                raise SettingsError(
                    "--cors-allowed-origins must hold origins, with a scheme and without a path. "
                    f"Did you mean {scheme or 'https'}://{rest.partition('/')[0]}?"
                )


def flag(item: "Field[Any]") -> str:
    """The long flag of a setting: `default_artifact_root` is `--default-artifact-root`."""
    return "--" + item.name.replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser, of: type[CommonSettings]) -> None:
    """Add one flag for each setting; help names the variable and the default."""
    hints = typing.get_type_hints(of)
    for item in fields(of):
        names = [name for name in (item.metadata["short"], flag(item)) if name]
        default = _text(item.default) or "none"
        text = f"{item.metadata['help']} [env {item.metadata['env']}; default {default}]"
        text = text.replace("%", "%%")
        if _base(hints[item.name]) is bool:
            off = item.metadata["switch"] or f"--no-{item.name.replace('_', '-')}"
            parser.add_argument(
                *names, dest=item.name, action="store_const", const="true", help=text
            )
            parser.add_argument(
                off,
                dest=item.name,
                action="store_const",
                const="false",
                help=f"turn {flag(item)} off",
            )
        else:
            shape = _SHAPES[_base(hints[item.name])]
            parser.add_argument(*names, dest=item.name, metavar=shape, help=text)


def load(
    of: type[S], environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None
) -> S:
    """Read the settings from flags and environment, and check them.

    An empty variable or flag means the default; an empty flag overrides its variable. What
    `implied` says counts where there is neither. Raises SettingsError with a sentence that names
    the flag and its variable.
    """
    hints = typing.get_type_hints(of)
    given: dict[str, str] = {}
    for item in fields(of):
        text = (flags or {}).get(item.name)
        if text is None:
            text = environ.get(item.metadata["env"])
        if text is not None:
            given[item.name] = text
    texts = {**of.implied(given), **given}
    values: dict[str, Any] = {}
    for item in fields(of):
        text = texts.get(item.name)
        if text and (value := _read(item, hints[item.name], text)) != ():
            values[item.name] = value
    loaded = of(**values)
    loaded.check()
    return loaded


def refuse_flags(arguments: Sequence[str], refused: Mapping[str, str]) -> None:
    """Exit with status 2 and the flag's own sentence if one of the arguments is a refused flag."""
    for argument in arguments:
        name = argument.split("=", 1)[0]
        if sentence := refused.get(name):
            print(f"error: {name}: {sentence}", file=sys.stderr)
            sys.exit(2)


def without_credentials(text: str) -> str:
    """The text without what precedes an `@` in addresses, which may hold a password."""
    return _CREDENTIALS.sub("//…@", text)


def replace(settings: S, **changes: Any) -> S:
    """A copy with some values changed, checked again."""
    changed = dataclasses.replace(settings, **changes)
    changed.check()
    return changed


def _read(item: "Field[Any]", hint: Any, text: str) -> Any:
    base = _base(hint)
    try:
        if base is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
        if base is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        value = base(text)
        if base is float and not math.isfinite(value):
            raise ValueError
        return value
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[base]
        raise SettingsError(
            f"{flag(item)} ({item.metadata['env']}) must be {kind}, not {text!r}."
        ) from None


def _base(hint: Any) -> type:
    """`str` for `str | None`, `tuple` for `tuple[str, ...]`."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    base: type = typing.get_origin(hint) or hint
    return base


def _text(value: Any) -> str:
    """The value in the syntax of flags and variables; "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
