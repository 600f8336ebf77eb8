"""TLS 1.0 to 1.3, certificates."""
