"""PS3.8: the upper layer protocol, without I/O and without a clock."""
