"""MLflow's artifact proxy over disk, S3 or MinIO."""
