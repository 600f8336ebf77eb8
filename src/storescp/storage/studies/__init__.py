"""Which study is open, when it ends."""
