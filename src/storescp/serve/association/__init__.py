"""One association over one connection."""
