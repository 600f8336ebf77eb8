"""PS3.5, PS3.6, PS3.10: data sets and their encodings, without I/O and without a clock."""
