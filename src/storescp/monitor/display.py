"""The display of `--progress` on a terminal, drawn with rich; imported only there."""

from collections.abc import Iterator
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from storescp.monitor.model import Model, OpenAssociation
from storescp.monitor.report import kind, why
from storescp.monitor.words import clock, duration, number, size

_PROBLEMS = 3
_OVERHEAD = 4
"""Lines besides those of associations and problems."""


def draw(model: Model, now: float, *, height: int, identifiers: bool) -> Group:
    """Return the picture of the moment.

    Args:
        model: the facts.
        now: seconds since 1970.
        height: lines of the terminal; the picture takes less.
        identifiers: whether what identifies patients is shown.
    """
    problems = list(islice(reversed(model.problems.values()), _PROBLEMS))
    room = max(1, height - _OVERHEAD - len(problems) - 1)
    shown = list(model.associations.values())
    parts: list[RenderableType] = [_summary(model, now)]
    if shown:
        parts.append(_associations(shown[-room:], now, identifiers=identifiers))
    if len(shown) > room:
        parts.append(_line(f"and {len(shown) - room} more", "dim"))
    for problem in problems:
        text = problem.why if identifiers else why(problem)
        who = ", ".join(filter(None, (problem.calling_ae_title, problem.peer)))
        again = f" ({problem.count} times)" if problem.count > 1 else ""
        parts.append(_line(f"{clock(problem.last)} {kind(problem)}{again}: {who}: {text}", "red"))
    return Group(*parts)


def summary(model: Model, now: float) -> str:
    """Return the totals in one line."""
    return ", ".join(_totals(model, now))


def _totals(model: Model, now: float) -> Iterator[str]:
    titles = model.by_calling_ae_title.values()
    yield number(sum(each.associations for each in titles), "association", "associations")
    yield number(sum(each.objects for each in titles), "object", "objects")
    yield size(sum(each.bytes for each in titles))
    if model.associations:
        yield f"{size(model.rate(now))}/s"
    completed = sum(model.studies_completed.values())
    if completed:
        yield number(completed, "study complete", "studies complete")
    refused = sum(model.refused_by_status.values())
    if refused:
        yield number(refused, "object refused", "objects refused")
    turned_away = sum(model.rejected.values()) + sum(model.connections_refused.values())
    if turned_away:
        yield number(turned_away, "peer refused", "peers refused")
    aborted = sum(model.aborted.values())
    if aborted:
        yield number(aborted, "association aborted", "associations aborted")
    failed = sum(each.failed for each in model.commands.values())
    if failed:
        yield number(failed, "command failed", "commands failed")
    if model.events_dropped:
        yield f"{model.events_dropped} events not counted"


def _summary(model: Model, now: float) -> Text:
    where = f"storescp, port {model.listening.port}" if model.listening else "storescp"
    text = _line(f"{where}: ", "bold")
    text.append(summary(model, now), "default")
    return text


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _associations(shown: list[OpenAssociation], now: float, *, identifiers: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    for title, justify in (
        ("from", "left"),
        ("address", "left"),
        ("to", "left"),
        ("study", "left"),
        ("objects", "right"),
        ("size", "right"),
        ("rate", "right"),
        ("since", "right"),
    ):
        # What must be cut is the text, not the numbers.
        table.add_column(
            title,
            justify="left" if justify == "left" else "right",
            no_wrap=True,
            overflow="ellipsis",
            min_width=6 if justify == "right" else None,
        )
    for each in shown:
        cells = (
            each.calling_ae_title,
            each.peer,
            each.called_ae_title,
            _study(each, identifiers=identifiers),
            f"{each.objects:,}",
            size(each.bytes),
            f"{size(each.rate.at(now))}/s",
            duration(now - each.since),
        )
        table.add_row(*map(Text, cells))
    return table


def _study(association: OpenAssociation, *, identifiers: bool) -> str:
    study = association.study
    if study is None:
        return ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(study.modalities.items()))
    named = f" {study.patient}" if identifiers and study.patient else ""
    return f"no. {study.number}{named}: {kinds}"
