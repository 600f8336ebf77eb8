"""Names of files and directories."""
