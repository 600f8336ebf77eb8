"""TLS: settings, the context, connections over it."""
