"""Group commit and grouped reads: what many requests ask for, done in one transaction."""
