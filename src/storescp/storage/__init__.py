"""Objects become files, files become studies.

Knows nothing of sockets.
"""
