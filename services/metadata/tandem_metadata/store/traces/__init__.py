"""Traces: their rows, spans, tags and metadata, and assessments."""
