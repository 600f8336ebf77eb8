"""Command line and files become settings."""
