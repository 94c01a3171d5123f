"""The kustomizations below k8s/, and those that users write on top of them."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

from tests.kubernetes import tools
from tests.kubernetes.tools import KUSTOMIZE, Object

Overlay = Callable[..., list[Object]]
"""What the fixture `overlay` gives: `render_users` in a folder of the test's own."""


@cache
def rendered(folder: str) -> list[Object]:
    """The objects of a kustomization below k8s/. All tests get the same ones: copy to change."""
    return tools.render_kustomize(KUSTOMIZE / folder)


def render_users(
    folder: Path, *components: str, on: str = "production", **settings: str
) -> list[Object]:
    """Render an overlay as users write theirs: settings and components on one of ours."""
    patch = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "tandem-settings"},
        "data": settings,
    }
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [{"patch": yaml.safe_dump(patch)}],
    }
    (folder / "hosts").mkdir()
    (folder / "hosts" / "kustomization.yaml").write_text(yaml.safe_dump(component))
    there = os.path.relpath(KUSTOMIZE, folder)
    kustomization = {
        "namespace": "tandem",
        "resources": [f"{there}/overlays/{on}"],
        "components": ["hosts", *(f"{there}/components/{each}" for each in components)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return tools.render_kustomize(folder)
