"""The modules that are compiled where there is a C compiler at build time, and whether this installation has them.

Their source is plain Python that runs as it is; types for Cython stand beside it in a `.pxd` file of the same name.
scripts/compile_modules.py makes extension modules of them, scripts/hatch_build.py puts those into a wheel.
"""

import enum
import importlib.util
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES

MODULES: tuple[str, ...] = (
    "storescp.dataset.cursor",
    "storescp.dataset.group_lengths",
    "storescp.dataset.header",
    "storescp.dataset.level",
    "storescp.dataset.nesting",
    "storescp.dataset.plan",
    "storescp.dataset.rewriting",
    "storescp.dataset.sorting",
    "storescp.dataset.walk",
)
"""The modules that are compiled, all of them or none: the one list that the build, the program and the tests read."""


class Form(enum.Enum):
    """The form that runs; the value is the text of `--version` and the log."""

    COMPILED = "compiled code"
    PURE = "plain Python (slower: it was not compiled when it was installed)"
    MIXED = "compiled code in part (a faulty installation: install it anew)"


def form(modules: Iterable[str] = MODULES) -> Form:
    """Return in which form `modules` are here, without importing any of them."""
    compiled = {_is_compiled(module) for module in modules}
    if compiled == {True}:
        return Form.COMPILED
    return Form.MIXED if True in compiled else Form.PURE


def _is_compiled(module: str) -> bool:
    found = importlib.util.find_spec(module)
    return found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))
