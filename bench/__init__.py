"""Benchmarks: what storescp reaches beside its peers, on the machine at hand."""
