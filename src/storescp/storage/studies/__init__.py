"""Studies: which are open, when they end, what follows."""
