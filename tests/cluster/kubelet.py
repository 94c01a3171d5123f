"""Pods as real processes: started, probed and stopped as their manifests say and a kubelet does.

A pod has a loopback address of its own, so that every pod keeps its container's port. What a node
and its network give a container is put in the place of what is named in its manifest, and nothing
else is changed: the pod's address for `0.0.0.0`, and for `127.0.0.1` in a pod with sidecars; a
Service's address for its name in arguments, variables and mounted files, where it is the host of
an HTTP URL or stands in a list of hosts (so that a list of allowed hosts still has to name it); a
directory for each volume; this machine's paths for what lies in the image.
"""

import http.client
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.containers import Sidecar, kill_session
from tests.cluster.objects import Object, Unsupported
from tests.cluster.pod_templates import Container, Probe, Template, environment, expand

_SUCCESS = range(200, 400)
_LOOPBACK = re.compile(r"(?<![\w.])127\.0\.0\.1(?![\w.])")


@dataclass(frozen=True)
class Node:
    """What a pod finds where it is started."""

    directory: Path
    """Where pods get their volumes, their working directories and their logs."""
    namespace: str
    secrets: Mapping[str, Mapping[str, str]]
    configs: Mapping[str, Mapping[str, str]]
    identities: Mapping[str, Mapping[str, str]]
    """Variables that pods of a ServiceAccount get from outside, as a cloud's webhook adds them."""
    names: Mapping[str, str]
    """Names of Services, and of hosts outside, to their addresses."""
    links: Mapping[str, str]
    """The variables by which Kubernetes tells every container about every Service."""
    image_paths: Mapping[str, Path]
    """What lies in the image, and where it is here."""
    image_environ: Mapping[str, str]
    """The variables that the image sets."""


@dataclass
class Answers:
    """What a probe's requests brought."""

    passed: int = 0
    failed: int = 0
    last: str = ""
    """The last answer's status and text, or why there was none."""


@dataclass
class Pod:
    """One pod; what goes wrong with it, as a kubelet would see it, is in `faults`."""

    name: str
    address: str
    template: Template
    node: Node
    changed: Callable[[], None]
    """Called when the pod becomes ready, stops being ready, or is deleted."""
    once: bool = False
    """Whether it has to end on its own, as a Job's."""
    answers: dict[str, Answers] = field(default_factory=dict)
    """By kind of probe."""
    faults: list[str] = field(default_factory=list)
    status: int | None = None
    """The exit status, once the container has ended."""
    deleted: bool = False

    def __post_init__(self) -> None:
        self.answers = {kind: Answers() for kind in self.container.probes}
        self.directory = self.node.directory / self.name
        self.log = self.directory / "log"
        self._root = self.directory / "root"
        self.ended = threading.Event()
        self._passes_readiness = "readiness" not in self.container.probes
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._sidecars: list[Sidecar] = []

    @property
    def container(self) -> Container:
        """The pod's container beside its sidecars."""
        return self.template.container

    @property
    def pid(self) -> int:
        """The container's first process, once it is started."""
        assert self._process is not None
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether the pod belongs to its Services' endpoints."""
        alive = self._started.is_set() and not self.ended.is_set()
        return alive and self._passes_readiness and not self.deleted

    @property
    def started(self) -> bool:
        """Whether the startup probe has passed."""
        return self._started.is_set()

    def start(self) -> None:
        """Start the sidecars, then the container and its probes."""
        self._root.mkdir(parents=True)
        for name, description in self.template.volumes.items():
            self._make_volume(self.directory / name, description)
        for each in self.template.sidecars:
            environ = self._environ(each)
            sidecar = Sidecar(each.name, self.directory, self._fault)
            sidecar.start(self._command(each, environ), environ)
            self._sidecars.append(sidecar)
        environ = self._environ(self.container)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(self.container, environ),
                cwd=self._root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._thread(self._watch)
        self._thread(self._probe_all)

    def delete(self) -> None:
        """Begin to delete the pod: it is no endpoint any more, then its hooks and signals run.

        Returns at once; `ended` is set at the end.
        """
        self.deleted = True
        self.changed()
        self._thread(self._terminate)

    def renew(self, secret: str) -> None:
        """Put a Secret's contents, which have changed, into the volumes that are made of it."""
        for name, description in self.template.volumes.items():
            if description.get("secret", {}).get("secretName") == secret:
                _write_files(self.directory / name, self._contents(description))

    def kill(self) -> None:
        """End all processes of the container at once."""
        if self._process is not None:
            kill_session(self._process.pid)
            self.ended.wait(10)
        for each in self._sidecars:
            each.kill()

    def tail(self, size: int = 3000) -> str:
        """The end of the container's log."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def _thread(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name=f"{self.name} {target.__name__}", daemon=True).start()

    # Start.

    def sidecar_log(self, name: str) -> str:
        """What a sidecar wrote."""
        (found,) = [each for each in self._sidecars if each.name == name]
        return found.log.read_text(errors="replace")

    def _make_volume(self, place: Path, description: Object) -> None:
        place.mkdir()
        if "emptyDir" not in description:
            _write_files(place, self._contents(description))

    def _contents(self, description: Object) -> dict[str, str]:
        """The files of a volume that a Secret or a ConfigMap makes, with this machine's paths."""
        match description:
            case {"secret": {"secretName": name, **more}}:
                files = self.node.secrets[name]
            case {"configMap": {"name": name, **more}}:
                files = self.node.configs[name]
            case _:
                raise Unsupported(f"volume {description['name']}")
        if more:
            raise Unsupported(f"volume {description['name']} with {', '.join(more)}")
        mounts = {
            path: name
            for container in (self.container, *self.template.sidecars)
            for path, name in container.mounts.items()
        }
        contents = {}
        for file, text in files.items():
            text = self._localised(text, {})
            for path, name in mounts.items():
                text = text.replace(f"{path}/", f"{self.directory / name}/")
            contents[file] = text
        return contents

    def _environ(self, container: Container) -> dict[str, str]:
        fields = {
            "status.podIP": self.address,
            "status.podIPs": self.address,
            "metadata.name": self.name,
            "metadata.namespace": self.node.namespace,
        }
        own = environment(container, self.node.secrets, self.node.configs, fields)
        links = self.node.links if self.template.service_links else {}
        identity = self.node.identities.get(self.template.service_account, {})
        said = {name: self._localised(value, container.mounts) for name, value in own.items()}
        # All others are this machine's already; its paths may look like a mount's, as below /tmp.
        here = {**self.node.image_environ, **links, **identity}
        return {**here, **said, "HOSTNAME": self.name}

    def _command(self, container: Container, environ: Mapping[str, str]) -> Sequence[str]:
        if not container.command:
            raise Unsupported("a container without a command: the image's own is not here")
        mounts = container.mounts
        # A command may be called as a Service is.
        command = [self._moved(expand(part, environ), mounts) for part in container.command]
        args = (expand(part, environ) for part in container.args)
        return command + [self._localised(part, mounts) for part in args]

    def _moved(self, text: str, mounts: Mapping[str, str]) -> str:
        """A text from the manifest with this machine's paths."""
        for path, volume in mounts.items():
            text = _moved(text, path, self.directory / volume)
        for path, here in self.node.image_paths.items():
            text = _moved(text, path, here)
        return text

    def _localised(self, text: str, mounts: Mapping[str, str]) -> str:
        """A text from the manifest with this machine's paths and addresses."""
        if text == "0.0.0.0":
            return self.address
        if self.template.sidecars:
            text = _LOOPBACK.sub(self.address, text)
        text = self._moved(text, mounts)
        for name in sorted(self.node.names, key=len, reverse=True):
            # In s3://name it is a bucket's.
            host = rf"(^|[,=]|https?://){re.escape(name)}(?=$|[,:/\s])"
            text = re.sub(host, rf"\g<1>{self.node.names[name]}", text)
        return text

    # Life.

    def _watch(self) -> None:
        """Note how the container ends, before anybody hears of it; on its own it must not."""
        assert self._process is not None
        self.status = self._process.wait()
        if self.deleted and self.status != 0:
            self._fault(f"the exit status is {self.status}")
        if not self.deleted and not (self.once and self.status == 0):
            self._fault(f"the container ended with {self.status}")
        if written := [each.name for each in self._root.iterdir()]:
            self._fault(f"wrote to its root file system: {', '.join(written)}")
        for each in reversed(self._sidecars):
            each.stop(self.template.grace_seconds)
        self.ended.set()
        self.changed()

    def _probe_all(self) -> None:
        probes = self.container.probes
        if "startup" in probes and not self._passes("startup", probes["startup"]):
            return
        self._started.set()
        self.changed()
        for kind in probes.keys() - {"startup"}:
            self._thread({"readiness": self._stay_ready, "liveness": self._stay_alive}[kind])

    def _passes(self, kind: str, probe: Probe) -> bool:
        """Probe until it passes or has failed for good."""
        failures = 0
        for passed in self._results(kind, probe):
            failures += not passed
            if passed:
                return True
            if failures == probe.failures:
                self._fault(f"the {kind} probe failed {failures} times: {self.answers[kind].last}")
                return False
        return False

    def _stay_ready(self) -> None:
        probe = self.container.probes["readiness"]
        row = 0
        for passed in self._results("readiness", probe):
            row = max(row, 0) + 1 if passed else min(row, 0) - 1
            before = self._passes_readiness
            if row >= probe.successes:
                self._passes_readiness = True
            if -row >= probe.failures:
                self._passes_readiness = False
            if before != self._passes_readiness:
                self.changed()

    def _stay_alive(self) -> None:
        probe = self.container.probes["liveness"]
        failures = 0
        for passed in self._results("liveness", probe):
            failures = 0 if passed else failures + 1
            if failures == probe.failures:
                last = self.answers["liveness"].last
                self._fault(f"the liveness probe failed {failures} times: {last}")

    def _results(self, kind: str, probe: Probe):  # type: ignore[no-untyped-def]
        """Probe once a period, as long as the container is there and wanted.

        Only readiness is asked of a pod that is being deleted.
        """
        self.ended.wait(probe.initial_delay)
        while not self.ended.is_set():
            if self.deleted and kind != "readiness":
                return
            begun = time.monotonic()
            passed, text = _ask(self.address, probe)
            if self.ended.is_set():
                return
            answers = self.answers[kind]
            answers.last = text
            answers.passed += passed
            answers.failed += not passed
            yield passed
            self.ended.wait(max(0.0, begun + probe.period - time.monotonic()))

    def _fault(self, sentence: str) -> None:
        self.faults.append(f"{self.name}: {sentence}")

    # End.

    def _terminate(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.template.grace_seconds
        self._run_pre_stop(deadline)
        self._process.send_signal(signal.SIGTERM)
        if not self.ended.wait(max(0.0, deadline - time.monotonic())):
            self._fault(f"killed after {self.template.grace_seconds} s")
            self.kill()

    def _run_pre_stop(self, deadline: float) -> None:
        hook = self.container.pre_stop
        left = deadline - time.monotonic()
        if "sleep" in hook:
            self.ended.wait(min(hook["sleep"]["seconds"], left))
        if "exec" in hook:
            done = subprocess.run(
                hook["exec"]["command"],
                env=self._environ(self.container),
                timeout=left,
                check=False,
            )
            if done.returncode:
                self._fault(f"the preStop hook ended with {done.returncode}")


def _write_files(place: Path, data: Mapping[str, str]) -> None:
    """Files that lead to a dated folder by one symlink, which a renewal swaps, as a kubelet does.

    So all files change at once, and none of them itself.
    """
    current = place / "..data"
    before = current.resolve() if current.exists() else None
    dated = place / f"..{time.time_ns()}"
    dated.mkdir()
    for name, text in data.items():
        (dated / name).write_text(text)
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    (place / "..data_tmp").symlink_to(dated.name)
    (place / "..data_tmp").replace(current)
    if before:
        shutil.rmtree(before)


def _moved(text: str, path: str, here: Path) -> str:
    """A text that is a path, or a flag with one, with what is below `path` moved."""
    flag, equals, value = text.rpartition("=")
    if value == path or value.startswith(path.rstrip("/") + "/"):
        return f"{flag}{equals}{here}{value[len(path.rstrip('/')) :]}"
    return text


def _ask(address: str, probe: Probe) -> tuple[bool, str]:
    connection: http.client.HTTPConnection
    if probe.scheme == "HTTPS":
        connection = http.client.HTTPSConnection(
            # A kubelet does not check certificates, and has none.
            *(address, probe.port),
            timeout=probe.timeout,
            context=ssl._create_unverified_context(),
        )
    else:
        connection = http.client.HTTPConnection(address, probe.port, timeout=probe.timeout)
    try:
        headers = {"User-Agent": "kube-probe/1.37", "Connection": "close", **dict(probe.headers)}
        connection.request("GET", probe.path, headers=headers)
        answer = connection.getresponse()
        text = answer.read(10_000).decode(errors="replace")
        return answer.status in _SUCCESS, f"{answer.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return False, repr(error)
    finally:
        connection.close()
