"""The report of a transfer: for people, and for programs."""

import json
from pathlib import Path

from tandem_metadata.transfer import report
from tandem_metadata.transfer.report import Mismatch, Renumbered, Report


def _report() -> Report:
    made = Report("./mlruns", "sqlite:///mlflow.db")
    made.kinds("experiments", "runs")
    made.found("runs", 1200)
    made.imported("runs", 1000)
    made.already_there("runs", 199)
    made.skip("runs", "mlruns/1/ab/meta.yaml", "it is empty")
    return made


def test_table_has_a_row_for_each_kind_in_the_order_of_first_mention() -> None:
    lines = _report().text().splitlines()
    assert lines[0] == "Imported ./mlruns into sqlite:///mlflow.db."
    assert lines[2].split() == ["found", "imported", "already", "there", "skipped"]
    assert lines[3].split() == ["experiments", "0", "0", "0", "0"]
    assert lines[4].split() == ["runs", "1,200", "1,000", "199", "1"]


def test_skipped_and_mended_are_listed_apart() -> None:
    made = _report()
    made.mend("params of runs", "mlruns/1/cd/params/p", "not UTF-8")
    text = made.text()
    assert "Skipped:\n  mlruns/1/ab/meta.yaml: it is empty\n" in text
    assert "Taken over with changes:\n  mlruns/1/cd/params/p: not UTF-8" in text
    assert made.skipped == 1


def test_dry_run_says_that_nothing_was_done() -> None:
    assert Report("a", "b", dry_run=True).text().startswith("Would import a into b.")


def test_names_that_a_terminal_would_obey_are_escaped() -> None:
    made = _report()
    made.skip("runs", "a\x1b[2Jb\udcff\n", "its name")
    assert made.problems[-1].path == "a\\x1b[2Jb\\udcff\\n"
    made.text().encode()


def test_exit_status_is_1_for_skips_only_if_strict_and_for_mismatches_always() -> None:
    made = _report()
    assert made.exit_status() == 0
    assert made.exit_status(strict=True) == 1
    made.mismatches.append(Mismatch("metrics of run ab", "3", "2"))
    assert made.exit_status() == 1
    assert "metrics of run ab: expected 3, found 2" in made.text()


def test_report_of_what_was_refused_says_so_and_counts_nothing() -> None:
    made = _report()
    made.refused = True
    assert made.text().startswith("Refused to import ./mlruns into ")
    assert "already there" not in made.text()
    assert "mlruns/1/ab/meta.yaml: it is empty" in made.text()
    assert made.exit_status() == 1


def test_tables_without_rows_are_for_programs_only() -> None:
    made = Report("a", "b")
    made.found("runs", 2)
    made.checksum("runs", "2:ab", "2:ab")
    for name in ("spans", "webhooks"):
        made.found(name, 0)
        made.checksum(name, "0:00", "0:00")
    assert "spans" not in made.text()
    assert "2:ab" in made.text()
    assert "spans" in made.document()["counts"]
    assert len(made.document()["checksums"]) == 3


def test_names_that_would_break_a_table_are_escaped_and_cut() -> None:
    made = _report()
    made.renumbered.append(Renumbered("line\nbreak\x1b[2J" + "x" * 300, "old", "new"))
    (line,) = (each for each in made.text().splitlines() if "break" in each)
    assert "line\\nbreak\\x1b[2Jxx" in line
    assert line.endswith("…     old     new")
    assert len(line) < 80


def test_document_holds_all_that_the_text_has(tmp_path: Path) -> None:
    made = _report()
    made.renumbered.append(Renumbered("demo", "330934324475023710", "7"))
    made.notes.append("Artifacts stay where they are.")
    made.write(str(tmp_path / "report.json"))
    document = json.loads((tmp_path / "report.json").read_text())
    assert document == made.document()
    assert document["counts"]["runs"] == {
        "found": 1200,
        "imported": 1000,
        "already_there": 199,
        "skipped": 1,
    }
    assert document["problems"] == [
        {
            "kind": "runs",
            "path": "mlruns/1/ab/meta.yaml",
            "reason": "it is empty",
            "skipped": True,
        }
    ]
    assert document["renumbered"] == [{"name": "demo", "old": "330934324475023710", "new": "7"}]
    assert "330934324475023710" in made.text()


def test_problems_beyond_the_limit_are_only_counted() -> None:
    made = _report()
    for number in range(report.MOST_LISTED + 4):
        made.skip("runs", str(number), "bad")
    assert len(made.problems) == report.MOST_LISTED
    assert made.document()["problems_not_listed"] == 5
    assert made.count("runs")["skipped"] == report.MOST_LISTED + 5
    text = made.text()
    assert "which --report FILE lists" in text
    assert "5 more problems" in text
    assert len(text.splitlines()) < 80
