"""`make follow VERSION=x.y.z`: a report on that release of MLflow."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.contract import entries, reading
from tests.contract.entries import Contract
from tests.contract.wheel import Wheel, fetch

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name("mlflow.txt").resolve()
WHEELS = ROOT / ".cache" / "wheels"


def main() -> int:
    """Exit status 0 when the report, or the contract to keep, could be made."""
    parser = argparse.ArgumentParser(
        prog="make follow", description="Report what a release of MLflow changes for Tandem."
    )
    parser.add_argument("version", help="the release, as 3.18.0")
    parser.add_argument("--wheel", type=Path, help="its wheel, fetched already")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="write its contract to tests/contract/mlflow.txt instead",
    )
    parsed = parser.parse_args()
    try:
        contract = reading.read(Wheel.of_file(parsed.wheel or fetch(parsed.version, WHEELS)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if contract.version != parsed.version:
        print(f"error: the wheel is of {contract.version}", file=sys.stderr)
        return 1
    if parsed.keep:
        KEPT.write_text(entries.write(contract))
        print(f"{KEPT.relative_to(ROOT)} is the contract of MLflow {contract.version} now")
        return 0
    print(_report(contract))
    return 0


def _report(contract: Contract) -> str:
    from tests.contract import report, tandem

    with tempfile.TemporaryDirectory() as name, tandem.running(Path(name)) as asked:
        return report.report(entries.read(KEPT.read_text()), contract, asked)


if __name__ == "__main__":
    sys.exit(main())
