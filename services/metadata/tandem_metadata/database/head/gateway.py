"""The AI gateway: secrets, models, endpoints, budgets and guardrails."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tandem_metadata.database.head.base import HEAD, workspace

secrets = Table(
    "secrets",
    HEAD,
    Column("secret_id", String(36), nullable=False),
    Column("secret_name", String(255), nullable=False),
    Column("encrypted_value", LargeBinary, nullable=False),
    Column("wrapped_dek", LargeBinary, nullable=False),
    Column("kek_version", Integer, nullable=False),
    Column("masked_value", String(500), nullable=False),
    Column("provider", String(64)),
    Column("auth_config", Text),
    Column("description", Text),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    workspace(),
    PrimaryKeyConstraint("secret_id", name="secrets_pk"),
    UniqueConstraint("workspace", "secret_name", name="uq_secrets_workspace_secret_name"),
    Index("idx_secrets_workspace", "workspace"),
)

_IMMUTABLE: Final = "id and name of a secret cannot be changed: its encryption depends on both"
_CHANGED: Final = "OLD.secret_id != NEW.secret_id OR OLD.secret_name != NEW.secret_name"
SECRETS_TRIGGER: Final = {
    "sqlite": (
        "CREATE TRIGGER prevent_secrets_aad_mutation BEFORE UPDATE ON secrets FOR EACH ROW "
        f"WHEN {_CHANGED} BEGIN SELECT RAISE(ABORT, '{_IMMUTABLE}'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION prevent_secrets_aad_mutation() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {_CHANGED} THEN RAISE EXCEPTION '{_IMMUTABLE}'; END IF; RETURN NEW; END; $$",
        "CREATE TRIGGER prevent_secrets_aad_mutation BEFORE UPDATE ON secrets FOR EACH ROW "
        "EXECUTE FUNCTION prevent_secrets_aad_mutation()",
    ),
}
"""Statements, by database, that make the trigger of MLflow's name."""

model_definitions = Table(
    "model_definitions",
    HEAD,
    Column("model_definition_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("secret_id", String(36)),
    Column("provider", String(64), nullable=False),
    Column("model_name", String(256), nullable=False),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    workspace(),
    PrimaryKeyConstraint("model_definition_id", name="model_definitions_pk"),
    ForeignKeyConstraint(
        ["secret_id"],
        ["secrets.secret_id"],
        name="fk_model_definitions_secret_id",
        ondelete="SET NULL",
    ),
    UniqueConstraint("workspace", "name", name="uq_model_definitions_workspace_name"),
    Index("idx_model_definitions_workspace", "workspace"),
    Index("index_model_definitions_provider", "provider"),
    Index("index_model_definitions_secret_id", "secret_id"),
)

endpoints = Table(
    "endpoints",
    HEAD,
    Column("endpoint_id", String(36), nullable=False),
    Column("name", String(255)),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    Column("routing_strategy", String(64)),
    Column("fallback_config_json", Text),
    Column("experiment_id", Integer),
    Column("usage_tracking", Boolean, server_default="0", nullable=False),
    workspace(),
    PrimaryKeyConstraint("endpoint_id", name="endpoints_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_endpoints_experiment_id",
        ondelete="SET NULL",
    ),
    UniqueConstraint("workspace", "name", name="uq_endpoints_workspace_name"),
    Index("idx_endpoints_workspace", "workspace"),
)

endpoint_model_mappings = Table(
    "endpoint_model_mappings",
    HEAD,
    Column("mapping_id", String(36), nullable=False),
    Column("endpoint_id", String(36), nullable=False),
    Column("model_definition_id", String(36), nullable=False),
    Column("weight", Float(53), nullable=False),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("linkage_type", String(64), server_default="PRIMARY", nullable=False),
    Column("fallback_order", Integer),
    PrimaryKeyConstraint("mapping_id", name="endpoint_model_mappings_pk"),
    ForeignKeyConstraint(
        ["endpoint_id"],
        ["endpoints.endpoint_id"],
        name="fk_endpoint_model_mappings_endpoint_id",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["model_definition_id"],
        ["model_definitions.model_definition_id"],
        name="fk_endpoint_model_mappings_model_definition_id",
    ),
    Index("index_endpoint_model_mappings_endpoint_id", "endpoint_id"),
    Index("index_endpoint_model_mappings_model_definition_id", "model_definition_id"),
    Index(
        "unique_endpoint_model_linkage_mapping",
        "endpoint_id",
        "model_definition_id",
        "linkage_type",
        unique=True,
    ),
)

endpoint_bindings = Table(
    "endpoint_bindings",
    HEAD,
    Column("endpoint_id", String(36), nullable=False),
    Column("resource_type", String(50), nullable=False),
    Column("resource_id", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("display_name", String(255)),
    PrimaryKeyConstraint(
        "endpoint_id", "resource_type", "resource_id", name="endpoint_bindings_pk"
    ),
    ForeignKeyConstraint(
        ["endpoint_id"],
        ["endpoints.endpoint_id"],
        name="fk_endpoint_bindings_endpoint_id",
        ondelete="CASCADE",
    ),
)

endpoint_tags = Table(
    "endpoint_tags",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    Column("endpoint_id", String(36), nullable=False),
    PrimaryKeyConstraint("key", "endpoint_id", name="endpoint_tag_pk"),
    ForeignKeyConstraint(
        ["endpoint_id"],
        ["endpoints.endpoint_id"],
        name="fk_endpoint_tags_endpoint_id",
        ondelete="CASCADE",
    ),
    Index("index_endpoint_tags_endpoint_id", "endpoint_id"),
)

budget_policies = Table(
    "budget_policies",
    HEAD,
    Column("budget_policy_id", String(36), nullable=False),
    Column("budget_unit", String(32), nullable=False),
    Column("budget_amount", Float(53), nullable=False),
    Column("duration_unit", String(32), nullable=False),
    Column("duration_value", Integer, nullable=False),
    Column("target_scope", String(32), nullable=False),
    Column("budget_action", String(32), nullable=False),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    workspace(),
    Column("target_value", String(255)),
    PrimaryKeyConstraint("budget_policy_id", name="budget_policies_pk"),
    Index("idx_budget_policies_target_value", "target_value"),
    Index("idx_budget_policies_workspace", "workspace"),
)

guardrails = Table(
    "guardrails",
    HEAD,
    Column("guardrail_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("scorer_id", String(36), nullable=False),
    Column("scorer_version", Integer, nullable=False),
    Column("stage", String(32), nullable=False),
    Column("action", String(32), nullable=False),
    Column("action_endpoint_id", String(36)),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("last_updated_by", String(255)),
    Column("last_updated_at", BigInteger, nullable=False),
    workspace(),
    PrimaryKeyConstraint("guardrail_id", name="guardrails_pk"),
    ForeignKeyConstraint(
        ["action_endpoint_id"],
        ["endpoints.endpoint_id"],
        name="fk_guardrails_action_endpoint_id",
        ondelete="SET NULL",
    ),
    ForeignKeyConstraint(
        ["scorer_id", "scorer_version"],
        ["scorer_versions.scorer_id", "scorer_versions.scorer_version"],
        name="fk_guardrails_scorer_version",
    ),
    Index("idx_guardrails_scorer", "scorer_id", "scorer_version"),
    Index("idx_guardrails_workspace", "workspace"),
)

guardrail_configs = Table(
    "guardrail_configs",
    HEAD,
    Column("endpoint_id", String(36), nullable=False),
    Column("guardrail_id", String(36), nullable=False),
    Column("execution_order", Integer),
    Column("created_by", String(255)),
    Column("created_at", BigInteger, nullable=False),
    workspace(),
    PrimaryKeyConstraint("endpoint_id", "guardrail_id", name="guardrail_configs_pk"),
    ForeignKeyConstraint(
        ["endpoint_id"],
        ["endpoints.endpoint_id"],
        name="fk_guardrail_configs_endpoint_id",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["guardrail_id"],
        ["guardrails.guardrail_id"],
        name="fk_guardrail_configs_guardrail_id",
        ondelete="CASCADE",
    ),
    Index("idx_guardrail_configs_endpoint_id", "endpoint_id"),
    Index("idx_guardrail_configs_guardrail_id", "guardrail_id"),
)
