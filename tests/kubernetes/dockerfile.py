"""A Dockerfile's instructions, and what .dockerignore lets a builder have."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_CONTINUED = re.compile(r"\\\n(?:[ \t]*#.*\n)*")


@dataclass(frozen=True)
class Instruction:
    """One instruction, with the lines that continue it joined."""

    name: str
    """In capitals."""
    value: str

    @property
    def words(self) -> list[str]:
        """Its arguments: those of the JSON form, or what spaces part; flags are left out."""
        if self.value.startswith("["):
            return [str(word) for word in json.loads(self.value)]
        return [word for word in self.value.split() if not word.startswith("--")]

    def flag(self, name: str) -> str | None:
        """The value of `--name=…` among its arguments."""
        match = re.search(rf"(?:^|\s)--{name}=(\S+)", self.value)
        return match[1] if match else None


def read(path: Path) -> list[Instruction]:
    """All instructions of a Dockerfile, in order."""
    found = []
    for line in _CONTINUED.sub(" ", path.read_text()).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.strip().partition(" ")
            found.append(Instruction(name.upper(), value.strip()))
    return found


def stages(instructions: list[Instruction]) -> list[list[Instruction]]:
    """The instructions by stage, each from its FROM on; what comes before the first is left out."""
    found: list[list[Instruction]] = []
    for each in instructions:
        if each.name == "FROM":
            found.append([])
        if found:
            found[-1].append(each)
    return found


def sent(root: Path) -> Iterator[Path]:
    """The files of a checkout that a builder gets, relative to its top."""
    rules = [line.strip() for line in (root / ".dockerignore").read_text().splitlines()]
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    tops = {rule[1:].partition("/")[0] for rule in rules if rule.startswith("!")}
    for top in sorted(tops):
        below = (root / top).rglob("*") if (root / top).is_dir() else [root / top]
        for path in below:
            if path.is_file() and _is_sent(path.relative_to(root), rules):
                yield path.relative_to(root)


def _is_sent(path: Path, rules: list[str]) -> bool:
    """The last rule that matches the path or a folder of it decides."""
    result = True
    for rule in rules:
        pattern = rule.removeprefix("!").rstrip("/")
        candidates = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
        if pattern.startswith("**/"):
            matches = any(fnmatchcase(part, pattern[3:]) for part in path.parts)
        else:
            matches = any(
                fnmatchcase(each, pattern) and each.count("/") == pattern.count("/")
                for each in candidates
            )
        if matches:
            result = rule.startswith("!")
    return result
