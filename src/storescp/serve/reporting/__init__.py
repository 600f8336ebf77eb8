"""Log lines, explanations, events."""
