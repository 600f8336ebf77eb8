"""When a command that failed is tried again. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and after which pauses."""

    attempts: int = 6
    """How often a command is started, at most."""
    first_pause: float = 10.0
    """Seconds after the first failure; each pause is twice the one before."""
    longest_pause: float = 3600.0

    def pause_after(self, attempts: int) -> float | None:
        """Return the seconds to wait after so many attempts have failed; None: not again."""
        if attempts >= self.attempts:
            return None
        doublings = min(attempts - 1, 64)  # beyond that it is longer than any limit
        return min(self.first_pause * 2.0**doublings, self.longest_pause)
