"""Copies of experiments for other programs: a database of MLflow, or Parquet files."""
