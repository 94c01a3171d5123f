import argparse
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_shared import settings as table
from tandem_shared.settings import CommonSettings, SettingsError, setting


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    store: str = setting("sqlite:///a.db", "100% of the data.", env="STORE")
    place: str | None = setting(None, "Where.", env="PLACE")
    sure: bool = setting(True, "Whether.", env="SURE", switch="--unsure")
    ratio: float | None = setting(0.5, "How much.", env="RATIO")
    key: str | None = setting(None, "What opens it.", env="KEY", secret=True)


def test_a_secret_is_loaded_but_not_shown() -> None:
    loaded = load("--key", "open sesame")
    assert loaded.key == "open sesame"
    assert "sesame" not in repr(loaded)


def parse(*arguments: str) -> dict[str, str | None]:
    parser = argparse.ArgumentParser(add_help=False)
    table.add_arguments(parser, Settings)
    return vars(parser.parse_args(arguments))


def load(*arguments: str, **environ: str) -> Settings:
    return table.load(Settings, environ, parse(*arguments))


def test_a_flag_wins_over_its_variable_and_that_over_the_default() -> None:
    assert load().port == 5000
    assert load(MLFLOW_PORT="6000").port == 6000
    assert load("--port", "7000", MLFLOW_PORT="6000").port == 7000


def test_short_flags_are_those_of_mlflow() -> None:
    loaded = load("-h", "0.0.0.0", "-p", "80", "-w", "3")
    assert (loaded.host, loaded.port, loaded.workers) == ("0.0.0.0", 80, 3)


def test_a_switch_has_a_twin_that_turns_it_off() -> None:
    name = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"
    assert load("--disable-security-middleware").disable_security_middleware
    off = load("--no-disable-security-middleware", **{name: "true"})
    assert not off.disable_security_middleware
    assert not load("--unsure").sure
    assert not load("--unsure", SURE="1").sure


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE ", True), ("1", True), ("False", False), ("0", False)],
)
def test_a_switch_in_the_environment_is_true_or_false(text: str, value: bool) -> None:
    assert load(SURE=text).sure is value


def test_a_list_is_separated_by_commas_and_trimmed() -> None:
    assert load("--allowed-hosts", "a, b:80 ,,*.c").allowed_hosts == ("a", "b:80", "*.c")
    assert load(MLFLOW_SERVER_ALLOWED_HOSTS=" , ").allowed_hosts is None


@pytest.mark.parametrize("field", fields(Settings))
def test_an_empty_variable_is_not_given(field: Any) -> None:
    assert load(**{field.metadata["env"]: ""}) == Settings()


def test_an_empty_flag_means_the_default_whatever_the_variable_says() -> None:
    assert load("--static-prefix", "", MLFLOW_STATIC_PREFIX="/x").static_prefix == ""
    assert load("--place", "", PLACE="there").place is None


@pytest.mark.parametrize(
    ("arguments", "environ", "named"),
    [
        (["--port", "http"], {}, ["--port", "MLFLOW_PORT", "a whole number", "'http'"]),
        ([], {"MLFLOW_PORT": "1.5"}, ["--port", "MLFLOW_PORT", "a whole number", "'1.5'"]),
        ([], {"SURE": "maybe"}, ["--sure", "SURE", "true or false", "'maybe'"]),
        (["--ratio", "much"], {}, ["--ratio", "RATIO", "a number", "'much'"]),
        (["--ratio", "nan"], {}, ["--ratio", "RATIO", "a number", "'nan'"]),
        (["--graceful-timeout", "inf"], {}, ["--graceful-timeout", "a number"]),
        (["--port", "65536"], {}, ["--port", "65536"]),
        (["--port", "-1"], {}, ["--port", "-1"]),
        (["--workers", "0"], {}, ["--workers", "0"]),
        (["--h2c", "--asgi-server", "uvicorn"], {}, ["--h2c", "--asgi-server hypercorn"]),
        (["--static-prefix", "mlflow"], {}, ["--static-prefix", "'mlflow'"]),
        (["--static-prefix", "/mlflow/"], {}, ["--static-prefix", "'/mlflow/'"]),
        (["--static-prefix", "/"], {}, ["--static-prefix"]),
        (["--static-prefix", "/a{b}"], {}, ["--static-prefix"]),
        (["--static-prefix", "/a//b"], {}, ["--static-prefix"]),
        (["--static-prefix", "/a?b"], {}, ["--static-prefix"]),
        (["--x-frame-options", "ALL"], {}, ["--x-frame-options", "SAMEORIGIN"]),
        (["--log-level", "LOUD"], {}, ["--log-level", "DEBUG"]),
        (["--shutdown-delay", "-1"], {}, ["--shutdown-delay"]),
        (["--graceful-timeout", "-1"], {}, ["--graceful-timeout"]),
        (["--graceful-timeout", "1e300"], {}, ["--graceful-timeout", "1,000,000 seconds"]),
        (["--workers", "1000000"], {}, ["--workers", "1000000"]),
        (["--allowed-hosts", "a,https://b:1/c"], {}, ["--allowed-hosts", "mean b:1?"]),
        (["--allowed-hosts", "https://u:secret@b"], {}, ["--allowed-hosts", "mean …@b?"]),
        (["--cors-allowed-origins", "b:1"], {}, ["--cors-allowed-origins", "mean https://b:1?"]),
        (["--cors-allowed-origins", "http://b/"], {}, ["--cors-allowed-origins", "mean http://b?"]),
    ],
)
def test_a_bad_value_is_refused_by_the_flag_s_name(
    arguments: list[str], environ: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(*arguments, **environ)
    assert str(refused.value).endswith((".", "?"))
    assert "secret" not in str(refused.value)
    for part in named:
        assert part in str(refused.value)


def test_help_names_each_flag_its_variable_and_its_default() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    table.add_arguments(parser, Settings)
    text = " ".join(parser.format_help().split())
    for item in fields(Settings):
        assert f"{table.flag(item)} " in text
        assert f"[env {item.metadata['env']}; default " in text
    assert "[env MLFLOW_PORT; default 5000]" in text
    assert "[env PLACE; default none]" in text
    assert "100% of the data." in text


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
NAME = st.from_regex(r"[A-Za-z0-9_.*:\[\]-]+", fullmatch=True)
ORIGIN = NAME.map("https://{}".format) | st.sampled_from(["*", "null", "*.example.com"])
ANY = st.builds(
    Settings,
    host=TEXT,
    port=st.integers(0, 65535),
    workers=st.integers(1, 64),
    static_prefix=st.just("") | st.from_regex(r"(/[a-z0-9._~-]+)+", fullmatch=True),
    allowed_hosts=st.none() | st.lists(NAME, min_size=1).map(tuple),
    cors_allowed_origins=st.none() | st.lists(ORIGIN, min_size=1).map(tuple),
    x_frame_options=st.sampled_from(["DENY", "none", "SAMEORIGIN"]),
    disable_security_middleware=st.booleans(),
    shutdown_delay=st.floats(0, 1e6),
    graceful_timeout=st.floats(0, 1e6),
    expose_prometheus=st.none() | TEXT,
    store=TEXT,
    place=st.none() | TEXT,
    sure=st.booleans(),
    ratio=st.floats(-1e300, 1e6),
)


def written(value: Any) -> str:
    """A value as variables and flags have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str("" if value is None else value)


@given(ANY, ANY)
def test_load_reads_any_values_from_variables_and_from_flags_that_win(
    settings: Settings, before: Settings
) -> None:
    environ = {f.metadata["env"]: written(getattr(settings, f.name)) for f in fields(Settings)}
    assert table.load(Settings, environ) == settings
    others = {f.metadata["env"]: written(getattr(before, f.name)) for f in fields(Settings)}
    flags = {f.name: written(getattr(settings, f.name)) for f in fields(Settings)}
    assert table.load(Settings, others, flags) == settings


def test_load_lets_a_flag_that_repeats_the_default_win_over_its_variable() -> None:
    environ = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true", "PLACE": "there"}
    assert load("--no-disable-security-middleware", "--place", "", **environ) == Settings()


def test_a_replaced_value_is_checked() -> None:
    assert table.replace(Settings(), port=0).port == 0
    with pytest.raises(SettingsError, match="--workers"):
        table.replace(Settings(), workers=0)


@pytest.mark.parametrize("argument", ["--artifacts", "--artifacts=x"])
def test_a_refused_flag_ends_with_its_sentence(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        table.refuse_flags(["serve", argument], {"--artifacts": "not here."})
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: --artifacts: not here.\n"
    table.refuse_flags(["serve", "--artifacts-root=--artifacts"], {"--artifacts": "not here."})
