"""The GraphQL endpoint, by which the web UI reads experiments and runs."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.artifacts.listing_parser import CompressedEntries
from tandem_metadata.database import Connection
from tandem_metadata.graphql.limits import Limits
from tandem_metadata.graphql.reading import ALL, Asked, Listing, Listings, Permitted, Planned
from tandem_metadata.graphql.resolvers import OPERATIONS
from tandem_metadata.graphql.service import GraphQL
from tandem_metadata.routes.endpoint import Context, decode
from tandem_metadata.routes.relaying import entries
from tandem_shared.auth.rules import PRINCIPAL, Rule
from tandem_shared.errors import ApiError, Unauthenticated
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

_MAX_BODY_BYTES = 1024 * 1024


class Query(Struct):
    """Request of `/graphql`."""

    query: codec.Required
    variables: dict[str, Any] | None = None
    operation_name: str | None = field(name="operationName", default=None)


_NEEDS_ARTIFACTS = "mlflowListArtifacts"

FIELDS = Rule("any user; each field has a rule of its own")


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`POST /graphql`; a GET could be cached, and sent by a link."""
    settings = context.settings
    graphql = GraphQL(
        Limits(settings.graphql_max_root_fields, settings.graphql_max_aliases),
        introspection=settings.graphql_introspection,
    )
    limit = min(settings.max_body_bytes, _MAX_BODY_BYTES)

    def plan(conn: Connection, query: Query) -> Mapping[Asked, Planned]:
        return graphql.plan(conn, query.query, query.variables, query.operation_name)

    def answer(conn: Connection, query: Query, listings: Listings, permitted: Permitted) -> bytes:
        given = query.query, query.variables, query.operation_name
        return codec.encode_json(graphql.answer(conn, *given, listings, permitted))

    async def post(request: Request) -> Response:
        query = await decode(request, Query, limit)
        checked = context.gate is not None and not request.scope[PRINCIPAL].admin
        planned: Mapping[Asked, Planned] = {}
        if checked or _NEEDS_ARTIFACTS in query.query:
            planned = await context.read(plan, query)
        permitted = ALL
        if context.gate and checked:
            decided = {
                asked: await _refusal(context, request, asked, each)
                for asked, each in planned.items()
            }
            permitted = Permitted(decided, await context.gate.view())
        needed = {
            each.listing
            for asked, each in planned.items()
            if each.listing and not (permitted.decided and permitted.decided[asked])
        }
        listings = {each: await _list(client, request, each) for each in needed}
        return json_response(await context.read(answer, query, listings, permitted))

    return [Route("POST", "/graphql", post, FIELDS, reads=True)]


async def _refusal(
    context: Context, request: Request, asked: Asked, planned: Planned
) -> ApiError | None:
    """Why an operation may not be asked for; None if it may."""
    try:
        await context.check(request, OPERATIONS[asked.operation].permission, planned.message)
    except ApiError as refusal:
        if isinstance(refusal, Unauthenticated) or refusal.status >= 500:
            raise
        return refusal
    return None


async def _list(
    client: ArtifactClient, request: Request, listing: Listing
) -> CompressedEntries | ApiError:
    """The entries of a listing, or its error, which belongs to one field of the answer."""
    try:
        return await entries(client, request, listing.root_uri, listing.path)
    except ApiError as error:
        return error
