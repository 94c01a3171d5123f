"""The client of the artifacts service: where files are, how this host lists and relays them."""
