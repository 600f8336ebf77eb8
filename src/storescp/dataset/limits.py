"""Limits and kinds that several modules of the walk share, in plain Python: what is typed in a `.pxd` is seen by C alone."""

LARGE = 0x1000
"""Bytes from which a run of unchanged bytes passes as a view: copying less is cheaper than one more chunk."""

LONGEST_SEEN_WHOLE = 0x1000
"""Bytes of a value that a rule sees as a whole."""

LONGEST_CHECKED_SEQUENCE = 0x100000
"""Bytes of a UN that are parsed before they become a sequence."""

MOST_NESTED_SEQUENCES = 64
"""The reference's limit."""

MOST_SORTED = 1 << 20
"""Elements of one level that can be brought into order; each takes some 60 bytes."""

NEVER = 1 << 62
"""The offset of the end of what has no length."""

NO_GROUP = -1
"""Instead of a group whose length waits for its value."""

ELEMENTS, ITEMS, FRAGMENTS = range(3)
"""Kinds of the parts of a level."""
