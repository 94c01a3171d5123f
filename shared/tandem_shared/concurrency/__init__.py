"""Threads and cancellation: where blocking code meets the event loop."""
