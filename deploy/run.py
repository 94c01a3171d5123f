"""`make run`: both services on this machine, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from tandem_shared.settings import without_credentials

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
STOP_SECONDS = 45.0

_LISTENS = " listens on http://"
_TAKEN = "error: Cannot listen on "


class Service:
    """A service as a child of this process, in a session of its own.

    Ctrl-C reaches this process alone, which then stops both in order.
    """

    def __init__(self, url: str, *command: str) -> None:
        self._url = url
        self.process = subprocess.Popen(
            [BIN / command[0], *command[1:]], start_new_session=True, stderr=subprocess.PIPE
        )
        self.is_taken = False
        """Whether the service said that others listen on its port."""
        self._listens = False
        self._errors = threading.Thread(target=self._pass_on, daemon=True)
        self._errors.start()

    def is_ready(self) -> bool:
        """Whether this very service answers: on its port may be another, whose answer is none."""
        return self._listens and self.process.poll() is None and _is_ready(self._url)

    def join(self) -> None:
        """Wait for the end, at most some time, and for all that the service said."""
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.join(1)  # a worker that is left over might hold the pipe

    def _pass_on(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode(errors="replace")
            self.is_taken |= text.startswith(_TAKEN)
            if _LISTENS in text:  # the banner says it, once it answers too
                self._listens = True
            else:
                sys.stderr.write(text)
                sys.stderr.flush()


def main() -> int:
    """Start both, say where they listen, and stop both when told to or when one ends."""
    metadata_port = os.environ.get("METADATA_PORT", "5000")
    artifacts_port = os.environ.get("ARTIFACTS_PORT", "5500")
    database = os.environ.get("BACKEND_STORE_URI", "sqlite:///mlflow.db")
    destination = os.environ.get("ARTIFACTS_DESTINATION", "./mlartifacts")
    artifact_root = f"mlflow-artifacts://127.0.0.1:{artifacts_port}/"
    ui_dir = os.environ.get("UI_DIR", "")
    artifacts_url = f"http://127.0.0.1:{artifacts_port}"
    metadata_url = f"http://127.0.0.1:{metadata_port}"
    os.environ["TANDEM_LOG_LEVEL"] = os.environ.get("TANDEM_LOG_LEVEL") or "WARNING"
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    print("Starting both services …", flush=True)
    artifacts = Service(
        artifacts_url, "tandem-artifacts", "serve",
        "--port", artifacts_port, "--artifacts-destination", destination,
    )  # fmt: skip
    metadata = Service(
        metadata_url, "tandem-metadata", "serve",
        "--port", metadata_port, "--backend-store-uri", database,
        "--default-artifact-root", artifact_root, "--ui-dir", ui_dir,
    )  # fmt: skip
    services = [artifacts, metadata]
    started = time.monotonic()
    announced = False
    while not stopping and all(service.process.poll() is None for service in services):
        if not announced and all(service.is_ready() for service in services):
            announced = True
            print(
                f"\n  metadata   {metadata_url}   ({without_credentials(database)})\n"
                f"  web UI     {f'{metadata_url}/' if ui_dir else 'none: UI_DIR is empty'}\n"
                f"  artifacts  {artifacts_url}   ({without_credentials(destination)})\n\n"
                f"  export MLFLOW_TRACKING_URI={metadata_url}\n"
                "  Ctrl-C stops both.\n",
                flush=True,
            )
        if not announced and time.monotonic() - started > START_SECONDS:
            print("The services did not become ready in time.", file=sys.stderr)
            break
        time.sleep(0.2)
    status = _stop(services, asked=stopping)
    if any(service.is_taken for service in services):
        print(
            "Is another Tandem running? METADATA_PORT=5001 ARTIFACTS_PORT=5501 make run takes "
            "other ports.",
            file=sys.stderr,
        )
    return status


def _stop(services: list[Service], *, asked: bool) -> int:
    for service in reversed(services):  # metadata first: it calls the artifacts service
        service.process.terminate()
    for service in services:
        service.join()
    status = max(abs(service.process.returncode) for service in services)
    return status if asked else status or 1


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
