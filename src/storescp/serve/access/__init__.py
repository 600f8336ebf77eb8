"""Which hosts and AE titles are let in."""
