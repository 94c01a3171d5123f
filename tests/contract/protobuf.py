"""Endpoints, messages and enumerations from the descriptors in MLflow's generated modules."""

import ast
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

from tests.contract.wheel import Wheel

FOLDER = "mlflow/protos"
_TYPES = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in descriptor_pb2.FieldDescriptorProto.Type.items()
}


class Descriptors:
    """All descriptors of a wheel, in a pool of their own, away from those of this process."""

    def __init__(self, wheel: Wheel) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        for name in wheel.names(FOLDER, "_pb2.py"):
            for serialized in _serialized(wheel.tree(name)):
                file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
                self._files.setdefault(file.name, file)  # the first is for today's protobuf
        self._added: set[str] = set()
        for name in sorted(self._files):
            self._add(name)
        options = self._pool.FindMessageTypeByName("google.protobuf.MethodOptions")
        self._options = message_factory.GetMessageClass(options)
        self._rpc = self._pool.FindExtensionByName("mlflow.rpc")

    def service(self, name: str) -> ServiceDescriptor:
        """The service of that name, without its package; raises KeyError when there is none."""
        for file in self._files.values():
            for service in file.service:
                if service.name == name:
                    return self._pool.FindServiceByName(f"{file.package}.{name}")
        raise KeyError(name)

    def enum(self, name: str) -> EnumDescriptor:
        """The enumeration of that full name; raises KeyError when there is none."""
        return self._pool.FindEnumTypeByName(name)

    def endpoints(self, method: MethodDescriptor) -> Iterator[tuple[str, str]]:
        """HTTP methods and paths below `/api` that the options of an RPC give it."""
        options: Any = self._options.FromString(method.GetOptions().SerializeToString())
        for endpoint in options.Extensions[self._rpc].endpoints:
            yield endpoint.method, f"{endpoint.since.major}.0{endpoint.path}"

    def _add(self, name: str) -> None:
        if name in self._added:
            return
        self._added.add(name)
        file = self._files.get(name) or _of_a_library(name)
        for needed in file.dependency:
            self._add(needed)
        self._pool.Add(file)


def _serialized(tree: ast.Module) -> Iterator[bytes]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, bytes)
        ):
            yield node.args[0].value


def _of_a_library(name: str) -> descriptor_pb2.FileDescriptorProto:
    """A file that the wheel takes from protobuf or OpenTelemetry; its types only are named."""
    import importlib

    module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def types_below(message: Descriptor, into: dict[str, Descriptor | EnumDescriptor]) -> None:
    """Put a message and every type that it holds into the dict, by full names."""
    if message.full_name in into or not message.full_name.startswith("mlflow."):
        return
    into[message.full_name] = message
    for field in message.fields:
        if field.enum_type:
            into[field.enum_type.full_name] = field.enum_type
        elif field.message_type:
            types_below(field.message_type, into)


def members(of: Descriptor | EnumDescriptor) -> tuple[str, ...]:
    """Fields with their types, or values with their numbers."""
    if isinstance(of, EnumDescriptor):
        return tuple(f"{value.name}={value.number}" for value in of.values)
    return tuple(f"{field.name}:{_type(field)}" for field in of.fields)


def _type(field: FieldDescriptor) -> str:
    kind = field.message_type or field.enum_type
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return f"map<{_type(key)},{_type(value)}>"
    name = kind.full_name if kind else _TYPES[field.type]
    return f"{name}[]" if field.is_repeated else name
