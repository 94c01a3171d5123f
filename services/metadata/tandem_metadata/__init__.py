"""MLflow's tracking API over SQLite or PostgreSQL."""
