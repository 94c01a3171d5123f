"""Spans as values: decoding, translation, token usage, cost, documents. Neither SQL nor HTTP."""
