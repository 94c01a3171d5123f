"""Answers GraphQL requests: parses, checks and executes queries, and sorts their errors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    execute_sync,
    parse,
    specified_rules,
    validate,
)
from msgspec import Struct

from tandem_metadata.database import Connection
from tandem_metadata.graphql import limits, schema
from tandem_metadata.graphql.reading import ALL, Asked, Listings, Permitted, Planned, Reading
from tandem_shared.errors import ApiError, InvalidParameter

_REMEMBERED = 16
"""Parsed queries that are cached; the web UI sends a few, and each may take a megabyte."""


class Answer(Struct):
    """Answer to a GraphQL request; `errors` are plain strings, as in MLflow."""

    data: Mapping[str, Any] | None
    errors: list[str] | None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A parsed query and its errors."""

    document: DocumentNode
    errors: list[str]


class GraphQL:
    """The schema and its parsed queries; thread-safe."""

    def __init__(self, most: limits.Limits, *, introspection: bool) -> None:
        self._limits = most
        self._schema = schema.build()
        self._planning = schema.build_to_plan()
        self._rules = list(specified_rules)
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._prepared = lru_cache(maxsize=_REMEMBERED)(self._prepare)

    def plan(
        self,
        conn: Connection,
        query: str,
        variables: Mapping[str, Any] | None,
        operation: str | None,
    ) -> Mapping[Asked, Planned]:
        """What a query's operations need, for which no connection should wait.

        Errors of the query are left to `answer`. Raises as it does.
        """
        prepared = self._prepared(query)
        reading = Reading(conn)
        if not prepared.errors:
            self._execute(self._planning, reading, prepared.document, variables, operation)
        return reading.planned

    def answer(
        self,
        conn: Connection,
        query: str,
        variables: Mapping[str, Any] | None,
        operation: str | None,
        listings: Listings | None = None,
        permitted: Permitted = ALL,
    ) -> Answer:
        """Execute a query, with the listings that `plan` has named, as far as it is permitted.

        `operation` selects one of several operations in it.

        The answer has only errors if the schema forbids the query, or a limit is exceeded. A field
        with refused input, or of an unknown entity, is null and has an error; the other fields are
        answered. Raises InvalidParameter for invalid GraphQL and for a query that is too long, what
        the database's driver raises, and any internal error.
        """
        prepared = self._prepared(query)
        if prepared.errors:
            return Answer(None, prepared.errors)
        try:
            reading = Reading(conn, listings, permitted)
            return self._execute(self._schema, reading, prepared.document, variables, operation)
        except limits.LimitExceeded as error:
            return Answer(None, [str(error)])

    def _execute(
        self,
        schema: GraphQLSchema,
        reading: Reading,
        document: DocumentNode,
        variables: Mapping[str, Any] | None,
        operation: str | None,
    ) -> Answer:
        result = execute_sync(
            schema,
            document,
            context_value=reading,
            variable_values=dict(variables or {}),
            operation_name=operation,
            execution_context_class=limits.Execution,
        )
        return Answer(result.data, _sentences(result.errors or ()) or None)

    def _prepare(self, query: str) -> _Prepared:
        if len(query) > limits.MAX_CHARACTERS:
            raise InvalidParameter(
                f"The query has {len(query)} characters; at most {limits.MAX_CHARACTERS} are read."
            )
        try:
            document = parse(query, no_location=True, max_tokens=limits.MAX_TOKENS)
        except GraphQLSyntaxError as error:
            raise InvalidParameter(f"The query is not valid GraphQL: {error.message}") from None
        except RecursionError:
            raise InvalidParameter("The query is nested too deeply.") from None
        if excess := limits.check(document, self._limits):
            return _Prepared(document, [excess])
        errors = validate(self._schema, document, self._rules)
        return _Prepared(document, [_of_query(error) for error in errors])


def _of_query(error: GraphQLError) -> str:
    """The sentence for an error of validation."""
    if isinstance(error.original_error, ValueError):  # int() accepts at most 4,300 digits
        return "The query holds a number with too many digits."
    return error.message


def _sentences(errors: Iterable[GraphQLError]) -> list[str]:
    """The messages of errors that the query caused; any other error is raised."""
    sentences = []
    for error in errors:
        cause = error.original_error
        if isinstance(cause, ApiError) and cause.status < 500:
            sentences.append(cause.message)
        elif cause is None or isinstance(cause, GraphQLError):
            sentences.append(error.message)
        else:
            raise cause
    return sentences
