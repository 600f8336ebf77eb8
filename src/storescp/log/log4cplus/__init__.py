"""The configuration language of log4cplus."""
