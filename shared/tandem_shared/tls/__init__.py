"""TLS: certificates in files, contexts that follow them, handshakes, and what an app learns."""
