"""A real Traefik with routes from a file."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.processes import environment, running


def write_routes(directory: Path, described: Mapping[str, Any]) -> None:
    """Put the routes where `serve` looks for them; a running server never sees half of them."""
    new = directory / "routes.new"
    new.write_text(json.dumps(described))  # JSON is YAML too
    new.replace(directory / "routes.yaml")


@contextmanager
def serve(
    directory: Path, options: Sequence[str], ready: Callable[[], bool], *, watch: bool = False
) -> Iterator[None]:
    """Traefik with the routes that were written, from when it is ready.

    `options` name its entry points; with `watch` it follows routes that are written later.
    """
    command = [
        str(Path(sys.executable).parent / "traefik"),
        *options,
        f"--providers.file.filename={directory / 'routes.yaml'}",
        f"--providers.file.watch={str(watch).lower()}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]
    with running(command, directory / "traefik.log", ready, env=environment()):
        yield
