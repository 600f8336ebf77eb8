"""C-STORE and C-ECHO messages (PS3.7).

No I/O and no clock.
"""
