"""What operators see: request ids, JSON log lines and Prometheus metrics."""
