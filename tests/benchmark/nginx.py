"""nginx with WebDAV: files over HTTP as fast as they get."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import debian
from tests.benchmark.processes import Process, serve
from tests.harness.processes import free_port

_CONFIGURATION = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
worker_processes auto;
{user}
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_temp_path {home}/temp;
    server {{
        listen 127.0.0.1:{port};
        location = /health {{ return 200; }}
        location / {{
            root {home}/files;
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""


@contextmanager
def serve_files(directory: Path) -> Iterator[tuple[Process, Path]]:
    """nginx, and the directory of its files, which are at `/`."""
    home = directory / "nginx"
    (home / "files").mkdir(parents=True)
    port = free_port()
    configuration = home / "nginx.conf"
    # Started by root it would give its workers to a user who may not come in here.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(_CONFIGURATION.format(home=home, port=port, user=user))
    program = debian.find("nginx", "nginx-light")
    command = [program, "-e", str(home / "error.log"), "-c", str(configuration)]
    with serve(home, command, port) as process:
        yield process, home / "files"
