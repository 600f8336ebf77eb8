"""What holds for every test: in CI no test may be skipped for want of a tool."""

import os

import pytest
from hypothesis import settings

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
