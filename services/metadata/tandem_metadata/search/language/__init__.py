"""The search language: filter and order_by text to comparisons over fields, without SQL."""
