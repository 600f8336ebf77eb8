"""Files: names, writing, studies and what follows a study. Knows nothing of sockets."""
