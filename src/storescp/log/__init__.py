"""Levels, appenders, set-up of logging."""
