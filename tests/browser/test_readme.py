"""The picture of the README: the charts of an experiment, as people see them.

`make picture` runs this and copies what it keeps to docs/images.
"""

import math
import random
import time
from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from playwright.sync_api import Browser, expect

from tests.browser.content import Site
from tests.browser.layouts import client_of
from tests.browser.tab import open_tab

RUNS = {
    "resnet-18": (0.31, 9.0, "#8a63bf"),
    "resnet-50": (0.22, 16.0, "#c82d4c"),
    "convnext-tiny": (0.15, 20.0, "#1f78b4"),
    "vit-small": (0.18, 34.0, "#4a5568"),
    "vit-small-augmented": (0.12, 42.0, "#0aa078"),
    "efficientnet-b0": (0.20, 12.0, "#e39b32"),
}
"""The least loss that each reaches, how many steps it takes its time for, and its colour."""
STEPS = 160
_COLOUR = "mlflow.runColor"
LEAF = "Which of 38 diseases does this leaf have?"


def _curves(name: str, least: float, pace: float) -> Iterator[Metric]:
    """Training as it goes: noisy, and worse on what was not seen."""
    noise = random.Random(name)
    now = int(time.time() * 1000)
    for step in range(STEPS):
        loss = least * 0.7 + (2.4 - least) * math.exp(-step / pace)
        seen = loss * (1 + noise.gauss(0, 0.05))
        unseen = (loss + least * (0.4 + step / STEPS / 3)) * (1 + noise.gauss(0, 0.02))
        values = {
            "train/loss": seen,
            "train/accuracy": math.exp(-seen / 2.2),
            "train/learning_rate": 0.001 * (1 + math.cos(math.pi * step / STEPS * pace / 42)) / 2,
            "validation/loss": unseen,
            "validation/accuracy": math.exp(-unseen / 2.2),
            "validation/f1": math.exp(-unseen / 2) - noise.uniform(0, 0.01),
        }
        for key, value in values.items():
            yield Metric(key, value, now + step * 1000, step)


def _fill(client: MlflowClient) -> str:
    experiment_id = client.create_experiment("leaf-diseases")
    client.set_experiment_tag(experiment_id, "mlflow.note.content", LEAF)
    for name, (least, pace, colour) in RUNS.items():
        run_id = client.create_run(experiment_id, run_name=name).info.run_id
        metrics = list(_curves(name, least, pace))
        for start in range(0, len(metrics), 900):
            client.log_batch(run_id, metrics[start : start + 900])
        params = [Param("backbone", name.partition("-")[0]), Param("steps", str(STEPS))]
        client.log_batch(run_id, params=params, tags=[RunTag(_COLOUR, colour)])
        client.set_terminated(run_id)
    return str(experiment_id)


def test_the_picture_of_the_readme(browser: Browser, two_hosts: Site) -> None:
    layout = two_hosts.layout
    with client_of(layout):
        experiment_id = _fill(MlflowClient(layout.url))
    with open_tab(browser, layout, "readme-test") as tab:
        page = tab.open(f"/experiments/{experiment_id}/runs?compareRunsMode=CHART")
        cards = page.get_by_test_id("experiment-view-compare-runs-card")
        for name in ("accuracy", "loss", "learning_rate"):
            card = cards.filter(has=page.get_by_role("heading", name=name)).first
            expect(card.locator(".scatterlayer .trace")).to_have_count(2 * len(RUNS))
        tab.rest()
        tab.shot("readme")
