"""GraphQL for the web UI: MLflow's schema, answered by the stores; below routes, without SQL."""
