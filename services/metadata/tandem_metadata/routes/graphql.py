"""The GraphQL endpoint, by which the web UI reads experiments and runs."""

from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.database import Connection
from tandem_metadata.graphql.limits import Limits
from tandem_metadata.graphql.service import GraphQL
from tandem_metadata.routes.endpoint import Context, decode
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

_MAX_BODY_BYTES = 1024 * 1024


class Query(Struct):
    """Request of `/graphql`."""

    query: codec.Required
    variables: dict[str, Any] | None = None
    operation_name: str | None = field(name="operationName", default=None)


def routes(context: Context) -> list[Route]:
    """`POST /graphql`; a GET could be cached, and sent by a link."""
    settings = context.settings
    graphql = GraphQL(
        Limits(settings.graphql_max_root_fields, settings.graphql_max_aliases),
        introspection=settings.graphql_introspection,
    )
    limit = min(settings.max_body_bytes, _MAX_BODY_BYTES)

    def answer(conn: Connection, query: Query) -> bytes:
        found = graphql.answer(conn, query.query, query.variables, query.operation_name)
        return codec.encode_json(found)

    async def post(request: Request) -> Response:
        query = await decode(request, Query, limit)
        return json_response(await context.read(answer, query))

    return [Route("POST", "/graphql", post, reads=True)]
