"""Reports that are printed instead of receiving: the check and the conformance statement."""
