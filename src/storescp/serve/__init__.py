"""Sockets, TLS, processes, signals."""
