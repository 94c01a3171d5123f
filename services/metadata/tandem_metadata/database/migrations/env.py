"""Alembic's environment: migrations run in the transaction of the connection given to it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
