"""Who sends a request, and what its route asks of him; of both services."""
