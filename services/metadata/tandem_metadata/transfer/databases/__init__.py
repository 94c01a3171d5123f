"""A database taken into another: SQLite or PostgreSQL, MLflow's or Tandem's, either way."""
