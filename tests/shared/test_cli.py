"""Command lines that nobody meant: one sentence with the nearest flag, and no value repeated."""

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import NoReturn

import pytest

from tandem_shared import cli
from tandem_shared.serving import launch
from tandem_shared.serving.launch import Service
from tandem_shared.settings import CommonSettings, setting


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    store_uri: str = setting("", "Where.", env="STORE_URI")
    safe: bool = setting(True, "Whether.", env="SAFE", switch="--unsafe")


def _never(_: object) -> NoReturn:
    raise AssertionError("the command ran")


def _extend(subparsers: cli.Subparsers) -> None:
    check = subparsers.add_parser("check")
    check.add_argument("--wait-seconds", type=int)
    check.set_defaults(act=_never)


COMMAND = cli.Command(
    service=Service("tandem-tiny", "nowhere:app"),
    settings=Settings,
    about="Tiny.",
    prepare=_never,
    extend=_extend,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "serve --store-url postgresql://u:secret@h/d",
            "tandem-tiny serve has no flag --store-url: did you mean --store-uri?",
        ),
        (
            "serve --port 80 --store=secret",
            "tandem-tiny serve has no flag --store: did you mean --store-uri?",
        ),
        ("serve --unsaef", "did you mean --unsafe?"),
        ("serve --no-disable-security-middlewares", "did you mean --no-disable-security-middlew"),
        ("serve --pool-size 3", "`tandem-tiny serve --help` names them all."),
        ("serve --bogus", "`tandem-tiny serve --help` names them all."),
        ("serve secret", "an argument belongs to no flag"),
        ("serve --port", "argument -p/--port: expected one argument."),
        ("check --wait-second 3", "tandem-tiny check has no flag --wait-second: did you mean"),
        ("check --store-uri x", "tandem-tiny check has no flag --store-uri: `tandem-tiny check"),
        ("serv", "choose from"),
        ("--store-uri postgresql://u:secret@h/d serve", "choose from"),
        ("", "required: command"),
    ],
)
def test_a_line_that_cannot_be_taken_is_refused_by_one_sentence(
    line: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(COMMAND, line.split())
    assert ended.value.code == 2
    said = capsys.readouterr()
    (sentence,) = said.err.splitlines()
    assert sentence.startswith("error: ")
    assert expected in sentence
    assert "secret" not in sentence
    assert said.out == ""


def test_help_names_what_turns_switches_off(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(COMMAND, ["serve", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--no-disable-security-middleware turn --disable-security-middleware off" in shown
    assert "--unsafe turn --safe off" in shown


def test_a_reader_of_the_output_may_leave() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    script = (
        "from tandem_shared.serving.launch import command\n"
        "raise SystemExit(command(lambda: print('a line') or 0))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_command_that_is_interrupted_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert launch.command(interrupted) == 130
    assert capsys.readouterr().err == "Stopped before the end.\n"
