"""`make run`: both services on this machine, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
STOP_SECONDS = 45.0


def main() -> int:
    """Start both, say where they listen, and stop both when told to or when one ends."""
    metadata_port = os.environ.get("METADATA_PORT", "5000")
    artifacts_port = os.environ.get("ARTIFACTS_PORT", "5500")
    database = os.environ.get("BACKEND_STORE_URI", "sqlite:///mlflow.db")
    destination = os.environ.get("ARTIFACTS_DESTINATION", "./mlartifacts")
    artifact_root = f"mlflow-artifacts://127.0.0.1:{artifacts_port}/"
    ui_dir = os.environ.get("UI_DIR", "")
    commands = {
        f"http://127.0.0.1:{artifacts_port}": [
            "tandem-artifacts", "serve",
            "--port", artifacts_port, "--artifacts-destination", destination,
        ],
        f"http://127.0.0.1:{metadata_port}": [
            "tandem-metadata", "serve",
            "--port", metadata_port, "--backend-store-uri", database,
            "--default-artifact-root", artifact_root, "--ui-dir", ui_dir,
        ],
    }  # fmt: skip
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # Sessions of their own: Ctrl-C reaches this process alone, which then stops both in order.
    services = {
        url: subprocess.Popen([BIN / command[0], *command[1:]], start_new_session=True)
        for url, command in commands.items()
    }
    started = time.monotonic()
    announced = False
    while not stopping and all(process.poll() is None for process in services.values()):
        if not announced and all(_ready(url) for url in services):
            announced = True
            artifacts_url, metadata_url = services
            print(
                f"\n  metadata   {metadata_url}   ({database})\n"
                f"  web UI     {f'{metadata_url}/' if ui_dir else 'none: UI_DIR is empty'}\n"
                f"  artifacts  {artifacts_url}   ({destination})\n\n"
                f"  export MLFLOW_TRACKING_URI={metadata_url}\n"
                "  Ctrl-C stops both.\n",
                flush=True,
            )
        if not announced and time.monotonic() - started > START_SECONDS:
            print("The services did not become ready in time.", file=sys.stderr)
            break
        time.sleep(0.2)
    return _stop(list(services.values()), asked=stopping)


def _stop(processes: list[subprocess.Popen[bytes]], *, asked: bool) -> int:
    for process in reversed(processes):  # metadata first: it calls the artifacts service
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    status = max(abs(process.returncode) for process in processes)
    return status if asked else status or 1


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
