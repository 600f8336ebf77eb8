"""The picture of the moment, as lines of text."""

import io

from rich.console import Console

from storescp.events import AssociationRejected, ConnectionRefused, Listening
from storescp.monitor.display import draw, summary
from storescp.monitor.model import Model
from tests.monitor.events import ACCEPTED, RELEASED, START, event, party, stored


def drawn(
    model: Model, *, width: int = 100, height: int = 24, identifiers: bool = False
) -> list[str]:
    """Return the lines of the picture."""
    console = Console(file=io.StringIO(), width=width, height=height, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(draw(model, START + 10, height=height, identifiers=identifiers))
    return [line.rstrip() for line in captured.get().splitlines()]


def receiver_settings(peers: int) -> Model:
    model = Model(START)
    model.observe(event(Listening(104, "1.0", "fork")))
    for number in range(peers):
        whose = party(f"a{number}", f"CT{number}")
        model.observe(event(ACCEPTED, whose, pid=number))
        model.observe(event(stored(f"1.{number}", size=1_500_000), whose, after=9, pid=number))
    return model


def test_each_association_has_a_line() -> None:
    """With peer, titles, study, objects, size, rate and time."""
    first, head, line = drawn(receiver_settings(1))

    assert first.startswith("storescp, port 104: 1 association, 1 object, 1.5 MB, ")
    assert head.split() == ["from", "address", "to", "study", "objects", "size", "rate", "since"]
    assert line.split()[:7] == ["CT0", "10.0.0.7", "STORESCP", "no.", "1:", "1", "CT"]
    assert line.endswith(" s")
    assert "1.5 MB" in line


def test_names_of_patients_are_shown_only_if_asked_for() -> None:
    """A terminal is seen by whoever passes."""
    assert not any("DOE" in line for line in drawn(receiver_settings(1)))
    assert any("DOE^JOHN" in line for line in drawn(receiver_settings(1), identifiers=True))


def test_the_picture_is_never_higher_than_the_terminal() -> None:
    """What does not fit is counted."""
    model = receiver_settings(50)
    for reason in ("one", "two", "three", "four", "five"):
        model.observe(event(ConnectionRefused("timeout", reason), party()))

    lines = drawn(model, height=20)

    assert len(lines) < 20
    assert "and 38 more" in lines
    assert [line.rpartition(": ")[2] for line in lines[-3:]] == ["five", "four", "three"]


def test_lines_are_cut_where_the_terminal_ends() -> None:
    """None is broken into two."""
    model = receiver_settings(2)
    model.observe(event(AssociationRejected(1, 1, 7, "because " * 50), party()))

    lines = drawn(model, width=60)

    assert len(lines) == 5
    assert all(len(line) <= 60 for line in lines)


def test_peers_texts_are_not_markup() -> None:
    """Brackets are brackets."""
    model = Model(START)
    whose = party(title="[red]X[/red]", peer=":smile:")
    model.observe(event(ACCEPTED, whose))
    model.observe(event(ConnectionRefused("timeout", "[link=x]y"), whose))

    text = "\n".join(drawn(model))

    assert "[red]X[/red]" in text
    assert ":smile:" in text
    assert "[link=x]y" in text


def test_totals_are_one_line() -> None:
    """What did not happen is not said."""
    model = receiver_settings(1)
    model.observe(event(RELEASED, party("a0", "CT0"), pid=0))
    assert summary(model, START) == "1 association, 1 object, 1.5 MB"

    model.observe(event(ConnectionRefused("timeout", ""), party()))
    assert summary(model, START) == "1 association, 1 object, 1.5 MB, 1 peer refused"
