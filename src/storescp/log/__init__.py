"""Logging: levels, appenders, set-up."""
