"""Metrics of traces: numbers of traces, spans and assessments, by time and by dimensions."""
