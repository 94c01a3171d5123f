"""Costs are those of MLflow's catalogue, and the file of prices is that catalogue."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage as cost_of_mlflow

from tandem_metadata.spans import prices

ROOT = Path(__file__).parents[3]
MAKE = [sys.executable, str(ROOT / "deploy" / "prices.py"), "--to"]
FILE = Path(prices.__file__).with_name("prices.txt")

USAGE = {
    "input_tokens": 1_000_003,
    "output_tokens": 77,
    "total_tokens": 1_000_080,
    "cache_read_input_tokens": 500_001,
    "cache_creation_input_tokens": 200_003,
    "cache_creation_input_tokens_above_1hr": 50_001,
}


def test_prices_are_those_of_the_followed_release(tmp_path: Path) -> None:
    """When they are not: make prices."""
    subprocess.run([*MAKE, str(tmp_path / "made")], check=True)
    assert FILE.read_text() == (tmp_path / "made").read_text()


def test_prices_of_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "mlflow-9.9.9-py3-none-any.whl"
    catalogue = Path(mlflow.__file__).parent / "utils" / "model_catalog"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in catalogue.glob("*.json"):
            archive.write(file, f"mlflow/utils/model_catalog/{file.name}")
        archive.writestr("mlflow/utils/model_catalog/old/x.json", "{}")
    subprocess.run([*MAKE, str(tmp_path / "made"), "--wheel", str(wheel)], check=True)
    assert (tmp_path / "made").read_text() == FILE.read_text().replace(mlflow.__version__, "9.9.9")


def test_prices_are_not_read_at_import() -> None:
    program = "from tandem_metadata.spans import prices; print(prices._catalogue.cache_info())"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert "currsize=0" in done.stdout


def models() -> list[tuple[str, str]]:
    return [(p, model) for p, model, _ in prices._lines(FILE.read_text())]


def test_cost_of_every_model_as_mlflow() -> None:
    """By its provider, by none, and by one who does not have it."""
    for provider, model in models():
        for each, name in ((provider, model), (None, model), (provider.upper(), f"x/{model}")):
            assert prices.cost(name, each, USAGE) == cost_of_mlflow(name, USAGE, each), (name, each)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "nobody"),
        ("gpt-4o", ""),
        ("openai/gpt-4o", None),
        ("azure/eu/gpt-4o", None),
        ("databricks-claude-opus-4-6[1m]", None),
        ("databricks/databricks-meta-llama-3-1-405b-instruct", None),
        ("no-such-model", "openai"),
        ("", "openai"),
        ("/", None),
        ("gateway:/gpt-4o", None),
        ("endpoints:/gpt-4o", "openai"),
        ("gpt-4o", "__pycache__"),
        ("[openai]", None),
        ("# Prices", None),
    ],
)
def test_cost_of_names_as_mlflow(model: str, provider: str | None) -> None:
    assert prices.cost(model, provider, USAGE) == cost_of_mlflow(model, USAGE, provider)


NUMBERS = st.integers(-10, 10_000) | st.sampled_from([0, 10**15, 2.5, 10**400])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(USAGE)), NUMBERS))
def test_cost_of_usages_as_mlflow(usage: dict[str, Any]) -> None:
    assert prices.cost("claude-sonnet-4-5", "anthropic", usage) == cost_of_mlflow(
        "claude-sonnet-4-5", usage, "anthropic"
    )


@pytest.mark.parametrize(
    "tokens", ["5", True, [1], {"a": 1}, float("nan"), float("inf"), -float("inf")]
)
def test_cost_of_what_is_no_number(tokens: Any) -> None:
    for name in USAGE.keys() - {"total_tokens"}:
        assert prices.cost("gpt-4o", None, USAGE | {name: tokens}) is None


def test_cost_that_no_float_can_hold() -> None:
    for name in ("input_tokens", "output_tokens"):
        assert prices.cost("gpt-4o", None, USAGE | {name: 10**400}) is None
