"""What holds for every test: in CI no test may be skipped for want of a tool, and what is compiled runs compiled.

`pytest --pure` runs the plain Python of the modules that are compiled, in the tests' own process.
"""

import importlib.abc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from storescp.compilation import MODULES, Form, form

# How long an example takes says more about the machine than about the code: speed is measured in bench/.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run with skipped tests into a failure where CI is set."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not IN_CI or reporter is None or not reporter.stats.get("skipped"):
        return
    reporter.write_line("skipped tests are failures in CI", red=True)
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let people choose the form."""
    parser.addoption(
        "--pure", action="store_true", help="import the plain Python of modules that are compiled"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make sure that what is tested is what the developer believes to test."""
    if config.getoption("--pure"):
        sys.meta_path.insert(0, PureFinder())
        return
    if form() is Form.COMPILED:
        if stale := [name for name in MODULES if is_stale(name)]:
            raise pytest.UsageError(
                f"compiled before its source was changed: {', '.join(stale)}; run `make install`"
            )
    elif MODULES and (IN_CI or os.environ.get("STORESCP_BUILD") == "compiled"):
        raise pytest.UsageError("nothing is compiled; `make install` says why")


class PureFinder(importlib.abc.MetaPathFinder):
    """Finds the source of modules that are compiled, before the extension module beside it is found."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return where the source of `fullname` is, if that is a module that is compiled."""
        if fullname not in MODULES or path is None:
            return None
        return spec_from_file_location(fullname, source_of(fullname, path[0]))


def source_of(module: str, directory: str) -> Path:
    """Return the source of `module`, which is in the package of that directory."""
    return Path(directory, module.rpartition(".")[2]).with_suffix(".py")


def is_stale(module: str) -> bool:
    """Return whether a compiled module is older than its source or the types beside it."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    source = source_of(module, str(Path(found.origin).parent))
    made = Path(found.origin).stat().st_mtime
    inputs = [source, *source.parent.glob("*.pxd")]
    return any(path.exists() and path.stat().st_mtime > made for path in inputs)
