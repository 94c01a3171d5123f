"""The web UI's files: their compressed forms, our additions, and their security policy."""
