"""Accepting connections, and handing them to whoever serves them."""
