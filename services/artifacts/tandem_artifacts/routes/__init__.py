"""HTTP routes; they see drivers through `drivers.base` only."""
