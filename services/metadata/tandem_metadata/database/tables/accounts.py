"""MLflow's tables of accounts, at its revision f1a2b3c4d5e6, and Tandem's tokens beside them.

They are in the database of `--backend-store-uri`, or in one of their own. MLflow keeps their
revision in `alembic_version_auth`.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

ACCOUNTS: Final = MetaData()
"""MLflow's tables."""

REVISION: Final = "f1a2b3c4d5e6"

users = Table(
    "users",
    ACCOUNTS,
    Column("id", Integer, nullable=False),
    Column("username", String(255)),
    Column("password_hash", String(255)),
    Column("is_admin", Boolean),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("username"),
)

roles = Table(
    "roles",
    ACCOUNTS,
    Column("id", Integer, nullable=False),
    Column("name", String(255), nullable=False),
    Column("workspace", String(63), nullable=False),
    Column("description", String(1024)),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("workspace", "name", name="unique_workspace_role_name"),
    Index("idx_roles_workspace", "workspace"),
)

role_permissions = Table(
    "role_permissions",
    ACCOUNTS,
    Column("id", Integer, nullable=False),
    Column("role_id", Integer, ForeignKey("roles.id"), nullable=False),
    Column("resource_type", String(64), nullable=False),
    Column("resource_pattern", String(255), nullable=False),
    Column("permission", String(255), nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint(
        "role_id", "resource_type", "resource_pattern", name="unique_role_resource_perm"
    ),
    Index("idx_role_permissions_role_id", "role_id"),
)

user_role_assignments = Table(
    "user_role_assignments",
    ACCOUNTS,
    Column("id", Integer, nullable=False),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
    Column("role_id", Integer, ForeignKey("roles.id"), nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("user_id", "role_id", name="unique_user_role"),
    Index("idx_user_role_assignments_user_id", "user_id"),
    Index("idx_user_role_assignments_role_id", "role_id"),
)

TOKENS: Final = MetaData()
"""Tandem's own, which MLflow leaves alone. Without foreign keys: MLflow's migrations know none."""

tokens = Table(
    "tandem_tokens",
    TOKENS,
    Column("token_id", String(36), primary_key=True),
    # SHA-256 of the token, in hexadecimal: 256 random bits need no slower hash.
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", Integer, nullable=False),
    # SQLite gives the id of a deleted user to the next one, and MLflow leaves tokens alone when it
    # deletes users: a token is good for the name that it was made for only.
    Column("username", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    # Milliseconds since 1970.
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("read_only", Boolean, nullable=False),
    # Ids of experiments as a JSON list; NULL for no restriction.
    Column("experiments", Text),
    Index("idx_tandem_tokens_user_id", "user_id"),
)

signing_keys = Table(
    "tandem_signing_keys",
    TOKENS,
    # RFC 7638's thumbprint of the key, in base64.
    Column("key_id", String(64), primary_key=True),
    # The public half, as RFC 8037's "x". Private halves are nowhere but in a worker's memory.
    Column("public_key", String(64), nullable=False),
    # Milliseconds since 1970.
    Column("expires_at", BigInteger, nullable=False),
)

sessions = Table(
    "tandem_sessions",
    TOKENS,
    # SHA-256 of the id that the browser's cookie holds, in hexadecimal.
    Column("digest", String(64), primary_key=True),
    # NULL while the login is under way.
    Column("user_id", Integer),
    # Milliseconds since 1970.
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("refresh_at", BigInteger),
    Column("data", Text, nullable=False),
    Index("idx_tandem_sessions_user_id", "user_id"),
    Index("idx_tandem_sessions_expires_at", "expires_at"),
)
