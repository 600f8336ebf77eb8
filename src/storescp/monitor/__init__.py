"""Status page, metrics, terminal.

What a person sees of the receiver while it works, gathered from its events in processes of their own.
"""
