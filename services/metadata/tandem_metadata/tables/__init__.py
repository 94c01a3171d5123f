"""SQLAlchemy Core tables of MLflow's schema."""
