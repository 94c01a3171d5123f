"""Deliveries to webhooks: to whom, signed how, and when again."""
