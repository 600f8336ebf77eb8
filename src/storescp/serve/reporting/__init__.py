"""Reporting: log lines, explanations and events."""
