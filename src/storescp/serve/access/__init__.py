"""Access control: which peers are let in."""
