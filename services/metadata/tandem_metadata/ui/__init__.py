"""The web UI's files: which there are, in which compressed forms, and our additions to them."""
