"""End of study, user commands."""
