"""Request and response messages of the REST API, one module per resource."""
