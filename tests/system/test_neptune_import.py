"""`tandem-metadata import` of Neptune's runs: read, with their files, by the stock client."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from tandem_metadata.__main__ import main
from tests.harness import commands
from tests.harness.processes import environment
from tests.metadata.transfer import neptune_export
from tests.metadata.transfer.neptune_export import PROJECT, TIME_MS, point, value
from tests.system import services


def _export(folder: Path) -> None:
    files = folder / "files" / neptune_export.sanitized(PROJECT)
    (files / "code" / "lib").mkdir(parents=True)
    (files / "conf.yaml").write_text("a: 1\n")
    (files / "code" / "main.py").write_text("print()\n")
    (files / "code" / "lib" / "x.py").write_text("")
    (files / "image_2.png").write_bytes(bytes(range(256)) * 4096)
    (folder / "secret.txt").write_text("not of the export")
    below = files.name
    histogram = {"type": "COUNTING", "edges": [0.0, 1.0], "values": [3.0]}
    image = point("images/sample", "2", None)
    image |= {"attribute_type": "file_series", "file_value": {"path": f"{below}/image_2.png"}}
    neptune_export.write(
        folder / "data",
        "RUN-1",
        [value("config/lr", "float", 0.1), value("sys/name", "string", "first")],
        [point("loss", str(step), 1 / step) for step in range(1, 101)],
        [
            value("files/conf", "file", {"path": f"{below}/conf.yaml"}),
            value("source", "file_set", {"path": f"{below}/code"}),
            value("gone", "file", {"path": f"{below}/missing.bin"}),
            value("outside", "file", {"path": "../secret.txt"}),
            image,
            point("stdout", "1", "héllo", "string"),
            point("stdout", "2", "world", "string"),
            point("weights", "1", histogram, "histogram"),
        ],
    )


def _import(*arguments: str, status: int = 0) -> str:
    done = commands.run(main, ["tandem-metadata", "import", *arguments], environment())
    assert done.status == status, done
    return done.out + done.err


def test_a_run_of_neptune_is_read_with_its_files_and_comes_once(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _export(tmp_path / "exports")
    with services.stack(tmp_path, database, str(tmp_path / "artifacts")) as stack:
        root = f"mlflow-artifacts://{stack.artifacts_host}/"
        given = (str(tmp_path / "exports"), "--to", database, "--artifacts-root", root)
        said = _import(*given)
        assert "missing.bin: the file is missing" in said
        assert "../secret.txt: the file is missing" in said
        client = MlflowClient(stack.metadata.url)
        experiment = client.get_experiment_by_name(PROJECT)
        assert experiment is not None
        (run,) = client.search_runs(
            [experiment.experiment_id], "params.`config/lr` = '0.1' AND metrics.loss < 0.011"
        )
        assert run.info.run_name == "first"
        history = client.get_metric_history(run.info.run_id, "loss")
        assert [(each.step, each.value, each.timestamp) for each in history] == [
            (step, 1 / step, TIME_MS) for step in range(1, 101)
        ]
        found = Path(download_artifacts(run_id=run.info.run_id, tracking_uri=stack.metadata.url))
        files = {str(each.relative_to(found)): each for each in found.rglob("*") if each.is_file()}
        assert files.keys() == {
            "files/conf/conf.yaml",
            "source/main.py",
            "source/lib/x.py",
            "images/sample/step_2/image_2.png",
            "stdout/series.jsonl",
            "weights/histograms.jsonl",
        }
        assert files["images/sample/step_2/image_2.png"].stat().st_size == 1 << 20
        lines = files["stdout/series.jsonl"].read_text().splitlines()
        assert [json.loads(line)["value"] for line in lines] == ["héllo", "world"]
        assert json.loads(lines[0]) == {"step": 1, "timestamp": TIME_MS, "value": "héllo"}
        (line,) = files["weights/histograms.jsonl"].read_text().splitlines()
        assert json.loads(line)["value"]["edges"] == [0.0, 1.0]
        _import(*given)
        assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_run_whose_files_nobody_takes_is_not_written(tmp_path: Path) -> None:
    _export(tmp_path / "exports")
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    nowhere = "mlflow-artifacts://127.0.0.1:9/"
    given = (str(tmp_path / "exports"), "--to", database, "--artifacts-root", nowhere)
    assert "The artifacts service did not take http://127.0.0.1:9/" in _import(*given, status=2)
    said = _import(*given, "--without-files")
    assert "files are not asked for" in said
