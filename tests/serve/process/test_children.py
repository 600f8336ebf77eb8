"""Children, commands and the duties of process 1."""
