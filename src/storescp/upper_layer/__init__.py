"""PDUs, negotiation, states (PS3.8).

No I/O and no clock.
"""
