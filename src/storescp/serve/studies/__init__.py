"""The end of studies: user commands, and what is kept for them."""
