"""The GraphQL endpoint, by which the web UI reads experiments and runs."""

from collections.abc import Collection
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.artifacts.listing_parser import CompressedEntries
from tandem_metadata.database import Connection
from tandem_metadata.graphql.limits import Limits
from tandem_metadata.graphql.resolvers import Listing, Listings
from tandem_metadata.graphql.service import GraphQL
from tandem_metadata.routes.endpoint import Context, decode
from tandem_metadata.routes.relaying import entries
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.errors import ApiError
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

_MAX_BODY_BYTES = 1024 * 1024


class Query(Struct):
    """Request of `/graphql`."""

    query: codec.Required
    variables: dict[str, Any] | None = None
    operation_name: str | None = field(name="operationName", default=None)


_NEEDS_ARTIFACTS = "mlflowListArtifacts"


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`POST /graphql`; a GET could be cached, and sent by a link."""
    settings = context.settings
    graphql = GraphQL(
        Limits(settings.graphql_max_root_fields, settings.graphql_max_aliases),
        introspection=settings.graphql_introspection,
    )
    limit = min(settings.max_body_bytes, _MAX_BODY_BYTES)

    def plan(conn: Connection, query: Query) -> Collection[Listing]:
        return graphql.plan(conn, query.query, query.variables, query.operation_name)

    def answer(conn: Connection, query: Query, listings: Listings) -> bytes:
        found = graphql.answer(conn, query.query, query.variables, query.operation_name, listings)
        return codec.encode_json(found)

    async def post(request: Request) -> Response:
        query = await decode(request, Query, limit)
        listings: Listings = {}
        if _NEEDS_ARTIFACTS in query.query:
            planned = await context.read(plan, query)
            listings = {each: await _list(client, request, each) for each in planned}
        return json_response(await context.read(answer, query, listings))

    return [Route("POST", "/graphql", post, SIGNED_IN, reads=True)]


async def _list(
    client: ArtifactClient, request: Request, listing: Listing
) -> CompressedEntries | ApiError:
    """The entries of a listing, or its error, which belongs to one field of the answer."""
    try:
        return await entries(client, request, listing.root_uri, listing.path)
    except ApiError as error:
        return error
