"""MLflow's artifact proxy over disk, S3, MinIO, Azure or Google Cloud."""
