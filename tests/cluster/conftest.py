"""One installation a layout of hosts, by production values."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.cluster import edge
from tests.cluster.cluster import Cluster
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    LAYOUTS,
    METADATA,
    MIGRATE,
    ROUTED,
    Installation,
    database,
    render,
)
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server


# Once a process: this folder's tests may come in several parts, between those of others.
@pytest.fixture(scope="session")
def bucket(s3_server: S3Server) -> S3Server:
    """The S3 server with the bucket that production values name."""
    args = render().deployments[ARTIFACTS].template.container.args
    destination = args[args.index("--artifacts-destination") + 1]
    s3_server.create_bucket(destination.removeprefix("s3://").partition("/")[0])
    return s3_server


# Ends with the folder: its probes must not run beside other tests, which replace look-ups of hosts.
@pytest.fixture(scope="package", params=list(LAYOUTS))
def installation(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    bucket: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Production values installed: the migration has run, all pods are ready, both edges too."""
    directory = tmp_path_factory.mktemp(request.param)
    rendered = render(*LAYOUTS[request.param], *ROUTED)
    with ExitStack() as running:
        secrets = running.enter_context(database(postgresql))
        # The role of the ServiceAccount is S3's only credential.
        identities = {ARTIFACTS: bucket.environ}
        cluster = running.enter_context(
            Cluster(rendered, directory, IMAGE, secrets, identities).running()
        )
        cluster.finish(cluster.start_job(MIGRATE), seconds=60)
        cluster.wait_ready(
            [*cluster.start_deployment(METADATA), *cluster.start_deployment(ARTIFACTS)]
        )
        routes = {"ingress": rendered.ingress_routes, "httproute": rendered.http_routes}
        certified: dict[str, Sequence[str]] = {
            "ingress": rendered.certificate_names,
            # A Gateway has the certificates of its listeners.
            "httproute": [route.host for route in rendered.http_routes],
        }
        edges = {
            way: running.enter_context(
                edge.serve(directory / way, routes[way], certified[way], cluster.endpoints)
            )
            for way in routes
        }
        for each in edges.values():
            cluster.on_change(each.update)
        yield Installation(request.param, cluster, edges, directory)
