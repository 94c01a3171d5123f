"""Serving: one process or several on one socket, an ASGI server each, and a graceful stop."""
