"""Reads a file store of MLflow's (`./mlruns`): records, and problems by path. Knows no database."""
