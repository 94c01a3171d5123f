"""What protects a service from requests that its users did not mean to send."""
