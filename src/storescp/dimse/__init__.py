"""PS3.7: messages, without I/O and without a clock."""
