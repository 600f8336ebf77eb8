"""Sockets, TLS, processes and signals."""
