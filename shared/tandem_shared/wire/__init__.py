"""The wire format of MLflow's REST API: JSON and query strings to typed messages and back."""
