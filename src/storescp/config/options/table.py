"""The table of options: the one place that says how options are spelled, what they take, mean and exclude.

Parsing and checking (`command_line`), the usage text and the option page of the documentation (`usage`) are made from it.
A row states facts about one option. What concerns several follows the table: in which order the alternatives of a block
are looked at, and in which order everything is evaluated, which decides the error that is reported when there are several.
"""

from collections.abc import Iterator

from storescp.config.options.evaluation import LOOK_UP_ORDER
from storescp.config.options.extensions import EXTENSION_OPTIONS
from storescp.config.options.network import GENERAL_OPTIONS, NETWORK_OPTIONS, PROCESS_OPTIONS
from storescp.config.options.output import EVENT_OPTIONS, OUTPUT_OPTIONS
from storescp.config.options.rows import Option
from storescp.config.options.security import SECURITY_OPTIONS

GROUPS = (
    GENERAL_OPTIONS,
    PROCESS_OPTIONS,
    NETWORK_OPTIONS,
    SECURITY_OPTIONS,
    OUTPUT_OPTIONS,
    EVENT_OPTIONS,
    EXTENSION_OPTIONS,
)


def options() -> Iterator[Option]:
    """Yield all rows in the order of the usage text."""
    for group in GROUPS:
        for section in group.sections:
            yield from section.options


EXTENSIONS = frozenset(
    option.long for section in EXTENSION_OPTIONS.sections for option in section.options
)
"""The options that DCMTK's storescp does not have, by their long names."""


def option_names(condition: str) -> list[str]:
    """Return the options in a condition such as "--a, --b or --c"."""
    return condition.replace(" or ", ", ").split(", ")


BY_NAME = {name: option for option in options() for name in (option.long, option.short) if name}
"""Options by both of their names."""


def _blocks() -> dict[str, tuple[Option, ...]]:
    blocks: dict[str, tuple[Option, ...]] = {}
    for option in options():
        if option.request is None:
            blocks[option.block_name] = (*blocks.get(option.block_name, ()), option)
    for name, order in LOOK_UP_ORDER.items():
        blocks[name] = tuple(BY_NAME[long] for long in order)
    return blocks


BLOCKS = _blocks()
"""The alternatives of each block in the order in which they are looked at."""
