"""Open studies and their ends."""
