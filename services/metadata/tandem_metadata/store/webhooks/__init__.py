"""Webhooks, the events they wait for and the deliveries due, in the database."""
