"""What events make of the model."""

import random
import tracemalloc

import pytest

from storescp.events import (
    AssociationRejected,
    CommandEnded,
    CommandFailed,
    CommandStarted,
    ConnectionRefused,
    Event,
    EventsDropped,
    Fact,
    Listening,
    ObjectRefused,
    Stopping,
    StudyComplete,
)
from storescp.monitor.model import OTHER, Limits, Model
from tests.monitor.events import (
    ACCEPTED,
    CT,
    LITTLE,
    LOST,
    RELEASED,
    START,
    event,
    party,
    stored,
)

COMPLETE = StudyComplete("1.9", "/in/s_1.9", 2, "timeout")
REFUSED = ObjectRefused("A700", CT, "1.2.3", "CT", LITTLE, "cannot write", 0.1)


def model(*events: Event, limits: Limits | None = None) -> Model:
    made = Model(START) if limits is None else Model(START, limits)
    for each in events:
        made.observe(each)
    return made


def test_an_association_is_there_from_its_acceptance_to_its_end() -> None:
    """It has its peer, what it brought, and the study that it brings."""
    seen = model(
        event(ACCEPTED, party()),
        event(stored(size=600), party(), after=1),
        event(stored(size=400), party(), after=2),
    )

    (association,) = seen.associations.values()
    assert (association.calling_ae_title, association.peer) == ("CT1", "10.0.0.7")
    assert (association.objects, association.bytes) == (2, 1000)
    assert association.study is seen.studies["1.9"]
    assert (association.since, association.last) == (START, START + 2)

    seen.observe(event(RELEASED, party(), after=3))

    assert not seen.associations
    assert not seen.studies["1.9"].brought_by


def test_a_study_collects_its_objects_from_all_associations() -> None:
    """Objects by modality, size, first and last object; the newest study is the last."""
    seen = model(
        event(ACCEPTED, party("a1"), pid=1),
        event(ACCEPTED, party("a2", "MR1"), pid=2),
        event(stored("1.1"), party("a1"), after=1, pid=1),
        event(stored("1.2", modality="MR"), party("a2", "MR1"), after=2, pid=2),
        event(stored("1.1", modality="SR"), party("a2", "MR1"), after=3, pid=2),
        event(stored("1.1", modality=None), party("a1"), after=4, pid=1),
    )

    study = seen.studies["1.1"]
    assert list(seen.studies) == ["1.2", "1.1"]
    assert study.modalities == {"CT": 1, "SR": 1, "OT": 1}
    assert (study.objects, study.bytes) == (3, 3000)
    assert (study.first, study.last) == (START + 1, START + 4)
    assert study.brought_by == {"a1", "a2"}
    assert study.patient == "DOE^JOHN"


def test_a_complete_study_that_gets_another_object_is_in_its_next_round() -> None:
    """Its end was announced; a later object opens it anew."""
    seen = model(event(ACCEPTED, party()), event(stored(), party()), event(COMPLETE, after=9))
    study = seen.studies["1.9"]
    assert (study.completed, study.round) == (START + 9, 1)

    seen.observe(event(stored(), party(), after=20))
    assert (study.completed, study.round) == (None, 2)

    seen.observe(event(COMPLETE, after=30))
    assert (study.completed, study.round) == (START + 30, 2)
    assert seen.studies_completed == {"timeout": 2}


def test_objects_without_a_study_count_all_the_same() -> None:
    """With --bit-preserving nobody knows the study."""
    seen = model(event(ACCEPTED, party()), event(stored(None), party()))

    assert seen.by_calling_ae_title["CT1"].objects == 1
    assert not seen.studies


def test_commands_run_and_end() -> None:
    """They count for their kind, and for the study that they are about."""
    study = "1.9"
    seen = model(
        event(ACCEPTED, party()),
        event(stored(), party()),
        event(CommandStarted("study", "x", 7, study)),
        event(CommandStarted("study", "x", 8, study)),
        event(CommandStarted("object", "x", 9)),
    )
    assert seen.studies["1.9"].commands.running == 2

    seen.observe(event(CommandEnded("study", "x", 7, 0.1, study)))
    seen.observe(event(CommandFailed("study", "x", "exit status 3", 3, 8, study)))
    seen.observe(event(CommandFailed("study", "x", "no such shell", None, None, study)))
    seen.observe(event(CommandEnded("object", "x", 99, 0.1)))  # its start was lost

    commands = seen.studies["1.9"].commands
    assert (commands.running, commands.ended, commands.failed) == (0, 1, 2)
    assert (seen.commands["object"].running, seen.commands["object"].ended) == (1, 1)
    assert [problem.why for problem in seen.problems.values()] == ["exit status 3", "no such shell"]


def test_a_command_that_is_tried_again_has_not_failed_yet() -> None:
    """Its attempts are counted, and named among the problems."""
    again = CommandFailed("study", "x", "exit status 3", 3, 7, "1.9", "id", 1, 10.0)
    seen = model(
        event(stored(), party()), event(again), event(again._replace(next_attempt_in=None))
    )

    commands = seen.studies["1.9"].commands
    assert (commands.repeated, commands.failed) == (1, 1)
    assert list(seen.problems.values())[-1].count == 2


def test_rounds_are_those_of_the_receiver_where_it_counts_them() -> None:
    """It may remember them from before its start."""
    seen = model(event(stored()._replace(round=4), party()))
    assert seen.studies["1.9"].round == 4

    seen.observe(event(COMPLETE._replace(round=4)))
    seen.observe(event(stored()._replace(round=5), party()))
    assert seen.studies["1.9"].round == 5


def test_what_is_refused_is_counted_and_said_why() -> None:
    """Objects by status, associations by reason, connections by cause, ends by who ended."""
    seen = model(
        event(ConnectionRefused("host-rules", "not let in"), party("a0", "")),
        event(AssociationRejected(1, 1, 7, "called AE title not recognized"), party("a1")),
        event(ACCEPTED, party("a2")),
        event(REFUSED, party("a2")),
        event(LOST, party("a2")),
    )

    assert seen.connections_refused == {"host-rules": 1}
    assert seen.rejected == {(1, 1, 7): 1}
    assert seen.refused_by_status == {"A700": 1}
    assert seen.aborted == {"network": 1}
    assert not seen.associations
    totals = seen.by_calling_ae_title["CT1"]
    assert (totals.associations, totals.refused, totals.aborted) == (1, 1, 1)
    assert [(problem.kind, problem.detail) for problem in seen.problems.values()] == [
        ("connection-refused", "host-rules"),
        ("association-rejected", ""),
        ("object-refused", "A700"),
        ("association-aborted", "network"),
    ]


def test_what_was_accepted_in_part_is_a_problem_too() -> None:
    """Presentation contexts that were refused, and objects that were kept with a complaint."""
    seen = model(
        event(ACCEPTED._replace(why="only JPEG is offered"), party()),
        event(stored()._replace(status="A900", why="another UID"), party()),
    )

    assert [(problem.kind, problem.detail, problem.why) for problem in seen.problems.values()] == [
        ("association-accepted", "2 of 3", "only JPEG is offered"),
        ("object-stored", "A900", "another UID"),
    ]
    assert seen.by_calling_ae_title["CT1"].objects == 1


def test_one_bad_sender_is_one_problem() -> None:
    """Objects differ in their UIDs, moments and sizes in numbers: what happened is the same."""
    earlier = event(ConnectionRefused("timeout", "said nothing"), party("a"))
    refusals = [
        event(
            REFUSED._replace(
                status="C000",
                sop_instance_uid=f"1.2.{number}",
                why=f'The object 1.2.{number} of "CT1" was not stored: StudyInstanceUID is absent',
                reason="The object was not stored: StudyInstanceUID is absent",
            ),
            party("b"),
            after=number,
        )
        for number in range(120)
    ]

    seen = model(earlier, *refusals)

    first, second = seen.problems.values()
    assert first.kind == "connection-refused"
    assert (second.count, second.first, second.last) == (120, START, START + 119)
    assert second.reason == "The object was not stored: StudyInstanceUID is absent"
    assert [example.time for example in second.examples] == [START + 117, START + 118, START + 119]
    assert second.why.startswith("The object 1.2.119 of")


def test_different_things_are_different_problems() -> None:
    """Another status, another reason, another peer, another title."""
    other = party("a")._replace(calling_ae_title="CT2")
    events = [
        event(REFUSED, party("a")),
        event(REFUSED._replace(status="C000"), party("a")),
        event(REFUSED._replace(reason="the disk is full"), party("a")),
        event(REFUSED, other),
        event(REFUSED, party("a")._replace(peer="10.0.0.8")),
    ]

    seen = model(*events, *events)

    assert [problem.count for problem in seen.problems.values()] == [2] * 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("after 30 s", "after 31.5 s"),
        ('"CT1" is not let in', '"CT2" is not let in'),
        ("at 10.0.0.1:104", "at 10.0.0.2:11112"),
        ("study 1.2.3", "study 1.2.4.5"),
    ],
)
def test_what_varies_does_not_count(one: str, other: str) -> None:
    """Numbers, UIDs, addresses and names in quotes do not make another problem; the last is told."""
    seen = model(
        event(ConnectionRefused("timeout", one), party()),
        event(ConnectionRefused("timeout", other), party(), after=1),
    )

    (problem,) = seen.problems.values()
    assert [example.why for example in problem.examples] == [one, other]


def test_the_same_words_are_one_example() -> None:
    """Examples differ; the time is that of the last."""
    rejected = AssociationRejected(1, 1, 7, "called AE title not recognized")

    seen = model(*(event(rejected, party(), after=count) for count in range(5)))

    (problem,) = seen.problems.values()
    assert list(problem.examples) == [(START + 4, rejected.why)]


def test_nobody_pushes_out_the_problems_of_others() -> None:
    """Where there are too many, the oldest of the peer that has most goes."""
    other = event(ConnectionRefused("timeout", "said nothing"), party("a")._replace(peer="other"))
    letters = "abcdefghijklmnop"
    many = [event(ConnectionRefused("protocol", letter), party(), after=1) for letter in letters]

    seen = model(other, *many, limits=Limits(problems=5))

    assert [problem.why for problem in seen.problems.values()] == [
        "said nothing", "m", "n", "o", "p"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "failing"),
    [
        (["fails"], True),
        (["fails", "fails"], True),
        (["fails", "ends"], False),
        (["ends", "fails"], True),
        (["ends"], False),
    ],
)
def test_a_study_whose_command_keeps_failing(ends: list[str], *, failing: bool) -> None:
    """What counts is the last attempt."""
    seen = model(event(ACCEPTED, party()), event(stored(), party()), event(COMPLETE))
    for number, end in enumerate(ends):
        seen.observe(event(CommandStarted("study", "run", number, "1.9")))
        if end == "fails":
            failed = CommandFailed("study", "run", "exit status 75", 75, number, "1.9")
            seen.observe(event(failed._replace(next_attempt_in=10.0)))
        else:
            seen.observe(event(CommandEnded("study", "run", number, 1.0, "1.9")))

    assert seen.studies["1.9"].commands.failing is failing


def test_the_same_problem_again_is_one_problem() -> None:
    """A peer that tries every second does not drive out all the others."""
    rejected = AssociationRejected(1, 1, 7, "called AE title not recognized")
    seen = model(
        *(event(rejected, party(f"a{count}"), after=count) for count in range(5)),
        event(ConnectionRefused("timeout", "said nothing"), party("b"), after=6),
        event(rejected, party("c"), after=7),
    )

    assert [(problem.count, problem.last) for problem in seen.problems.values()] == [
        (1, START + 6),
        (6, START + 7),
    ]
    assert list(seen.problems.values())[-1].first == START


def test_a_process_serves_one_association_at_a_time() -> None:
    """An association whose end was lost ends when its process begins another."""
    seen = model(event(ACCEPTED, party("a1")), event(ACCEPTED, party("a2"), after=1))

    assert list(seen.associations) == ["a2"]


def test_associations_of_a_process_that_is_gone_are_closed() -> None:
    """It was killed, and said nothing."""
    seen = model(
        event(ACCEPTED, party("a1"), pid=1),
        event(stored(), party("a1"), pid=1),
        event(ACCEPTED, party("a2"), pid=2),
    )
    assert seen.processes() == {1, 2}

    seen.forget_processes({1})

    assert list(seen.associations) == ["a2"]
    assert not seen.studies["1.9"].brought_by


def test_an_association_whose_begin_was_lost_appears_with_its_next_object() -> None:
    """Events may be dropped on the way, and their number is known."""
    seen = model(event(EventsDropped(17)), event(stored(), party()))

    assert list(seen.associations) == ["a1"]
    assert seen.events_dropped == 17


def test_the_receiver_listens_until_it_stops() -> None:
    """Both are told by events."""
    seen = model(event(Listening(104, "1.0", "single")))
    assert (seen.listening, seen.stopping) == (Listening(104, "1.0", "single"), False)

    seen.observe(event(Stopping("SIGTERM")))
    assert seen.stopping


def test_times_of_objects_are_counted_in_classes() -> None:
    """The last class has no upper bound."""
    seen = model(
        event(ACCEPTED, party()),
        *(event(stored(duration=duration), party()) for duration in (0.0005, 0.001, 0.3, 100)),
    )

    assert seen.durations[0] == 2
    assert seen.durations[-1] == 1
    assert sum(seen.durations) == 4
    assert seen.total_duration == pytest.approx(100.3015)


def test_calling_ae_titles_beyond_the_limit_are_counted_together() -> None:
    """Whoever makes up titles fills neither memory nor the time series of others."""
    seen = model(
        *(event(ACCEPTED, party(f"a{count}", f"T{count}")) for count in range(10)),
        limits=Limits(calling_ae_titles=3),
    )

    assert {title: each.associations for title, each in seen.by_calling_ae_title.items()} == {
        "T0": 1,
        "T1": 1,
        "T2": 1,
        OTHER: 7,
    }


def test_complete_studies_are_forgotten_before_open_ones() -> None:
    """The oldest first."""
    seen = model(
        *(event(stored(f"1.{count}"), party(f"a{count}"), pid=count) for count in range(1, 4)),
        event(COMPLETE._replace(study_instance_uid="1.2")),
        event(stored("1.4"), party("a4"), pid=4),
        event(stored("1.5"), party("a5"), pid=5),
        limits=Limits(studies=3),
    )

    assert list(seen.studies) == ["1.3", "1.4", "1.5"]
    assert seen.associations["a1"].study is None


def test_peers_texts_are_made_printable() -> None:
    """Nothing in the model steers a terminal or breaks a line."""
    hostile = party("a1", "A\x1b[2J\n", "ho\u202est")
    seen = model(event(ACCEPTED, hostile), event(stored("1.2\n\x00", patient="\x9b31m"), hostile))

    (association,) = seen.associations.values()
    assert (association.calling_ae_title, association.peer) == (r"A\x1b[2J\n", r"ho\u202est")
    (study,) = seen.studies.values()
    assert (study.uid, study.patient) == (r"1.2\n\x00", r"\x9b31m")


@pytest.mark.parametrize("seed", range(3))
def test_memory_is_bounded_whatever_happens(seed: int) -> None:
    """Random events of many peers, titles, studies and texts, with ends that never come."""
    chance = random.Random(seed)
    seen = Model(START, Limits(20, 20, 20, 20, 20, 5))

    def text() -> str:
        return "x" * chance.randrange(2000) + str(chance.random())

    def fact() -> Fact:
        facts: tuple[Fact, ...] = (
            ACCEPTED,
            RELEASED,
            LOST._replace(why=text()),
            stored(text(), patient=text(), modality=chance.choice(["CT", "MR", None])),
            REFUSED._replace(why=text()),
            StudyComplete(text(), text(), 1, "timeout"),
            CommandStarted("study", text(), chance.randrange(1 << 30)),
            CommandFailed("study", text(), text(), 1, chance.randrange(1 << 30)),
            ConnectionRefused("timeout", text()),
        )
        return chance.choice(facts)

    def some(count: int) -> None:
        for number in range(count):
            whose = party(f"a{chance.randrange(10**6)}", text(), text())
            seen.observe(event(fact(), whose, after=number, pid=chance.randrange(1000)))

    some(2000)
    tracemalloc.start()
    some(4000)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert len(seen.associations) <= 20
    assert len(seen.studies) <= 20
    assert len(seen.by_calling_ae_title) <= 21
    assert grown < 500_000
