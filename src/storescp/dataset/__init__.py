"""Data elements and encodings (PS3.5, PS3.10).

No I/O and no clock.
"""
