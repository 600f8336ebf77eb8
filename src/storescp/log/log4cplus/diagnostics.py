"""Diagnostics of the logging machinery. It cannot use the log, so it writes to standard error."""

from collections.abc import Mapping

from storescp.best_effort_output import StandardStream


class Diagnostics:
    """Messages about the configuration and about appenders that fail, as the reference's library writes them."""

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        self.quiet = quiet
        self.debugging = debug
        self._output = StandardStream("stdout")
        self._errors = StandardStream("stderr")

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Diagnostics":
        """Return what the two environment variables of the reference ask for."""
        return cls(
            quiet=boolean(environment.get("DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE", ""), default=False),
            debug=boolean(
                environment.get("DCMTK_LOG4CPLUS_LOGLOG_DEBUGENABLED", ""), default=False
            ),
        )

    def error(self, text: str) -> None:
        self._complain("ERROR", text)

    def warn(self, text: str) -> None:
        self._complain("WARN", text)

    def debug(self, text: str) -> None:
        """Tell on standard output what is being set up."""
        if self.debugging and not self.quiet:
            self._output.write(f"log4cplus: {text}\n")

    def _complain(self, kind: str, text: str) -> None:
        if not self.quiet:
            self._errors.write(f"log4cplus:{kind} {text}\n")


def boolean(text: str, *, default: bool) -> bool:
    """Read `true`, `false` or an integer; anything else is the default."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    number = integer(text)
    return default if number is None else number != 0


def integer(text: str) -> int | None:
    """Read a decimal integer of 32 bits with nothing behind it."""
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        return None
    number = int(text)
    return number if -(2**31) <= number < 2**31 else None
