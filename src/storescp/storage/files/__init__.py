"""Hidden files and their commit."""
