"""HTTP routes, one module a resource; they hold no SQL."""
