"""Processes, signals, privileges, the service manager."""
