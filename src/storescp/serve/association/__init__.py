"""One association over one transport connection."""
