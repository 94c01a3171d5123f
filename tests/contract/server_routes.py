"""Requests that MLflow's server takes, from its descriptors and from the sources of its routes."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor import Descriptor, EnumDescriptor

from tests.contract.constants import Module, Unknown, Value
from tests.contract.protobuf import Descriptors, members, types_below
from tests.contract.wheel import Wheel

Kinds = dict[str, dict[str, tuple[str, ...]]]

_SERVER = "mlflow/server"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_NOT_ROUTERS = re.compile(r"mlflow/server/(auth|js|sandbox)/")
"""Not part of the server unless asked for: the app `basic-auth`, and what runs in containers."""

_ENUMS = ("mlflow.ErrorCode",)
_FLASK = re.compile(r"<(?:(path):|\w+:)?(\w+)>")
_PROTO = re.compile(r"\{(?:\w+\.)*(\w+)\}")


def read(wheel: Wheel) -> Kinds:
    """Entries of the kinds endpoint, message, enum, error and unread."""
    endpoints: dict[str, tuple[str, ...]] = {}
    unread: dict[str, tuple[str, ...]] = {}
    types: dict[str, Descriptor | EnumDescriptor] = {}
    descriptors = Descriptors(wheel)
    handlers = Module(wheel, f"{_SERVER}/handlers.py")
    handled = _handled(handlers)
    for name in _services(handlers):
        for method in descriptors.service(name).methods:
            request = method.input_type
            if request.name not in handled:
                continue  # Databricks has it, MLflow's own server answers 404
            answer = request.nested_types_by_name.get("Response", method.output_type)
            for verb, path in descriptors.endpoints(method):
                said = (request.full_name, answer.full_name)
                # `assessment.trace_id` is `trace_id` in the server's paths, and so on.
                endpoints[f"{verb}={template(_PROTO.sub(_last_name, f'/api/{path}'))}"] = said
            types_below(request, types)
            types_below(answer, types)
    for name in _ENUMS:
        types[name] = descriptors.enum(name)
    for key in _flask(wheel, handlers, unread):
        endpoints.setdefault(key, ())
    for key in _fastapi(wheel, unread):
        endpoints.setdefault(key, ())
    messages = {name: each for name, each in types.items() if isinstance(each, Descriptor)}
    return {
        "endpoint": _once(endpoints),
        "message": {name: members(each) for name, each in messages.items() if not _is_map(each)},
        "enum": {
            name: members(each) for name, each in types.items() if isinstance(each, EnumDescriptor)
        },
        "error": _statuses(wheel),
        "unread": unread,
    }


def _last_name(match: re.Match[str]) -> str:
    return f"{{{match[1]}}}"


def _is_map(message: Descriptor) -> bool:
    return bool(message.GetOptions().map_entry)


def _once(endpoints: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Without the paths below `/ajax-api` that are below `/api` as well."""
    return {
        key: said
        for key, said in endpoints.items()
        if key.replace("=/ajax-api/", "=/api/") not in endpoints or "=/ajax-api/" not in key
    }


def _services(handlers: Module) -> Iterator[str]:
    for node in ast.walk(handlers.tree):
        match node:
            case ast.Call(func=ast.Name(id="get_service_endpoints"), args=[ast.Name(id=name), *_]):
                yield name


def _handled(handlers: Module) -> set[str]:
    """Names of the requests that have a handler."""
    if found := handlers.assigned("HANDLERS"):
        match found[1]:
            case ast.Dict(keys=keys):
                return {key.id for key in keys if isinstance(key, ast.Name)}
    raise ValueError(f"{handlers.name} has no HANDLERS: mend tests/contract/server_routes.py")


def _flask(wheel: Wheel, handlers: Module, unread: dict[str, tuple[str, ...]]) -> Iterator[str]:
    app = Module(wheel, f"{_SERVER}/__init__.py")
    for node in ast.walk(app.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="route"), args=[path, *_]):
                methods: Value = ("GET",)
                for keyword in node.keywords:
                    if keyword.arg == "methods":
                        methods = app.value(keyword.value)
                yield from _keys(app, path, methods, unread)
    for node in ast.walk(handlers.tree):
        match node:
            case ast.Tuple(elts=[ast.Call() as path, ast.Name(), ast.List() as verbs]):
                yield from _keys(handlers, path, handlers.value(verbs), unread)
            case ast.ListComp(
                elt=ast.Tuple(elts=[ast.Name(), ast.Name(), ast.List() as verbs]),
                generators=[ast.comprehension(iter=paths)],
            ):
                yield from _keys(handlers, paths, handlers.value(verbs), unread)


def _fastapi(wheel: Wheel, unread: dict[str, tuple[str, ...]]) -> Iterator[str]:
    included = _included(Module(wheel, f"{_SERVER}/fastapi_app.py"))
    for name, tree in wheel.sources(_SERVER):
        if _NOT_ROUTERS.match(name) or name.endswith("/fastapi_app.py"):
            continue
        module = Module(wheel, name)
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=router), attr=method), args=[path, *_]
                ) if method in _METHODS and (own := _own_prefix(module, router)) is not None:
                    for prefix in included.get(router, ()):
                        yield from _keys(module, path, (method.upper(),), unread, prefix + own)


def _included(app: Module) -> dict[str, tuple[str, ...]]:
    """The prefixes under which the application takes each router, by the router's name."""
    found: dict[str, tuple[str, ...]] = {}

    def note(call: ast.Call, local: Mapping[str, Value]) -> None:
        match call:
            case ast.Call(func=ast.Attribute(attr="include_router"), args=[ast.Name(id=router)]):
                prefix: Value = ""
                for keyword in call.keywords:
                    if keyword.arg == "prefix" and isinstance(keyword.value, ast.Name):
                        prefix = local.get(keyword.value.id, "")  # else the static prefix
                found[router] = (*found.get(router, ()), str(prefix))

    looped: set[ast.Call] = set()
    for node in ast.walk(app.tree):
        match node:
            case ast.For(target=ast.Name(id=name), iter=ast.Call() as prefixes):
                try:
                    values = app.value(prefixes)
                except Unknown:
                    continue
                for call in ast.walk(node):
                    if isinstance(call, ast.Call):
                        looped.add(call)
                        for value in values if isinstance(values, tuple) else ():
                            note(call, {name: value})
    for node in ast.walk(app.tree):
        if isinstance(node, ast.Call) and node not in looped:
            note(node, {})
    return found


def _own_prefix(module: Module, router: str) -> str | None:
    """The prefix of an APIRouter of the module; None if the name is no such router."""
    found = module.assigned(router)
    match found:
        case (Module() as owner, ast.Call(func=ast.Name(id="APIRouter")) as call):
            for keyword in call.keywords:
                if keyword.arg == "prefix":
                    return str(owner.value(keyword.value))
            return ""
    return None


def _keys(
    module: Module,
    path: ast.expr,
    methods: Value,
    unread: dict[str, tuple[str, ...]],
    prefix: str = "",
) -> Iterator[str]:
    try:
        value = module.value(path)
    except Unknown:
        place = f"{module.name}:{path.lineno}"
        unread[place] = (re.sub(r"\s+", "", ast.unparse(path)),)
        return
    for each in value if isinstance(value, tuple) else (value,):
        for method in methods if isinstance(methods, tuple) else ():
            yield f"{method}={template(prefix + str(each))}"


def template(path: str) -> str:
    """A path of Flask, FastAPI or the descriptors with parameters as Tandem's router has them."""
    path = _FLASK.sub(lambda match: f"{{{match[2]}{':path' if match[1] else ''}}}", path)
    return path if path == "/" else path.rstrip("/") or "/"


def _statuses(wheel: Wheel) -> dict[str, tuple[str, ...]]:
    module = Module(wheel, "mlflow/exceptions.py")
    found = module.assigned("ERROR_CODE_TO_HTTP_STATUS")
    statuses: dict[str, tuple[str, ...]] = {}
    match found:
        case (_, ast.Dict(keys=keys, values=values)):
            for key, value in zip(keys, values, strict=True):
                match key, value:
                    case ast.Call(args=[ast.Name(id=code)]), ast.Constant(value=int(status)):
                        statuses[code] = (str(status),)
    return statuses


def split(key: str) -> tuple[str, str]:
    """Method and path of an endpoint's name."""
    method, _, path = key.partition("=")
    return method, path


def paths(keys: Iterable[str]) -> set[str]:
    """The paths of endpoints."""
    return {split(key)[1] for key in keys}
