"""Runs of Neptune, taken over from the Parquet files and folders that neptune-exporter writes."""
