"""Protection against requests that a browser sends without its user's intent."""
