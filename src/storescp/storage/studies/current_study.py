"""The study that is being received, and when it ends.

Pure: directories are made and files renamed by others, the time is passed in.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class StudyFile(NamedTuple):
    """A file of a study, as it was stored."""

    name: str
    letters: str
    """First two characters of the modality prefix: what a renamed file begins with."""


@dataclass(slots=True)
class CurrentStudy:
    """A study from its first object to its end."""

    uid: str
    """Study Instance UID, one character per byte, not sanitised."""
    directory: str
    """Path of the directory that its files are stored in."""
    last_object: float
    """Time at which its last object was received."""
    objects: int = 0
    files: list[StudyFile] = field(default_factory=list)
    """Files in order of arrival; empty unless names are kept."""


class CurrentStudyTracker:
    """At most one study at a time: it ends with an object of another one, or by time.

    Times are seconds of any clock that does not step, always the same one.
    """

    __slots__ = ("_keep_names", "_timeout", "current")

    def __init__(self, *, timeout: float | None = None, keep_names: bool = False) -> None:
        """Begin without a study.

        Args:
            timeout: seconds after its last object in which a study ends; None for never. What else
                arrives, echoes, connections, objects that are not stored, has no influence.
            keep_names: whether the files will be asked for. One name per object is kept.
        """
        self._timeout = timeout
        self._keep_names = keep_names
        self.current: CurrentStudy | None = None

    def directory_of(self, uid: str) -> str | None:
        """Return where objects of a study go, None if this is not the current study."""
        if self.current is not None and self.current.uid == uid:
            return self.current.directory
        return None

    def begin(self, uid: str, directory: str, now: float) -> CurrentStudy | None:
        """Make another study the current one, once it has a directory; return the one that ended.

        A study whose directory was refused or could not be made is not begun: its next object is
        examined anew.
        """
        ended, self.current = self.current, CurrentStudy(uid, directory, now)
        return ended

    def stored(self, name: str, prefix: str, now: float) -> None:
        """Note that an object of the current study was stored, and restart the time-out.

        Args:
            name: of the file.
            prefix: modality prefix of its SOP class.
            now: the time.
        """
        if self.current is None:
            return
        self.current.last_object = now
        self.current.objects += 1
        if self._keep_names:
            self.current.files.append(StudyFile(name, prefix[:2]))

    def deadline(self) -> float | None:
        """Return when the current study ends if no object of it comes; None for never."""
        if self.current is None or self._timeout is None:
            return None
        return self.current.last_object + self._timeout

    def expire(self, now: float) -> CurrentStudy | None:
        """End the current study if its time has come, and return it.

        To be asked between objects, not while one is received: it may belong to this study.
        """
        deadline = self.deadline()
        return self.finish() if deadline is not None and now >= deadline else None

    def finish(self) -> CurrentStudy | None:
        """End the current study, if there is one, and return it: at the end of the program."""
        ended, self.current = self.current, None
        return ended
