"""Takes prices of models from the catalogue in MLflow's wheel.

`make prices` runs this with the MLflow that is installed for the tests. Only what a cost is made
of is kept, one line a model, so that a new release shows as lines that differ.
"""

import argparse
import importlib.metadata
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "services" / "metadata" / "tandem_metadata" / "spans" / "prices.txt"
CATALOGUE = PurePosixPath("mlflow/utils/model_catalog")
COLUMNS = ("input", "output", "cache_read", "cache_write", "cache_write_1hr")

_HEADER = """\
# Prices of models, from the catalogue of MLflow {version} (Apache-2.0), made by `make prices`.
# US dollars for a million tokens: input, output, read from a cache, written to it, written for an
# hour. `-` is unknown, as is what is missing at the end of a line. Providers stand in brackets.
"""


def main() -> int:
    """Exit status 0 when the file is written."""
    parser = argparse.ArgumentParser(description="Write the prices that tandem-metadata knows.")
    parser.add_argument("--wheel", type=Path, help="mlflow's wheel; else what is installed")
    parser.add_argument("--to", type=Path, default=FILE, help="file to write")
    parsed = parser.parse_args()
    version, catalogue = of_wheel(parsed.wheel) if parsed.wheel else installed()
    if not catalogue:
        print(f"MLflow {version} has no catalogue in {CATALOGUE}", file=sys.stderr)
        return 1
    parsed.to.write_text(rendered(version, catalogue), "utf-8")
    return 0


def of_wheel(path: Path) -> tuple[str, dict[str, bytes]]:
    """The version, and the files of the catalogue by provider."""
    with zipfile.ZipFile(path) as wheel:
        return path.name.split("-")[1], {
            PurePosixPath(name).stem: wheel.read(name) for name in _of_catalogue(wheel.namelist())
        }


def installed() -> tuple[str, dict[str, bytes]]:
    """The same of the installed MLflow, which is not imported."""
    mlflow = importlib.metadata.distribution("mlflow")
    names = _of_catalogue(str(file) for file in mlflow.files or ())
    return mlflow.version, {
        PurePosixPath(name).stem: Path(str(mlflow.locate_file(name))).read_bytes() for name in names
    }


def rendered(version: str, catalogue: Mapping[str, bytes]) -> str:
    """The text of the file; providers in the order in which MLflow looks for a model."""
    lines = [_HEADER.format(version=version)]
    for provider, content in sorted(catalogue.items()):
        lines += [f"[{provider}]\n", *_models(json.loads(content)["models"])]
    return "".join(lines)


def _of_catalogue(names: Iterable[str]) -> list[str]:
    return [
        name
        for name in names
        if PurePosixPath(name).parent == CATALOGUE and PurePosixPath(name).suffix == ".json"
    ]


def _models(models: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in sorted(models.items()):
        if name[0] in "#[" or len(name.split()) != 1:
            raise ValueError(f"the format has no room for a model called {name!r}")
        pricing = entry.get("pricing") or {}
        prices = [_shown(pricing.get(f"{column}_per_million_tokens")) for column in COLUMNS]
        while prices and prices[-1] == "-":
            prices.pop()
        yield " ".join([name, *prices]) + "\n"


def _shown(price: float | None) -> str:
    return "-" if price is None else repr(price).removesuffix(".0")


if __name__ == "__main__":
    sys.exit(main())
