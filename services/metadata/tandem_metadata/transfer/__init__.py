"""Data on its way in or out: file stores, databases, exported files, artifact roots."""
