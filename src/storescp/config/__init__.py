"""Texts that become settings."""
