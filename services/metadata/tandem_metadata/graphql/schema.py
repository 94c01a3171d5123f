"""MLflow's GraphQL schema, with a resolver for each field."""

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
    PLANS,
    RESOLVERS,
    SOURCES,
    Resolver,
    snake,
)


def build_to_plan() -> GraphQLSchema:
    """The schema whose operations find out which listings of artifacts a query needs.

    An operation of `PLANS` notes what it needs in its `Reading`; all answer null.
    """
    schema = _parsed()
    for kind in (schema.query_type, schema.mutation_type):
        for name, field in kind.fields.items() if kind else ():
            field.resolve = PLANS.get(name, lambda _source, _info, **_: None)
    return schema


def build() -> GraphQLSchema:
    """Build the schema and attach a resolver to each field.

    A field has an entry in `RESOLVERS`, is empty by `NEVER_SET`, or is an attribute of its type's
    class in `SOURCES`. Raises LookupError for any other field.
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
