"""MCP servers, their versions, and where they are reached."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from tandem_metadata.database.head.base import HEAD, workspace

mcp_servers = Table(
    "mcp_servers",
    HEAD,
    workspace(),
    Column("name", String(256), nullable=False),
    Column("display_name", String(256)),
    Column("description", Text),
    Column("icons", JSON),
    Column("created_by", String(256)),
    Column("last_updated_by", String(256)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name", name="mcp_servers_pk"),
)

mcp_server_versions = Table(
    "mcp_server_versions",
    HEAD,
    workspace(),
    Column("name", String(256), nullable=False),
    Column("version", String(128), nullable=False),
    Column("version_major", Integer, nullable=False),
    Column("version_minor", Integer, nullable=False),
    Column("version_patch", Integer, nullable=False),
    Column("version_prerelease_sort_key", String(512), nullable=False),
    Column("server_json", JSON, nullable=False),
    Column("status", String(20), server_default="draft", nullable=False),
    Column("tools", JSON),
    Column("source", String(512)),
    Column("connect_options", JSON),
    Column("created_by", String(256)),
    Column("last_updated_by", String(256)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name", "version", name="mcp_server_versions_pk"),
    ForeignKeyConstraint(
        ["workspace", "name"],
        ["mcp_servers.workspace", "mcp_servers.name"],
        name="mcp_server_versions_server_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
    Index(
        "idx_mcp_server_versions_latest",
        "workspace",
        "name",
        "status",
        text("version_major DESC"),
        text("version_minor DESC"),
        text("version_patch DESC"),
    ),
)

mcp_server_tags = Table(
    "mcp_server_tags",
    HEAD,
    workspace(),
    Column("name", String(256), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    PrimaryKeyConstraint("workspace", "name", "key", name="mcp_server_tags_pk"),
    ForeignKeyConstraint(
        ["workspace", "name"],
        ["mcp_servers.workspace", "mcp_servers.name"],
        name="mcp_server_tags_server_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
)

mcp_server_version_tags = Table(
    "mcp_server_version_tags",
    HEAD,
    workspace(),
    Column("name", String(256), nullable=False),
    Column("version", String(128), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    PrimaryKeyConstraint("workspace", "name", "version", "key", name="mcp_server_version_tags_pk"),
    ForeignKeyConstraint(
        ["workspace", "name", "version"],
        [
            "mcp_server_versions.workspace",
            "mcp_server_versions.name",
            "mcp_server_versions.version",
        ],
        name="mcp_server_version_tags_version_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
)

mcp_server_aliases = Table(
    "mcp_server_aliases",
    HEAD,
    workspace(),
    Column("name", String(256), nullable=False),
    Column("alias", String(256), nullable=False),
    Column("version", String(128), nullable=False),
    PrimaryKeyConstraint("workspace", "name", "alias", name="mcp_server_aliases_pk"),
    ForeignKeyConstraint(
        ["workspace", "name"],
        ["mcp_servers.workspace", "mcp_servers.name"],
        name="mcp_server_aliases_server_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
)

mcp_access_endpoints = Table(
    "mcp_access_endpoints",
    HEAD,
    Column("id", String(36), nullable=False),
    workspace(),
    Column("server_name", String(256), nullable=False),
    Column("server_version", String(128)),
    Column("server_alias", String(256)),
    Column("url", String(2048), nullable=False),
    Column("transport_type", String(32), server_default="streamable-http", nullable=False),
    Column("created_by", String(256)),
    Column("last_updated_by", String(256)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="mcp_access_endpoints_pk"),
    ForeignKeyConstraint(
        ["workspace", "server_name"],
        ["mcp_servers.workspace", "mcp_servers.name"],
        name="mcp_access_endpoints_server_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
    Index("ix_mcp_access_endpoints_alias", "workspace", "server_name", "server_alias"),
    Index("ix_mcp_access_endpoints_server_name", "workspace", "server_name"),
    Index("ix_mcp_access_endpoints_version", "workspace", "server_name", "server_version"),
)
