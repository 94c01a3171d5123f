"""The client of the artifacts service: resolves artifact URIs, lists files and relays them."""
