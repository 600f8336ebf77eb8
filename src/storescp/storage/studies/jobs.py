"""Commands of the user as jobs, which can be kept and run later, and again. Pure."""

from dataclasses import dataclass

from storescp.storage.studies.current_study import CurrentStudy
from storescp.storage.studies.study_store import Job, Round
from storescp.storage.studies.user_commands import (
    Command,
    PeerIdentity,
    ReceivedObject,
    on_end_of_study,
    on_reception,
)


def object_job(
    key: str,
    template: str,
    received: ReceivedObject,
    peer: PeerIdentity,
    round_: Round | None,
    now: float,
    owner: str = "",
) -> Job:
    """Return the job that follows a received object.

    Args:
        key: identifies it everywhere.
        template: the command line with its placeholders.
        received: what was received.
        peer: its sender.
        round_: the round of the study that it belongs to, None where objects are not sorted.
        now: the time of the tracker.
        owner: the process that runs it by itself, if one does.
    """
    values = {
        "directory": received.directory,
        "file": received.file_name,
        "status": f"{received.status:04X}",
        "sop_class": received.sop_class_uid,
        "sop_instance": received.sop_instance_uid,
        "study": received.study_instance_uid,
        "round": str(round_.number) if round_ is not None else None,
        "owner": owner or None,
        **_of_peer(peer),
    }
    return Job(
        key, "object", round_.key if round_ is not None else None, template, _given(values), now
    )


def study_job(template: str, round_: Round, now: float) -> Job:
    """Return the job that follows a round of a study."""
    values = {
        "directory": round_.directory,
        "study": round_.study,
        "objects": str(round_.objects),
        "round": str(round_.number),
        **_of_peer(
            PeerIdentity(round_.calling_ae_title, round_.called_ae_title, round_.calling_address)
        ),
    }
    return Job(round_.token, "study", round_.key, template, _given(values), now)


def command(job: Job) -> Command:
    """Return what the shell is given."""
    values = dict(job.values)
    peer = PeerIdentity(values["calling"], values["called"], values["address"])
    if job.kind == "study":
        study = CurrentStudy(values["study"], values["directory"], 0.0, int(values["objects"]))
        made = on_end_of_study(job.template, study, peer)
    else:
        received = ReceivedObject(
            values["sop_class"],
            values["sop_instance"],
            int(values["status"], 16),
            values.get("directory"),
            values.get("file"),
            values.get("study"),
        )
        made = on_reception(job.template, received, peer)
    environment = {
        **made.environment,
        "STORESCP_ID": job.key,
        "STORESCP_ATTEMPT": str(job.attempts),
    }
    if "round" in values:
        environment["STORESCP_ROUND"] = values["round"]
    return Command(made.line, environment)


def description(job: Job) -> str:
    """Return a job that was given up as a line for people: what, for what, how often, why."""
    values = dict(job.values)
    about = values["directory"] if "directory" in values else values.get("sop_instance", "")
    if "file" in values:
        about = f"{about}/{values['file']}"
    attempts = f"{job.attempts} attempt{'s' if job.attempts != 1 else ''}"
    return f"{job.key}  {job.kind}  {about}  {attempts}  {job.why}  {job.template}"


def _of_peer(peer: PeerIdentity) -> dict[str, str | None]:
    return {
        "calling": peer.calling_ae_title,
        "called": peer.called_ae_title,
        "address": peer.calling_address,
    }


def _given(values: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Retries:
    """Number of attempts, and pauses between them."""

    attempts: int = 6
    """Maximum number of attempts of a command."""
    first_pause: float = 10.0
    """Seconds after the first failure; each pause is twice the one before."""
    longest_pause: float = 3600.0

    def pause_after(self, attempts: int) -> float | None:
        """Return the seconds to wait after so many attempts have failed; None: not again."""
        if attempts >= self.attempts:
            return None
        doublings = min(attempts - 1, 64)  # beyond that it is longer than any limit
        return min(self.first_pause * 2.0**doublings, self.longest_pause)
