"""Checks of requests and settings that need neither SQL nor HTTP."""
