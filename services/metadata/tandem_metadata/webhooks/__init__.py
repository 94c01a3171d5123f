"""Delivering webhooks: allowed targets, signatures, requests and retries."""
