"""What is said of commands and studies that have not come to their end when the program ends."""

import pytest

from storescp.serve.studies import pending_commands
from storescp.storage.studies.study_store import Job, Round


def study_job(template: str = "work #p", study: str = "1.2") -> Job:
    return Job("k", "study", 1, template, (("study", study), ("directory", "/d")), 0.0)


def object_job(instance: str) -> Job:
    return Job("k", "object", None, "work #f", (("sop_instance", instance),), 0.0)


def test_the_first_are_named_the_rest_counted() -> None:
    """By the command line as it was given, and what it is for."""
    jobs = [study_job(), object_job("1.3"), object_job("1.4"), object_job("1.5")]

    said = pending_commands.lost(1000, jobs)

    assert said == (
        "1000 commands were still pending at shutdown and are lost: 'work #p' for study 1.2; 'work #f' for object 1.3;"
        " 'work #f' for object 1.4; and 997 more. With --state-directory they would run at the next start"
    )


@pytest.mark.parametrize(
    ("interrupted", "expected"),
    [
        (0, "1 command is pending at shutdown and runs at the next start: 'work #p' for study 1.2"),
        (
            1,
            "1 command is pending at shutdown and runs at the next start again, because interrupted: 'work #p' for study 1.2",
        ),
    ],
)
def test_what_is_kept_runs_at_the_next_start(interrupted: int, expected: str) -> None:
    """Again, if it was interrupted."""
    assert pending_commands.kept(1, [study_job()], interrupted) == expected


def test_what_runs_on() -> None:
    """Nobody notes how it ends."""
    assert pending_commands.running_on([study_job()]) == (
        "1 command still runs at shutdown: 'work #p' for study 1.2. It goes on, but nobody notes how it ends"
    )


def test_what_a_peer_chose_is_made_harmless_and_cut() -> None:
    """No control characters, no line that never ends."""
    said = pending_commands.lost(1, [object_job("1.2\n\x1b[31m" + "9" * 1000)])

    assert said.isprintable()
    assert "1.2\\n\\x1b[31m999" in said
    assert len(said) < 300


def test_one_study() -> None:
    """It is named by its directory."""
    said = pending_commands.not_ended([Round(1, "1.2", 1, "/out/s_1", "t", 0.0)])

    assert said.startswith(
        "1 study was not ended at shutdown, because there was no time to rename all files: /out/s_1. "
    )
