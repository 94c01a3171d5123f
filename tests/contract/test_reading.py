"""Each reader on the sources of a small release."""

import zipfile
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from tests.contract import database, graphql_types, operation, pages, server_routes
from tests.contract.wheel import Wheel

HANDLERS = """
from mlflow.names import PAGE
def get_endpoints():
    return (
        get_service_endpoints(ToyService, get_handler)
        + [(path, _info, ["GET"]) for path in _get_paths("/mlflow/info", version=3)]
        + [(_get_ajax_path("/mlflow/jobs/<job_id>", version=3), _job, ["PATCH"])]
        + [(_add_static_prefix("/graphql"), _graphql, ["GET", "POST"])]
        + [(_get_ajax_path(PAGE), _page, ["GET"])]
        + [(_get_ajax_path(made_at_start()), _made, ["GET"])]
    )
HANDLERS = {Get: _get}
"""
FASTAPI = """
from mlflow.server.toys_api import toys_router, prefixes
from mlflow.server.files import files_router
def create(flask_app):
    app.include_router(files_router, prefix=static_prefix)
    for route_prefix in prefixes():
        app.include_router(toys_router, prefix=route_prefix)
"""
TOYS = """
_AJAX, _API = "", ""
_BASE = "/api/3.0/mlflow/toys"
ROUTES = {Action.PLAY: "/play"}
toys_router = APIRouter(tags=["Toys"])
def prefixes() -> tuple[str, ...]:
    return (_add_static_prefix(_BASE),)
@toys_router.get("", response_model=Toys)
def search(): ...
@toys_router.delete("/{name}/tags/{key:path}")
def untag(name, key): ...
@toys_router.post(ROUTES[Action.PLAY])
def play(): ...
"""
FILES = """
files_router = APIRouter(prefix="/ajax-api/2.0/files")
@files_router.put("/{path:path}")
async def put(path): ...
"""
MIGRATION = """
revision = "b2"
down_revision = "a1"
TABLE = "runs"
def _helper(name):
    op.add_column(name, sa.Column("more", sa.Text()))
def upgrade():
    with op.batch_alter_table(TABLE) as batch_op:
        batch_op.add_column(sa.Column("user", sa.String(10)))
        batch_op.create_index("by_user", ["user"])
    op.create_table("toys", sa.Column("name", sa.String(5)), sa.PrimaryKeyConstraint("name"))
    op.execute("UPDATE runs SET user = ''")
def downgrade():
    op.drop_table("toys")
"""
MODELS = """
class SqlToy(Base):
    __tablename__ = "toys"
    name = Column(String(5), primary_key=True)
    size = Column("width", Integer, nullable=False, server_default="0")
    owner = relationship("SqlOwner")
"""
CLI = """
@click.group()
def cli(): ...
@cli.command(short_help="Run the server.")
@click.option("--dev/--no-dev", envvar="MLFLOW_DEV")
@click.option("--file", "-f", envvar=MLFLOW_FILE.name)
@cli_args.HOST
def server(dev, file, host): ...
@cli.command()
@click.option("--model")
def predict(model): ...
"""
VARIABLES = """
MLFLOW_FILE = _EnvironmentVariable("MLFLOW_FILE", str, None)
MLFLOW_FAST = _BooleanEnvironmentVariable("MLFLOW_FAST", False)
_MLFLOW_OWN = _EnvironmentVariable("_MLFLOW_OWN", str, "x")
"""
INFO = """
SERVER_INFO_ENDPOINT = "/api/3.0/mlflow/server-info"
SERVER_INFO_STORE_TYPE = "store_type"
SERVER_INFO_TOYS = (
    "toys_enabled"
)
"""
GRAPHQL = """
class MlflowSize(graphene.Enum):
    SMALL = 1
class MlflowToy(graphene.ObjectType):
    toy_name = graphene.String()
class QueryType(graphene.ObjectType):
    mlflow_get_toy = graphene.Field(MlflowToy, input=MlflowGetToyInput())
"""
EXTENSIONS = """
class MlflowToyExtension(MlflowToy):
    size = graphene.Field(MlflowSize)
class Query(QueryType):
    test = graphene.String()
"""
SCRIPT = (
    'a("ajax-api/2.0/mlflow/runs/get"),b(`ajax-api/3.0/mlflow/toys/${f({x:1})}/tags?x=${y}`),'
    "c('/graphql'),d('graphql-tag'),e(\"ajax-api/2.0/mlflow/runs/get\")"
)


def descriptors() -> dict[str, str]:
    """Modules as protoc writes them, of a service with an answered and an unanswered method."""
    options = descriptor_pb2.FileDescriptorProto(
        name="databricks.proto", package="mlflow", dependency=["google/protobuf/descriptor.proto"]
    )
    for name, fields in {
        "Version": [("major", 5, "")],
        "Endpoint": [("method", 9, ""), ("path", 9, ""), ("since", 11, ".mlflow.Version")],
        "Rpc": [("endpoints", 11, ".mlflow.Endpoint")],
    }.items():
        message = options.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, 1):
            label = 3 if field == "endpoints" else 1
            message.field.add(
                name=field, number=number, type=kind, type_name=of or None, label=label
            )
    options.extension.add(
        name="rpc", number=50000, type=11, type_name=".mlflow.Rpc", label=1,
        extendee=".google.protobuf.MethodOptions",
    )  # fmt: skip
    codes = options.enum_type.add(name="ErrorCode")
    codes.value.add(name="BROKEN", number=1)
    service = descriptor_pb2.FileDescriptorProto(
        name="service.proto", package="mlflow", dependency=["databricks.proto"]
    )
    for name in ("Get", "Databricks"):
        message = service.message_type.add(name=name)
        message.field.add(name="ids", number=1, type=9, label=3)
        message.nested_type.add(name="Response").field.add(name="n", number=1, type=5, label=1)
    methods = service.service.add(name="ToyService")
    for name, path in (("Get", "/mlflow/things/{thing.id}"), ("Databricks", "/mlflow/other")):
        method = methods.method.add(
            name=name, input_type=f".mlflow.{name}", output_type=f".mlflow.{name}.Response"
        )
        since = bytes([8, 2])
        endpoint = b"".join(
            bytes([number << 3 | 2, len(value)]) + value
            for number, value in ((1, b"GET"), (2, path.encode()), (3, since))
        )
        rpc = bytes([1 << 3 | 2, len(endpoint)]) + endpoint
        key = 50000 << 3 | 2
        tag = bytes([key & 127 | 128, key >> 7 & 127 | 128, key >> 14])
        method.options.MergeFromString(tag + bytes([len(rpc)]) + rpc)
    return {
        f"mlflow/protos/{file.name.removesuffix('.proto')}_pb2.py": (
            "if new:\n"
            f"  DESCRIPTOR = _pool.Default().AddSerializedFile({file.SerializeToString()!r})\n"
        )
        for file in (options, service)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    path = tmp_path_factory.mktemp("wheel") / "mlflow-1.2.3-py3-none-any.whl"
    files = {
        "mlflow/names.py": 'PAGE = "/mlflow/page"',
        "mlflow/server/handlers.py": HANDLERS,
        "mlflow/server/__init__.py": (
            '@app.route(_add_static_prefix("/files/<path:name>"), methods=["POST"])\ndef f(): ...'
        ),
        "mlflow/server/fastapi_app.py": FASTAPI,
        "mlflow/server/toys_api.py": TOYS,
        "mlflow/server/files.py": FILES,
        "mlflow/exceptions.py": "ERROR_CODE_TO_HTTP_STATUS = {ErrorCode.Name(BROKEN): 500}",
        "mlflow/store/db_migrations/versions/a1_first.py": (
            'revision = "a1"\ndown_revision = None\ndef upgrade(): ...'
        ),
        "mlflow/store/db_migrations/versions/b2_toys.py": MIGRATION,
        "mlflow/store/tracking/dbmodels/models.py": MODELS,
        "mlflow/cli/__init__.py": CLI,
        "mlflow/utils/cli_args.py": 'HOST = click.option("--host", "-h", envvar="MLFLOW_HOST")',
        "mlflow/environment_variables.py": VARIABLES,
        "mlflow/utils/server_info.py": INFO,
        "mlflow/server/graphql/autogenerated_graphql_schema.py": GRAPHQL,
        "mlflow/server/graphql/graphql_schema_extensions.py": EXTENSIONS,
        "mlflow/server/js/build/static/js/main.0.js": SCRIPT,
        **descriptors(),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return Wheel.of_file(path)


def test_endpoints_come_from_descriptors_flask_and_fastapi(wheel: Wheel) -> None:
    read = server_routes.read(wheel)
    assert read["endpoint"] == {
        "GET=/api/2.0/mlflow/things/{id}": ("mlflow.Get", "mlflow.Get.Response"),
        "GET=/api/3.0/mlflow/info": (),
        "PATCH=/ajax-api/3.0/mlflow/jobs/{job_id}": (),
        "GET=/graphql": (),
        "POST=/graphql": (),
        "GET=/ajax-api/2.0/mlflow/page": (),
        "POST=/files/{name:path}": (),
        "GET=/api/3.0/mlflow/toys": (),
        "DELETE=/api/3.0/mlflow/toys/{name}/tags/{key:path}": (),
        "POST=/api/3.0/mlflow/toys/play": (),
        "PUT=/ajax-api/2.0/files/{path:path}": (),
    }


def test_a_path_that_only_running_would_tell_is_listed(wheel: Wheel) -> None:
    (place,) = server_routes.read(wheel)["unread"].items()
    assert place == ("mlflow/server/handlers.py:10", ("_get_ajax_path(made_at_start())",))


def test_messages_enumerations_and_statuses_are_those_of_endpoints(wheel: Wheel) -> None:
    read = server_routes.read(wheel)
    assert read["message"] == {
        "mlflow.Get": ("ids:string[]",),
        "mlflow.Get.Response": ("n:int32",),
    }
    assert read["enum"] == {"mlflow.ErrorCode": ("BROKEN=1",)}
    assert read["error"] == {"BROKEN": ("500",)}


def test_revisions_have_an_order_and_what_they_touch(wheel: Wheel) -> None:
    read = database.revisions(wheel)
    assert read == {
        "a1": ("after=nothing",),
        "b2": (
            "after=a1",
            "add_column=?.more",
            "add_column=runs.user",
            "index=runs",
            "create_table=toys",
            "statement",
        ),
    }
    assert database.order(read) == ["a1", "b2"]
    assert database.head(read) == "b2"


def test_two_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="2 heads: b2, c3"):
        database.head({"a1": ("after=nothing",), "b2": ("after=a1",), "c3": ("after=a1",)})


def test_tables_have_columns_with_types(wheel: Wheel) -> None:
    assert database.tables(wheel) == {
        "toys": ("name:String(5),key", "width:Integer,not-null,server-default")
    }


def test_commands_have_flags_with_variables(wheel: Wheel) -> None:
    assert operation.commands(wheel) == {
        "server": ("--dev/--no-dev:MLFLOW_DEV", "--file/-f:MLFLOW_FILE", "--host/-h:MLFLOW_HOST")
    }


def test_variables_have_defaults_and_internal_ones_are_left_out(wheel: Wheel) -> None:
    assert operation.variables(wheel) == {
        "MLFLOW_FILE": ("str", "default=None"),
        "MLFLOW_FAST": ("bool", "default=False"),
        "MLFLOW_DEV": ("option",),
        "MLFLOW_HOST": ("option",),
    }


def test_fields_of_server_info_are_constants(wheel: Wheel) -> None:
    assert operation.info(wheel) == {"store_type": (), "toys_enabled": ()}


def test_graphql_types_have_the_names_of_the_schema(wheel: Wheel) -> None:
    assert graphql_types.types(wheel) == {
        "MlflowSize": ("SMALL",),
        "MlflowToy": ("toyName",),
        "MlflowToyExtension": ("toyName", "size"),
        "Query": ("mlflowGetToy(input)", "test"),
    }


def test_requests_of_pages_are_paths_with_gaps(wheel: Wheel) -> None:
    assert set(pages.requests(wheel)) == {
        "/ajax-api/2.0/mlflow/runs/get",
        "/ajax-api/3.0/mlflow/toys/{}/tags",
        "/graphql",
    }


def test_something_else_than_a_wheel_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "mlflow-1.2.3-py3-none-any.whl"
    other.write_text("no archive")
    with pytest.raises(ValueError, match="no wheel of mlflow"):
        Wheel.of_file(other)
