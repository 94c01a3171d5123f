"""What evaluations use: datasets, with their records, tags and experiments, and scorers.

What changes a dataset locks its row first, so that records and counts that come at once are all
kept.
"""
