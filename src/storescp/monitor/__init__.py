"""What a person sees of the receiver while it works: facts gathered from events, a page, metrics, a display."""
