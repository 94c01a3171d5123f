"""What a server's operator sets, and what the server tells clients of it.

That is environment variables, flags of commands, and fields of server-info.
"""

import ast
import re
from collections.abc import Iterator

from tests.contract.constants import Module, Unknown
from tests.contract.wheel import Wheel

_COMMANDS = {
    "mlflow/cli/__init__.py": ("server", "gc"),
    "mlflow/db.py": None,
    "mlflow/store/artifact/cli.py": None,
    "mlflow/store/fs2db/cli.py": None,
}
"""Sources of commands, and which of their commands a server's operator runs; None for all."""

Entries = dict[str, tuple[str, ...]]


def variables(wheel: Wheel) -> Entries:
    """Environment variables with their types and defaults.

    Those of `environment_variables.py`, but for the internal ones, which begin with `_`, and those
    that options of commands read.
    """
    found: Entries = {}
    module = Module(wheel, "mlflow/environment_variables.py")
    for node in module.tree.body:
        match node:
            case ast.Assign(
                value=ast.Call(func=ast.Name(id=maker), args=[ast.Constant(value=str(name)), *rest])
            ) if maker.endswith("EnvironmentVariable") and not name.startswith("_"):
                kind = ast.unparse(rest[0]) if len(rest) > 1 else "bool"
                default = _squeezed(ast.unparse(rest[-1])) if rest else "None"
                found[name] = (kind, f"default={default}")
    for _, words in _options(wheel):
        for word in words:
            name = word.partition("=")[2]
            if word.startswith("variable=") and name not in found:
                found[name] = ("option",)
    return found


def info(wheel: Wheel) -> Entries:
    """Fields of server-info, from the constants by which clients and the server name them."""
    found: Entries = {}
    for node in wheel.tree("mlflow/utils/server_info.py").body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(field))) if (
                name.startswith("SERVER_INFO_") and not name.endswith("_ENDPOINT")
            ):
                found[field] = ()
    return found


def commands(wheel: Wheel) -> Entries:
    """Flags by command, each as `--flag[/--no-flag]`, with `:NAME` for its variable."""
    found: dict[str, list[str]] = {}
    for command, words in _options(wheel):
        flags = "/".join(word for word in words if word.startswith("-"))
        variable = "".join(":" + w.partition("=")[2] for w in words if w.startswith("variable="))
        entry = found.setdefault(command, [])
        if flags:
            entry.append(flags + variable)
    return {command: tuple(sorted(flags)) for command, flags in found.items()}


def _options(wheel: Wheel) -> Iterator[tuple[str, list[str]]]:
    for name, wanted in _COMMANDS.items():
        module = Module(wheel, name)
        for function in module.functions.values():
            given, group = "", ""
            for decorator in function.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="command")):
                        given, group = _name(decorator, function.name), owner
            if not given or (wanted is not None and given not in wanted):
                continue
            prefix = _group(module, group)
            command = f"{prefix}.{given}".strip(".").replace("_", "-")
            yield command, []
            for decorator in function.decorator_list:
                if (words := _option(module, decorator)) is not None:
                    yield command, words


def _name(command: ast.Call, default: str) -> str:
    match command.args[:1]:
        case [ast.Constant(value=str(name))]:
            return name
    for keyword in command.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return default


def _group(module: Module, name: str) -> str:
    """What a group of commands is called; "" for the top one."""
    if function := module.functions.get(name):
        for decorator in function.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(attr="group"), args=[ast.Constant(value=given)]):
                    return str(given)
    return ""


def _option(module: Module, decorator: ast.expr) -> list[str] | None:
    """Flags and `variable=NAME` of an option; None for another decorator."""
    match decorator:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="click"), attr="option")):
            words = [
                part
                for each in decorator.args
                if isinstance(each, ast.Constant)
                for part in str(each.value).split("/")
            ]
            for keyword in decorator.keywords:
                if keyword.arg == "envvar":
                    try:
                        words.append(f"variable={module.value(keyword.value)}")
                    except Unknown:
                        words.append("variable=?")
            return words
        case ast.Name(id=name):
            return _shared(module, name)
        case ast.Attribute(value=ast.Name(id="cli_args"), attr=name):
            return _shared(Module(module.wheel, "mlflow/utils/cli_args.py"), name)
    return None


def _shared(module: Module, name: str) -> list[str] | None:
    found = module.assigned(name)
    return _option(*found) if found else None


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
