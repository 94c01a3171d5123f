"""Values of expressions in sources that are not run: strings, and what paths are made with."""

import ast
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from tests.contract.wheel import Wheel

Value = str | int | bool | None | tuple["Value", ...] | dict["Value", "Value"]


class Unknown(Exception):
    """An expression whose value cannot be told without running the source."""


class Module:
    """A source of a wheel, whose module-level names can be looked up, imported ones too."""

    def __init__(self, wheel: Wheel, name: str) -> None:
        """`name` is that of the file; a file that is not there defines nothing."""
        self.wheel = wheel
        self.name = name
        self.tree = wheel.tree(name)
        self._assigned: dict[str, ast.expr] = {}
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self._imported: dict[str, tuple[str, str]] = {}
        for node in self.tree.body:
            self._note(node)

    def _note(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assigned[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value:
                self._assigned[name] = value
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.functions[node.name] = node
            case ast.ClassDef():
                self.classes[node.name] = node
            case ast.ImportFrom(module=module) if module:
                for each in node.names:
                    self._imported[each.asname or each.name] = (module, each.name)
            case ast.If() | ast.Try():
                for inner in node.body:
                    self._note(inner)

    def assigned(self, name: str) -> "tuple[Module, ast.expr] | None":
        """The expression that a name is assigned, and the module of it; None if unknown."""
        if name in self._assigned:
            return self, self._assigned[name]
        if source := self.imported(name):
            return source[0].assigned(source[1])
        return None

    def imported(self, name: str) -> "tuple[Module, str] | None":
        """Where an imported name comes from, if that is within the wheel."""
        if name not in self._imported:
            return None
        module, original = self._imported[name]
        for path in (module.replace(".", "/") + ".py", module.replace(".", "/") + "/__init__.py"):
            if path in self.wheel and PurePosixPath(path) != PurePosixPath(self.name):
                return Module(self.wheel, path), original
        return None

    def value(self, node: ast.expr, local: Mapping[str, Value] | None = None) -> Value:
        """The value of an expression; raises Unknown."""
        match node:
            case ast.Constant(value=str() | int() | None as value):
                return value
            case ast.JoinedStr(values=parts):
                return "".join(str(self.value(part, local)) for part in parts)
            case ast.FormattedValue(value=inner):
                return self.value(inner, local)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return str(self.value(left, local)) + str(self.value(right, local))
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return tuple(self.value(part, local) for part in parts)
            case ast.Dict(keys=keys, values=values):
                return {
                    self.value(key, local): self.value(value, local)
                    for key, value in zip(keys, values, strict=True)
                    if key
                }
            case ast.Name(id=name):
                if local and name in local:
                    return local[name]
                if found := self.assigned(name):
                    return found[0].value(found[1])
            case ast.Attribute(value=ast.Name(id=owner), attr="name"):
                return owner  # of a variable's object, as MLFLOW_PORT.name
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                return f"{owner}.{attribute}"  # a member of an enumeration
            case ast.Subscript(value=of, slice=key):
                table = self.value(of, local)
                if isinstance(table, dict) and (wanted := self.value(key, local)) in table:
                    return table[wanted]
            case ast.Call(func=ast.Name(id=name)):
                return self._called(name, node, local)
        raise Unknown(ast.unparse(node))

    def _called(self, name: str, node: ast.Call, local: Mapping[str, Value] | None) -> Value:
        if maker := _MAKERS.get(name):
            given = [self.value(argument, local) for argument in node.args]
            named = {each.arg: self.value(each.value, local) for each in node.keywords}
            return maker(*given, *named.values())
        module, original = self.imported(name) or (self, name)
        # A function of one return, as those that list a router's prefixes.
        if (function := module.functions.get(original)) and not node.args:
            returned = [each for each in ast.walk(function) if isinstance(each, ast.Return)]
            if len(returned) == 1 and returned[0].value:
                return module.value(returned[0].value)
        raise Unknown(ast.unparse(node))


def _path(prefix: str) -> Callable[..., Value]:
    return lambda base, version=2: f"/{prefix}/{version}.0{base}"


def _both(base: str, version: int = 2) -> Value:
    return (f"/api/{version}.0{base}", f"/ajax-api/{version}.0{base}")


_MAKERS: dict[str, Callable[..., Value]] = {
    "_add_static_prefix": lambda path: path,
    "_get_ajax_path": _path("ajax-api"),
    "_get_rest_path": _path("api"),
    "_get_paths": _both,
}
"""Functions by which MLflow's server makes paths, without a static prefix."""
