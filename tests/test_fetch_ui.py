import gzip
import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import brotli
import pytest

from tandem_shared import MLFLOW_VERSION

SCRIPT = Path(__file__).resolve().parent.parent / "deploy" / "fetch_ui.py"
MAIN = b"export const greeting = 'hello, hello, hello';\n" * 500
BUILD = {
    "index.html": b'<script src="static-files/static/js/main.0123abcd.js"></script>',
    "static/js/main.0123abcd.js": MAIN,
    "static/js/1.89abcdef.chunk.js": MAIN * 2,
    "static/js/small.js": b"0",
    "static/media/noise.svg": b"".join(hashlib.sha512(bytes([n])).digest() for n in range(64)),
    "static/media/picture.png": b"png " * 1000,
}
WHEEL = {
    "mlflow/__init__.py": b"",
    "mlflow/server/js/package.json": b"{}",
    "mlflow-1.2.3.dist-info/METADATA": b"Metadata-Version: 2.1\nName: mlflow\nVersion: 1.2.3\n",
    "mlflow-1.2.3.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
    "mlflow-1.2.3.dist-info/licenses/LICENSE.txt": b"the licence",
    "mlflow/server/js/build/../../../outside.txt": b"outside",
    **{f"mlflow/server/js/build/{name}": content for name, content in BUILD.items()},
}


@pytest.fixture(scope="module")
def fetch_ui() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_ui", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wheel(tmp_path: Path, fetch_ui: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel, and a pin that names it."""
    path = tmp_path / "mlflow-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in WHEEL.items():
            archive.writestr(name, content)
    pin = tmp_path / "ui.txt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pin.write_text(f"# a comment\nmlflow==1.2.3 --hash=sha256:{digest}\n")
    monkeypatch.setattr(fetch_ui, "PIN", pin)
    return path


def run(fetch_ui: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["fetch_ui.py", *map(str, arguments)])
    status: int = fetch_ui.main()
    return status


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_pin_is_of_the_version_that_is_served(fetch_ui: ModuleType) -> None:
    assert fetch_ui.read_pin(fetch_ui.PIN.read_text()).version == MLFLOW_VERSION


@pytest.mark.parametrize("text", ["", "mlflow==1.2.3\n", "mlflow>=1 --hash=sha256:" + "0" * 64])
def test_a_pin_has_a_version_and_a_hash(fetch_ui: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="pin one mlflow"):
        fetch_ui.read_pin(text)


def test_the_build_and_the_licence_are_kept_and_nothing_else(
    fetch_ui: ModuleType, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache" / "ui"
    assert run(fetch_ui, monkeypatch, "--wheel", wheel, "--to", folder) == 0
    kept = contents(folder)
    originals = {name for name in kept if not name.endswith((".br", ".gz"))}
    assert {name: kept[name] for name in originals} == {**BUILD, "LICENSE.txt": b"the licence"}
    assert [path.name for path in folder.parent.iterdir()] == ["ui"]
    assert not list(tmp_path.rglob("outside.txt"))


def test_what_gains_from_it_is_compressed(
    fetch_ui: ModuleType, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(fetch_ui, monkeypatch, "--wheel", wheel, "--to", tmp_path / "ui")
    kept = contents(tmp_path / "ui")
    compressed = {name for name in kept if name.endswith((".br", ".gz"))}
    scripts = ("static/js/main.0123abcd.js", "static/js/1.89abcdef.chunk.js")
    assert compressed == {f"{name}{suffix}" for name in scripts for suffix in (".br", ".gz")}
    for name in scripts:
        assert brotli.decompress(kept[f"{name}.br"]) == BUILD[name]
        assert gzip.decompress(kept[f"{name}.gz"]) == BUILD[name]


def test_a_folder_that_is_there_is_left_alone(
    fetch_ui: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(fetch_ui, monkeypatch, "--wheel", tmp_path / "gone.whl", "--to", tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_is_not_the_pinned_one_leaves_nothing(
    fetch_ui: ModuleType,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(SystemExit, match="pins"):
        run(fetch_ui, monkeypatch, "--wheel", wheel, "--to", tmp_path / "cache" / "ui")
    assert list((tmp_path / "cache").iterdir()) == []


def test_pip_takes_the_pinned_wheel_only(
    fetch_ui: ModuleType, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the user's own pip configuration: here, one that finds wheels in a folder alone."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert fetch_ui.download(scratch).read_bytes() == wheel.read_bytes()
    wheel.write_bytes(wheel.read_bytes() + b" ")
    (scratch / wheel.name).unlink()
    with pytest.raises(SystemExit) as refused:
        fetch_ui.download(scratch)
    assert refused.value.code == 1
    assert list(scratch.iterdir()) == []
