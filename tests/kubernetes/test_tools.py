"""helm and kubectl are the versions that the docs name, and render without a cluster."""

import stat
import threading
from pathlib import Path

import pytest

from tests.kubernetes import tools

CHART = """\
apiVersion: v2
name: small
version: 0.1.0
"""
TEMPLATE = """\
{{- if .Values.refuse }}{{ fail "refuse must not be set" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data: {{ .Values.data | toJson }}
---
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART)
    (tmp_path / "templates" / "map.yaml").write_text(TEMPLATE)
    (tmp_path / "values.yaml").write_text("data: {of: values}\nrefuse: false\n")
    return tmp_path


def test_versions() -> None:
    assert 'Version:"v4.3.' in tools.helm("version")
    assert "Client Version: v1.37." in tools.kubectl("version", "--client")


def test_a_chart_is_rendered_with_the_last_values_winning(chart: Path) -> None:
    first, second = chart / "first.yaml", chart / "second.yaml"
    first.write_text("data: {of: first, kept: first}\n")
    second.write_text("data: {of: second}\n")
    (rendered,) = tools.render_chart(first, second, chart=chart)
    assert rendered["metadata"] == {"name": "tandem", "namespace": "tandem"}
    assert rendered["data"] == {"of": "second", "kept": "first"}
    (rendered,) = tools.render_chart(first, sets=["data.of=set"], chart=chart, release="other")
    assert (rendered["metadata"]["name"], rendered["data"]["of"]) == ("other", "set")


def test_a_refusal_carries_the_charts_sentence(chart: Path) -> None:
    with pytest.raises(tools.ToolError, match="refuse must not be set"):
        tools.render_chart(sets=["refuse=true"], chart=chart)


def test_a_kustomization_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: a-\nconfigMapGenerator: [{name: b, literals: [c=d],"
        " options: {disableNameSuffixHash: true}}]\n"
    )
    (rendered,) = tools.render_kustomize(tmp_path)
    assert (rendered["metadata"]["name"], rendered["data"]) == ("a-b", {"c": "d"})


def test_the_users_clusters_and_plugins_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/cluster")
    monkeypatch.setenv("HELM_NAMESPACE", "theirs")
    assert 'HELM_NAMESPACE="default"' in tools.helm("env")
    assert "/no/such/cluster" not in tools.helm("env") + tools.kubectl("config", "view")


def test_processes_that_unpack_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def unpack(scratch: Path) -> None:
        (scratch / "programs").mkdir()
        (scratch / "programs" / "helm").write_text(scratch.name)
        both.wait(10)

    monkeypatch.setattr(tools, "_CACHE", tmp_path)
    monkeypatch.setattr(tools, "_unpack", unpack)
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(tools.program.__wrapped__("helm")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 2
    assert paths[0].is_file()
    assert [each.name for each in tmp_path.iterdir()] == [paths[0].parent.name]


def test_the_programs_may_be_run() -> None:
    assert tools.program("kubectl").stat().st_mode & stat.S_IXUSR
