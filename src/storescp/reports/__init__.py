"""Print instead of receiving: check, conformance."""
