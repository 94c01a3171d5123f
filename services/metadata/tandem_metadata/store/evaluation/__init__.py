"""Evaluation datasets, their records, tags and experiments.

What changes a dataset locks its row first, so that records and counts that come at once are all
kept.
"""
