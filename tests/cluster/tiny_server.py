"""A server for the tests of the stand-in itself: `python tiny_server.py --host H --port P`.

/ready answers 503 for half a second, and for ever after GET /stop-ready. SIGTERM is written to the
log; the exit status is EXIT_STATUS after EXIT_SECONDS.
"""

import argparse
import http.server
import os
import signal
import sys
import threading
import time
from typing import Any

_ready, _unready = threading.Event(), threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/stop-ready":
            _unready.set()
        well = self.path != "/ready" or (_ready.is_set() and not _unready.is_set())
        body = os.environ["HOSTNAME"].encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def stop(*_: Any) -> None:
    print("SIGTERM", time.time(), flush=True)
    time.sleep(float(os.environ.get("EXIT_SECONDS", "0")))
    os._exit(int(os.environ.get("EXIT_STATUS", "0")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    threading.Timer(0.5, _ready.set).start()
    print("variables", dict(os.environ), file=sys.stderr, flush=True)
    http.server.ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()
