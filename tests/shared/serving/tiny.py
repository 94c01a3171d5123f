"""A service small enough to test serving with; `python -m tests.shared.serving.tiny` starts it."""

import os
import sys
from dataclasses import dataclass, fields

from tandem_shared.serving.launch import Service, command, launch
from tandem_shared.settings import CommonSettings, load, setting


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    greeting: str = setting("hello", "What to say.", env="TINY_GREETING")
    body_limit: int = setting(1000, "Largest body.", env="TINY_BODY_LIMIT")
    broken: bool = setting(False, "Fail to start in the worker.", env="TINY_BROKEN")
    lost_stop: bool = setting(False, "Lose a stop while starting.", env="TINY_LOST_STOP")
    spoilt_stop: bool = setting(False, "Fail from a stop.", env="TINY_SPOILT_STOP")
    late_stop: bool = setting(False, "Stop as Python ends.", env="TINY_LATE_STOP")
    loop_stop: bool = setting(False, "Stop as the loop is made.", env="TINY_LOOP_STOP")


SERVICE = Service("tiny", "tests.shared.serving.tiny_app:create_app")


def main() -> int:
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    known = {item.name for item in fields(Settings)}
    assert set(flags) <= known
    return command(lambda: launch(SERVICE, load(Settings, os.environ, flags)))


if __name__ == "__main__":
    sys.exit(main())
