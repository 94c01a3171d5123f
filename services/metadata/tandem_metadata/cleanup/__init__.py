"""What deleted things leave is removed for good, and what experiments keep for a time only."""
