"""Children, signals, privileges."""
