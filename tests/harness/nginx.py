"""A real nginx, with servers that a test describes."""

import os
from pathlib import Path

from tests import debian

_CONFIGURATION = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx-error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
{servers}
}}
"""


def command(home: Path, servers: str) -> list[str]:
    """The command that serves blocks `server {…}`; all its files are below `home`."""
    configuration = home / "nginx.conf"
    # Started by root it would give its workers to a user who may not come in here.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(_CONFIGURATION.format(home=home, user=user, servers=servers))
    program = debian.find("nginx", "nginx-light")
    return [program, "-e", str(home / "nginx-error.log"), "-c", str(configuration)]
