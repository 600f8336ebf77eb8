"""Admission of hosts and AE titles."""
