"""Listening, pending connections, workers."""
