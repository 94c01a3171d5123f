"""MLflow's GraphQL schema, with a resolver for each field."""

from functools import cache
from importlib.resources import files
from operator import attrgetter

from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_list_type,
)

from tandem_metadata.graphql.resolvers import (
    NEVER_SET,
    OPERATIONS,
    RESOLVERS,
    SOURCES,
    Resolver,
    snake,
)

_ROOTS = ("Query", "Mutation")


@cache
def build_to_plan() -> GraphQLSchema:
    """The schema whose operations note in their `Reading` what a query needs; all answer null.

    The one of the process: to make it takes 20 ms.
    """
    schema = _parsed()
    for kind in (schema.query_type, schema.mutation_type):
        for name, field in kind.fields.items() if kind else ():
            own = OPERATIONS.get(name)
            field.resolve = own.plan if own else lambda _source, _info, **_: None
    return schema


@cache
def build() -> GraphQLSchema:
    """The schema with a resolver for each field; the one of the process.

    A field is one of `OPERATIONS`, has an entry in `RESOLVERS`, is empty by `NEVER_SET`, or is an
    attribute of its type's class in `SOURCES`. Raises LookupError for any other field.
    """
    schema = _parsed()
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in kind.fields.items():
                field.resolve = _resolver(name, field_name, field.type)
    return schema


def _parsed() -> GraphQLSchema:
    return build_schema(files(__package__).joinpath("schema.graphql").read_text("utf-8"))


def _resolver(kind: str, field: str, of: GraphQLOutputType) -> Resolver:
    if kind in _ROOTS and (operation := OPERATIONS.get(field)):
        return operation.resolve
    if own := RESOLVERS.get((kind, field)):
        return own
    empty = _empty(of)
    if field in NEVER_SET.get(kind, ()):
        return lambda _source, _info: empty
    attribute = snake(field)
    if not hasattr(SOURCES.get(kind), attribute):
        raise LookupError(f"nothing resolves {kind}.{field}")
    get = attrgetter(attribute)
    if get_named_type(of).name == "LongString":
        return lambda source, _info: str(get(source) or 0)
    return lambda source, _info: get(source) or empty


def _empty(of: GraphQLOutputType) -> object:
    """The value of an unset field: protobuf's default, as in MLflow."""
    if is_list_type(of):
        return ()
    return {"String": "", "LongString": "0", "Boolean": False}.get(get_named_type(of).name)
