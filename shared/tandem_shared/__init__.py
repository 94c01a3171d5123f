"""What both Tandem services share: the wire format, errors, settings, logs, metrics and serving."""

__version__ = "0.1.0"

MLFLOW_VERSION = "3.17.2"
"""The MLflow release whose REST API the services speak; `GET /version` answers it."""
