"""Names of signals, in one place: a command may be ended by a signal without a name."""

import signal


def signal_name(number: int) -> str:
    """Return the name of a signal; most of the real-time signals have a number only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
