"""Workers as their supervisor sees them, and what they say to it."""

import pickle
import socket

from storescp.serve.accept.worker import DONE, LINGER, Passed, Worker, tell
from storescp.upper_layer.admission import Admission


def test_what_a_worker_says_can_be_told_apart() -> None:
    """A letter each."""
    assert DONE != LINGER
    assert {len(DONE), len(LINGER)} == {1}


def test_a_word_reaches_the_supervisor() -> None:
    """As one message; False when there is nobody any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        assert tell(theirs, LINGER + b"host")
        assert ours.recv(100) == LINGER + b"host"
        ours.close()
        assert not tell(theirs, DONE)


def test_a_new_worker_has_not_served_anybody() -> None:
    """It has been free since it began."""
    with socket.socket() as control:
        worker = Worker(7, control, 5.0, 5.0)

        assert worker.is_new
        worker.free_since = 9.0
        assert not worker.is_new


def test_what_is_passed_survives_the_way() -> None:
    """Pickled by the supervisor, unpickled by its worker: the address and the terms of the admission."""
    passed = Passed("10.0.0.1", Admission(open_associations=2, address="10.0.0.1"))

    assert pickle.loads(pickle.dumps(passed)) == passed
