"""All pods replaced by their own strategy and lifecycle, while clients work: none of them fails."""

import hashlib
import json
import re
import subprocess
import time
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
import requests

from tests.cluster.installation import ARTIFACTS, METADATA, Installation, answer_of
from tests.cluster.kubelet import Pod
from tests.cluster.transfer import MIB
from tests.harness.processes import eventually
from tests.seaweedfs import S3Server

LARGE = (512, 7)
"""MiB of a large transfer, and MiB a second at the most: it lasts for more than a minute."""
SLOW = (60, 1)
"""The same of one that only has to be there."""
SECONDS = 400
_IN_FLIGHT = re.compile(r"^tandem_artifact_transfers_in_flight\{.*\} (\S+)$", re.MULTILINE)


@pytest.mark.parametrize("installation", ["two-hosts"], indirect=True)
def test_a_roll_fails_no_request(
    installation: Installation, bucket: S3Server, tmp_path: Path
) -> None:
    cluster = installation.cluster
    folder = f"roll-{uuid.uuid4().hex}"

    def upload(name: str, mebibytes: int, pace: int) -> "subprocess.Popen[str]":
        url = f"{installation.artifacts_url}/{folder}/{name}"
        sizes = (str(pace), str(mebibytes), name)
        return installation.start("ingress", "transfer", "upload", url, *sizes)

    def download(name: str, pace: int) -> "subprocess.Popen[str]":
        url = f"{installation.artifacts_url}/{folder}/{name}"
        return installation.start("httproute", "transfer", "download", url, str(pace))

    kept = answer_of(upload("kept", LARGE[0], pace=10_000), SECONDS)
    uploads = {name: upload(name, *LARGE) for name in ("sent-1", "sent-2")}
    downloads = [download("kept", LARGE[1]) for _ in range(2)]
    pods = cluster.pods_of(ARTIFACTS)
    # The edges take turns in a way of their own: a pod may have been left out.
    while not _all_carry(pods, len(uploads) + len(downloads)):
        name = f"sent-{len(uploads) + 1}"
        uploads[name] = upload(name, *SLOW)
    steady = installation.start("httproute", "steady", installation.url, installation.artifacts_url)
    assert steady.stdout is not None
    assert steady.stdout.readline() == "working\n", steady.communicate()

    deleted: dict[str, float] = {}
    begun = time.monotonic()
    carriers = cluster.roll(ARTIFACTS, lambda pod: deleted.update({pod.name: time.time()}))
    old = [*carriers, *cluster.roll(METADATA, lambda _: None)]
    seconds = time.monotonic() - begun
    client = installation.start_stock_client("ingress", folder, tmp_path)
    for each in downloads:
        assert answer_of(each, SECONDS)["sha256"] == kept["sha256"]
    sent = {name: answer_of(each, SECONDS) for name, each in uploads.items()}
    assert client.result(SECONDS)["same"]
    report = answer_of(steady)
    cluster.wait_ended(old, SECONDS)

    assert report["failures"] == []
    assert min(report["answered"].values()) > 50
    assert cluster.faults() == []
    for pod in carriers:
        assert _carried_on(pod, folder, after=deleted[pod.name])
    for name, each in sent.items():
        assert _stored(bucket, f"mlflow/{folder}/{name}") == each["sha256"]
    print(f"rolled in {seconds:.0f} s: {report['answered']}, {kept}, {sent}")


def _all_carry(pods: list[Pod], transfers: int) -> bool:
    """Whether each pod has a transfer, once all have begun."""
    eventually(lambda: sum(map(_in_flight, pods)) == transfers)
    return all(map(_in_flight, pods))


def _in_flight(pod: Pod) -> float:
    metrics = requests.get(f"http://{pod.address}:5500/metrics", timeout=10).text
    return sum(float(value) for value in _IN_FLIGHT.findall(metrics))


def _carried_on(pod: Pod, folder: str, after: float) -> bool:
    """Whether a transfer of a pod ended, and well, when the pod had had its SIGTERM."""
    told = after + pod.container.pre_stop["sleep"]["seconds"]
    lines = [json.loads(line) for line in pod.log.read_text().splitlines() if line.startswith("{")]
    ended = [line for line in lines if folder in line.get("path", "")]
    assert {line["status"] for line in ended} == {200}
    return any(datetime.fromisoformat(line["time"]).timestamp() > told for line in ended)


def _stored(server: S3Server, key: str) -> str:
    """The digest of what is in the bucket."""
    digest = hashlib.sha256()
    with closing(server.client()) as client:
        body = client.get_object(Bucket="tandem-artifacts", Key=key)["Body"]
        for block in body.iter_chunks(MIB):
            digest.update(block)
    return digest.hexdigest()
