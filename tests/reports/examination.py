"""Run --check on a command line, and pick what it remarks."""

import socket

from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from storescp.reports import check
from storescp.reports.check import Report, Weight


def examined(*arguments: str, port: int | None = None, now: float | None = None) -> Report:
    """Examine a command line; without a port with one that is free."""
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as some:
            port = some.getsockname()[1]
    return check.examine(Evaluation(parse([*arguments, str(port)])).run(Stage.SECURITY), now)


def of(report: Report, weight: Weight) -> list[str]:
    return [text for found, text in report.remarks if found is weight]
