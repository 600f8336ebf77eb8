"""Files and directories of instances."""
