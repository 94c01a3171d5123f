"""Alembic's revisions with what they touch, and the tables that the newest models have."""

import ast
import re
from collections.abc import Iterator, Mapping

from tests.contract.constants import Module, Unknown
from tests.contract.wheel import Wheel

_VERSIONS = "mlflow/store/db_migrations/versions"
_MODELS = (
    "mlflow/store/tracking/dbmodels/models.py",
    "mlflow/store/model_registry/dbmodels/models.py",
    "mlflow/store/workspace/dbmodels/models.py",
)
_OPERATIONS = {
    "create_table": "table",
    "rename_table": "table",
    "drop_table": "table",
    "add_column": "column",
    "drop_column": "column",
    "alter_column": "column",
    "create_index": "index",
    "drop_index": "index",
    "create_primary_key": "constraint",
    "create_foreign_key": "constraint",
    "create_unique_constraint": "constraint",
    "create_check_constraint": "constraint",
    "drop_constraint": "constraint",
    "execute": "statement",
}

Entries = dict[str, tuple[str, ...]]


def revisions(wheel: Wheel) -> Entries:
    """Revisions with `after=…` and what their upgrade does, as `add_column=issues.metadata`."""
    found: Entries = {}
    for name in wheel.names(_VERSIONS, ".py"):
        module = Module(wheel, name)
        revision = module.assigned("revision")
        if not revision:
            continue
        previous = module.assigned("down_revision")
        touched = _touched(module)
        after = module.value(previous[1]) if previous else None
        found[str(module.value(revision[1]))] = (f"after={after or 'nothing'}", *touched)
    return found


def head(entries: Mapping[str, tuple[str, ...]]) -> str:
    """The revision that no other follows; raises ValueError when that is not one."""
    followed = {word for words in entries.values() for word in words if word.startswith("after=")}
    last = [name for name in entries if f"after={name}" not in followed]
    if len(last) != 1:
        raise ValueError(f"the revisions have {len(last)} heads: {', '.join(sorted(last))}")
    return last[0]


def order(entries: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The revisions, oldest first."""
    following = {
        word.removeprefix("after="): name
        for name, words in entries.items()
        for word in words
        if word.startswith("after=")
    }
    ordered, at = [], "nothing"
    while at in following:
        at = following[at]
        ordered.append(at)
    return ordered


def _touched(module: Module) -> list[str]:
    """What the functions of a migration do, but for its downgrade."""
    done: list[str] = []
    for function in module.functions.values():
        if function.name != "downgrade":
            done += _of_body(module, function.body, "")
    return list(dict.fromkeys(done))


def _of_body(module: Module, body: list[ast.stmt], table: str) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as call)], body=inner):
                within = _first(module, call) if _called(call) == "batch_alter_table" else table
                yield from _of_body(module, inner, within)
                continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _of_body(module, [child], table)
            elif not isinstance(statement, ast.FunctionDef):
                for node in ast.walk(child):
                    if isinstance(node, ast.Call):
                        yield from _of_call(module, node, table)


def _of_call(module: Module, call: ast.Call, table: str) -> Iterator[str]:
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=operation)) if (
            operation in _OPERATIONS and (owner == "op" or owner.startswith("batch"))
        ):
            what = _OPERATIONS[operation]
            names = [_text(module, each) for each in call.args]
            own = table or next(
                (_text(module, each.value) for each in call.keywords if each.arg == "table_name"),
                "",
            )
            if what == "statement":
                yield "statement"
            elif what == "table":
                yield f"{operation}={names[0] if names else '?'}"
            elif what == "column":
                parts = [own] if own else []
                yield f"{operation}={'.'.join([*parts, *names][:2])}"
            else:
                at = own or (names[1] if len(names) > 1 else "?")
                yield f"{what}={at}"


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _first(module: Module, call: ast.Call) -> str:
    return _text(module, call.args[0]) if call.args else "?"


def _text(module: Module, node: ast.expr) -> str:
    """A name in a migration; `?` when only running it would tell."""
    match node:
        case ast.Call(func=ast.Attribute(attr="Column"), args=[first, *_]):
            return _text(module, first)
        case ast.Call(func=ast.Attribute(attr="f"), args=[first, *_]):
            return _text(module, first)
        case ast.Attribute(value=ast.Name(id=model), attr="__tablename__"):
            return _of_model(module, model)
    try:
        value = module.value(node)
    except Unknown:
        return "?"
    return value if isinstance(value, str) and " " not in value else "?"


def _of_model(module: Module, model: str) -> str:
    owner, name = module.imported(model) or (module, model)
    for node in owner.classes[name].body if name in owner.classes else ():
        match node:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=value):
                return str(owner.value(value))
    return "?"


def tables(wheel: Wheel) -> Entries:
    """Tables with their columns, as `name:String(256),not-null`."""
    found: Entries = {}
    for source in _MODELS:
        for model in Module(wheel, source).classes.values():
            table, columns = "", []
            for node in model.body:
                match node:
                    case ast.Assign(
                        targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(name))
                    ):
                        table = name
                    case ast.Assign(
                        targets=[ast.Name(id=name)],
                        value=ast.Call(func=ast.Name(id="Column" | "mapped_column")) as call,
                    ):
                        columns.append(_column(name, call))
            if table:
                found[table] = tuple(columns)
    return found


def _column(name: str, call: ast.Call) -> str:
    words, rest = [], list(call.args)
    match rest[:1]:
        case [ast.Constant(value=str(given))]:
            name = given
            del rest[0]
    if rest:
        words.append(re.sub(r"\s+", "", ast.unparse(rest[0])))
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="nullable", value=ast.Constant(value=False)):
                words.append("not-null")
            case ast.keyword(arg="primary_key", value=ast.Constant(value=True)):
                words.append("key")
            case ast.keyword(arg="server_default"):
                words.append("server-default")
    return f"{name}:{','.join(words)}"
